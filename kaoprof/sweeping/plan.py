"""From the words of a request to the plan of a sweep, checked."""

import itertools
from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from kaoprof.catalog import chosen_operators
from kaoprof.comparing.cases import Sizes, as_sizes
from kaoprof.comparing.own_modules import with_installed
from kaoprof.comparing.run import check_baseline
from kaoprof.dims import DTYPE_BYTES, MODES, AttentionOptions, head_size, one_of
from kaoprof.errors import UsageError
from kaoprof.records.options import Options, checked_options
from kaoprof.records.own import OwnModule
from kaoprof.records.sweep import Plan, SweepPlan
from kaoprof.specs.grid import MAX_CELLS

Value = TypeVar("Value")


def sweep_plan(
    *,
    spatial: Iterable[tuple[int, ...]],
    c: Sizes,
    batch: Sizes = 1,
    heads: Sizes = 1,
    operators: str | Iterable[str] | None = None,
    projection: str = "value",
    scale: str = "sqrt",
    dtypes: Iterable[str] = ("fp32",),
    modes: Iterable[str] = ("forward",),
    options: Options | None = None,
    name: str = "",
    own: Iterable[OwnModule] = (),
) -> SweepPlan:
    """A checked plan; what is named twice is measured once.

    Raises:
        UsageError: words that are not known, sizes that cannot be, heads that do not divide the channels, too many
            cells.
    """
    options = checked_options(options)
    operators, own = with_installed(operators, tuple(own))
    check_baseline(options.baseline, own)
    AttentionOptions(projection=projection, scale=scale)
    plan = SweepPlan(
        name=name,
        own=own,
        spatial=once(spatial),
        c=once(as_sizes("c", c)),
        batch=once(as_sizes("batch", batch)),
        heads=once(as_sizes("heads", heads)),
        dtypes=once(checked_words("dtype", dtypes, tuple(DTYPE_BYTES))),
        modes=once(checked_words("mode", modes, MODES)),
        operators=tuple(":".join(pair) for pair in _chosen(operators, own)),
        projection=projection,
        scale=scale,
        options=options,
    )
    if len(plan) > MAX_CELLS:
        raise UsageError(f"{len(plan):,} cells are too many", where="sizes", hint=f"at most {MAX_CELLS:,}")
    for channels, groups in itertools.product(plan.c, plan.heads):
        head_size(channels, groups)
    return plan


def on_every_node(plan: Plan, on: str | None) -> Plan:
    """The same, done by every node of a cluster, to compare these.

    Raises:
        UsageError: there is no cluster, or nothing that nodes could differ in.
    """
    if on is None:
        raise UsageError("compares the nodes of a cluster", where="--spread", hint="name the cluster: --on ray")
    if plan.options.analytic:
        raise UsageError("closed forms are the same on every node", where="--spread", hint="leave out --analytic")
    return replace(plan, spread=True)


def _chosen(operators: str | Iterable[str] | None, own: tuple[OwnModule, ...]) -> list[tuple[str, str]]:
    return [] if own and operators == [] else chosen_operators(operators)


def checked_words(what: str, words: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """The words, which must be known.

    Raises:
        UsageError: one is not, or there is none.
    """
    words = tuple(words)
    if not words:
        raise UsageError("none is named", where=what, hint=f"one or more of: {', '.join(known)}")
    return tuple(one_of(what, word, known) for word in words)


def once(values: Iterable[Value]) -> tuple[Value, ...]:
    """The values in their order, each once."""
    return tuple(dict.fromkeys(values))

"""What `sweep` is asked for: a grid of sizes, dtypes and modes, and how its cells are measured; kept in the journal."""

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
from msgspec.structs import fields, replace

from kaoprof.catalog import find_operator
from kaoprof.comparing.cases import Options, Sizes, as_sizes, chosen_operators, with_variants
from kaoprof.dims import DTYPE_BYTES, MODES, AttentionOptions, head_size, one_of
from kaoprof.errors import UsageError
from kaoprof.records.compare import Case

MOST_CELLS = 10_000  # beyond it a grid is a slip of the hand
# What a cell's figures do not rest on; the device is compared with the one that cells were measured on.
MAY_DIFFER = {"budget_s", "timeout_s", "memory_fraction", "force_run", "baseline", "device"}
CellKey = tuple[object, ...]  # `Case.cell`
Value = TypeVar("Value")


class SweepPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A grid and the options of its measurement. `operators` are `nonlocal:sdpa` and so on, `name` is the spec's."""

    name: str = ""
    spatial: tuple[tuple[int, ...], ...]
    c: tuple[int, ...]
    batch: tuple[int, ...] = (1,)
    heads: tuple[int, ...] = (1,)
    dtypes: tuple[str, ...] = ("fp32",)
    modes: tuple[str, ...] = ("forward",)
    operators: tuple[str, ...]
    projection: str = "value"
    scale: str = "sqrt"
    options: Options = msgspec.field(default_factory=Options)

    def __post_init__(self) -> None:
        if not self.operators or not all(name.count(":") == 1 for name in self.operators):
            raise UsageError(f"{', '.join(self.operators)[:40]!r} does not name operators", where="operators")

    def __len__(self) -> int:
        """How many cells there are."""
        sizes = (self.dtypes, self.modes, self.heads, self.batch, self.c, self.spatial)
        return math.prod(map(len, sizes))

    def cells(self) -> Iterator[tuple[Case, ...]]:
        """The rows of each cell, in grid order: spatial sizes vary fastest, so that a law in them shows early."""
        pairs = [tuple(name.split(":")) for name in self.operators]
        for first in self.corners():
            cases = [replace(first, operator=operator, implementation=kind) for operator, kind in pairs]
            yield tuple(with_variants(cases, self.options.variants))

    def corners(self) -> Iterator[Case]:
        """One row of each cell: enough to name the cell."""
        operator, implementation = self.operators[0].split(":")
        grid = itertools.product(self.dtypes, self.modes, self.heads, self.batch, self.c, self.spatial)
        for dtype, mode, heads, b, c, spatial in grid:
            yield Case(operator=operator, implementation=implementation, b=b, c=c, spatial=spatial, heads=heads,
                       projection=self.projection, scale=self.scale, dtype=dtype, mode=mode)  # fmt: skip

    def differences(self, other: "SweepPlan") -> list[str]:
        """What keeps the cells of two plans from standing in one journal, each as `seed 1, there 0`."""
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in ("operators", "projection", "scale")]
        pairs += [
            (one.name, getattr(self.options, one.name), getattr(other.options, one.name))
            for one in fields(Options)
            if one.name not in MAY_DIFFER
        ]
        return [f"{name} {_shown(here)}, there {_shown(there)}" for name, here, there in pairs if here != there]


def sweep_plan(
    *,
    spatial: Iterable[tuple[int, ...]],
    c: Sizes,
    batch: Sizes = 1,
    heads: Sizes = 1,
    operators: Iterable[str] | None = None,
    projection: str = "value",
    scale: str = "sqrt",
    dtypes: Iterable[str] = ("fp32",),
    modes: Iterable[str] = ("forward",),
    options: Options | None = None,
    name: str = "",
) -> SweepPlan:
    """A checked plan; what is named twice is measured once.

    Raises:
        UsageError: words that are not known, sizes that cannot be, heads that do not divide the channels, too many
            cells.
    """
    options = options or Options()
    find_operator(options.baseline, where="baseline")
    AttentionOptions(projection=projection, scale=scale)
    plan = SweepPlan(
        name=name,
        spatial=_once(spatial),
        c=_once(as_sizes("c", c)),
        batch=_once(as_sizes("batch", batch)),
        heads=_once(as_sizes("heads", heads)),
        dtypes=_once(_words("dtype", dtypes, tuple(DTYPE_BYTES))),
        modes=_once(_words("mode", modes, MODES)),
        operators=tuple(":".join(pair) for pair in chosen_operators(operators)),
        projection=projection,
        scale=scale,
        options=options,
    )
    if len(plan) > MOST_CELLS:
        raise UsageError(f"{len(plan):,} cells are too many", where="sizes", hint=f"at most {MOST_CELLS:,}")
    for channels, groups in itertools.product(plan.c, plan.heads):
        head_size(channels, groups)
    return plan


def _words(what: str, words: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(words)
    if not words:
        raise UsageError("none is named", where=what, hint=f"one or more of: {', '.join(known)}")
    return tuple(one_of(what, word, known) for word in words)


def _once(values: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(dict.fromkeys(values))


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

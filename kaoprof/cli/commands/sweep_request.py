"""What exactly `kaoprof sweep` is asked: the grid, from a spec or from options, and where it is kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from kaoprof.cli.output import check_targets
from kaoprof.comparing.cases import Sizes, parse_names, parse_sizes, spatial_grid
from kaoprof.errors import SpecError, UsageError
from kaoprof.records.options import Options
from kaoprof.records.sweep import SweepPlan
from kaoprof.specs.documents import GridSpec
from kaoprof.specs.loader import load_spec
from kaoprof.sweeping.plan import sweep_plan

CHANNELS = 64  # by default
JOURNAL_SUFFIX = ".jsonl"
ALL = "all"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The words as they were typed; None leaves the choice to the spec, or to the defaults."""

    operators: str | None
    projection: str | None
    scale: str | None
    dtype: str | None
    mode: str | None


def planned(name: str | None, sizes: Mapping[str, str | None], asked: Asked, options: Options) -> SweepPlan:
    """The plan of the spec called `name`, whose options may be overruled, or of the sizes.

    Raises:
        UsageError: both or neither are given, or they make no sense.
    """
    given = {axis: parse_sizes(axis, text) for axis, text in sizes.items()}
    if name is None:
        return _plan(given, asked, options, {})
    typed = [f"--{axis}" for axis, text in sizes.items() if text is not None]
    if typed:
        hint = f"change them there, or leave {name} out"
        raise UsageError(f"the sizes stand in {name}, which excludes {', '.join(typed)}", where=typed[0], hint=hint)
    document = load_spec(name)
    spec = document.spec
    if not isinstance(spec, GridSpec):
        hint = "kaoprof profile measures a model; kaoprof list names the grids" if document.kind == "model" else (
            "kaoprof list names the grids"
        )  # fmt: skip
        raise SpecError(f"describes a {document.kind}, not a grid", where=name, hint=hint)
    told: dict[str, str] = {"projection": spec.projection, "scale": spec.scale, "dtype": spec.dtype, "mode": spec.mode}
    told |= {"operators": ",".join(spec.operators) or ALL, "name": spec.name}
    return _plan({axis: getattr(spec.grid, axis) for axis in sizes}, asked, options, told)


def _plan(sizes: Mapping[str, Sizes], asked: Asked, options: Options, told: Mapping[str, str]) -> SweepPlan:
    """`asked` goes before `told`, which is the spec's."""
    batch, heads, channels = sizes["batch"], sizes["heads"], sizes["c"]
    operators = asked.operators if asked.operators is not None else told.get("operators", ALL)
    return sweep_plan(
        spatial=spatial_grid(sizes["h"], sizes["w"], sizes["t"], sizes["n"]),
        c=CHANNELS if channels is None else channels,
        batch=1 if batch is None else batch,
        heads=1 if heads is None else heads,
        operators=None if operators.strip() == ALL else parse_names(operators),
        projection=asked.projection if asked.projection is not None else told.get("projection", "value"),
        scale=asked.scale if asked.scale is not None else told.get("scale", "sqrt"),
        dtypes=parse_names(asked.dtype if asked.dtype is not None else told.get("dtype", "fp32")) or (),
        modes=parse_names(asked.mode if asked.mode is not None else told.get("mode", "forward")) or (),
        options=options,
        name=told.get("name", ""),
    )


def outputs_of(paths: Sequence[Path], plan: SweepPlan, *, force: bool) -> tuple[Path, list[Path]]:
    """The journal, by default `sweep.jsonl` or the spec's name in this folder, and the files to write at the end.

    Raises:
        UsageError: several journals, an unknown suffix, or a file that exists already, which no journal minds.
        OutputError: a file could not be written.
    """
    journals = [path for path in paths if path.suffix.lower() == JOURNAL_SUFFIX]
    others = [path for path in paths if path not in journals]
    if len(journals) > 1:
        raise UsageError("a sweep has one journal", where="-o", hint=f"name one file that ends in {JOURNAL_SUFFIX}")
    check_targets(others, force=force, kind="sweep", also=(JOURNAL_SUFFIX.removeprefix("."),))
    return (journals[0] if journals else Path((plan.name or "sweep") + JOURNAL_SUFFIX)), others

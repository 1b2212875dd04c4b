"""What exactly `kaoprof sweep` is asked: the grid, from a spec or from options, and where it is kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kaoprof.cli.operator_names import told_operators
from kaoprof.cli.output import check_targets
from kaoprof.comparing.cases import Sizes, Widths, parse_names, parse_sizes, parse_widths, spatial_grid
from kaoprof.errors import UsageError
from kaoprof.records.journal import MODELS, OPERATORS
from kaoprof.records.options import Options
from kaoprof.records.own import OwnModule
from kaoprof.records.sweep import ModelPlan, Plan, SweepPlan
from kaoprof.specs.documents import GridSpec
from kaoprof.specs.grid import listed
from kaoprof.specs.loader import load_spec
from kaoprof.sweeping.plan import sweep_plan

SIZES: dict[str, Sizes] = {"c": 64, "batch": 1, "heads": 1}  # by default
JOURNAL_SUFFIX = ".jsonl"
PAPER = "paper"


WORDS = {"operators": PAPER, "projection": "value", "scale": "sqrt", "dtype": "fp32", "mode": "forward"}  # by default


def planned(
    name: str | None,
    sizes: Mapping[str, str | None],
    words: Mapping[str, str | None],
    options: Options,
    *,
    told: Sequence[str] = (),
    own: Sequence[OwnModule] = (),
) -> SweepPlan:
    """The plan of the spec called `name`, whose options typed words overrule, or of the sizes.

    `told` are the options of single operators, `own` somebody's modules beside them.

    Raises:
        UsageError: both or neither are given, or they make no sense.
    """
    plain = {axis: text for axis, text in sizes.items() if axis not in ("w", "aspect")}
    given: dict[str, Sizes] = {axis: parse_sizes(axis, text) for axis, text in plain.items()}
    widths = parse_widths(sizes["w"], sizes["aspect"])
    chosen = {word: text for word, text in words.items() if text is not None}
    if name is None:
        return _plan(given, widths, WORDS | chosen, options, told, own)
    typed = [f"--{axis}" for axis, text in sizes.items() if text is not None]
    if typed:
        hint = f"change them there, or leave {name} out"
        raise UsageError(f"the sizes stand in {name}, which excludes {', '.join(typed)}", where=typed[0], hint=hint)
    spec = load_spec(name).spec
    assert isinstance(spec, GridSpec)  # noqa: S101 - of all other specs `sweep_models` has made a plan
    described = {word: ",".join(listed(getattr(spec, word))) for word in WORDS}
    described["operators"] = described["operators"] or PAPER
    grid = {axis: getattr(spec.grid, axis) for axis in given}
    return _plan(grid, spec.grid.w, described | chosen, options, told, own, spec.name)


def _plan(
    sizes: Mapping[str, Sizes],
    widths: Widths,
    words: Mapping[str, str],
    options: Options,
    told: Sequence[str],
    own: Sequence[OwnModule],
    name: str = "",
) -> SweepPlan:
    others = {axis: default if sizes[axis] is None else sizes[axis] for axis, default in SIZES.items()}
    return sweep_plan(
        spatial=spatial_grid(sizes["h"], widths, sizes["t"], sizes["n"]),
        **others,
        operators=told_operators(parse_names(words["operators"]), told),
        projection=words["projection"],
        scale=words["scale"],
        dtypes=parse_names(words["dtype"]) or (),
        modes=parse_names(words["mode"]) or (),
        options=options,
        name=name,
        own=own,
    )


def outputs_of(paths: Sequence[Path], plan: Plan, *, force: bool) -> tuple[Path, list[Path]]:
    """The journal, and the files to write at the end.

    By default the journal is `sweep.jsonl`, `models.jsonl` or the spec's name, in this folder.

    Raises:
        UsageError: several journals, an unknown suffix, or a file that exists already, which no journal minds.
        OutputError: a file could not be written.
    """
    journals = [path for path in paths if path.suffix.lower() == JOURNAL_SUFFIX]
    others = [path for path in paths if path not in journals]
    if len(journals) > 1:
        raise UsageError("a sweep has one journal", where="-o", hint=f"name one file that ends in {JOURNAL_SUFFIX}")
    kind, default = (MODELS, MODELS) if isinstance(plan, ModelPlan) else (OPERATORS, "sweep")
    check_targets(others, force=force, kind=kind, also=(JOURNAL_SUFFIX.removeprefix("."),))
    return (journals[0] if journals else Path((plan.name or default) + JOURNAL_SUFFIX)), others

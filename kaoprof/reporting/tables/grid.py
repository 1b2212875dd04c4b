"""How the rows of some runs lie in a grid: what varies, along which axis a plot runs, and what stays the same."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from kaoprof.errors import RecordError, UsageError, did_you_mean
from kaoprof.findings.operators import Standing, standings
from kaoprof.records.aspect import follows_height
from kaoprof.records.compare import Case

AXES = ("h", "n", "t", "w", "b", "c", "heads")  # sizes, in the order in which one of them is chosen to run along
WORDS = {"b": "batch"}  # what the command line calls an axis
ENOUGH_SIZES = 3  # from here on an axis is drawn rather than one that comes before it
MANY_CELLS = 4  # from here on one line per row instead of a table per cell
NAMES = ("operator", "implementation")  # what tells the rows of a cell apart
PLAIN = ("dtype", "mode", "device", "run")  # values that name themselves: "fp32" instead of "dtype=fp32"

Value = int | str | None


class NamedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A record, and what to call it beside others."""

    name: str
    record: Any


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """One row at its place: `place` holds its sizes, options and run."""

    run: NamedRun
    standing: Standing
    place: Mapping[str, Value]


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that differ in the operator and the axis that a plot runs along; `label` tells them from other blocks."""

    label: str
    rows: tuple[Placed, ...]


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """Some runs. `x` is None where no size varies; `x_label` names what varies with it, as in `h = w`.

    `fixed` is what is the same everywhere, `quantities` what a plot shows (None: all there are).
    """

    runs: tuple[NamedRun, ...]
    x: str | None
    x_label: str
    fixed: Mapping[str, Value]
    blocks: tuple[Block, ...]
    quantities: tuple[str, ...] | None = None

    @property
    def rows(self) -> list[Placed]:
        """All rows, in order."""
        return [row for block in self.blocks for row in block.rows]

    @property
    def title(self) -> str:
        """What is the same everywhere, as text."""
        return label_of(self.fixed)

    @property
    def cells(self) -> int:
        """How many grid cells there are."""
        return sum(len({size_of(row, self.x) for row in block.rows}) for block in self.blocks)

    @property
    def is_large(self) -> bool:
        """Whether there are too many cells for a table each, or several runs."""
        return len(self.runs) > 1 or self.cells >= MANY_CELLS


def grid_of(runs: Sequence[NamedRun], x: str | None = None) -> Grid:
    """The rows of some runs in their grid.

    Args:
        runs: at least one.
        x: the axis to run along; by default a spatial one that varies.

    Raises:
        UsageError: `x` is no axis of these runs.
    """
    tied = _tied([row.case for run in runs for row in run.record.rows])
    placed = [
        Placed(run=run, standing=standing, place=_place(standing.row.case, run, tied))
        for run in runs
        for cell in standings(run.record).values()
        for standing in cell
    ]
    values: dict[str, dict[Value, None]] = {}
    for row in placed:
        for name, value in row.place.items():
            values.setdefault(name, {})[value] = None
    counts = {name: len(members) for name, members in values.items()}
    along = _along(counts, x)
    fixed = {name: next(iter(members)) for name, members in values.items() if len(members) == 1}
    others = [name for name in values if name not in fixed and name != along]
    blocks: dict[tuple[Value, ...], list[Placed]] = {}
    for row in placed:
        blocks.setdefault(tuple(row.place.get(name) for name in others), []).append(row)
    if len(runs) == 1:
        fixed.pop("run", None)
    return Grid(
        runs=tuple(runs),
        x=along,
        x_label=f"{WORDS.get(along or '', along)}{tied.get(along or '', '')}",
        fixed=fixed,
        blocks=tuple(
            Block(label=label_of(dict(zip(others, key, strict=True))), rows=tuple(members))
            for key, members in blocks.items()
        ),
    )


def grid_report(
    runs: Sequence[NamedRun], *, x: str | None, only: Mapping[str, Collection[str]], quantities: tuple[str, ...] | None
) -> Grid:
    """Runs that were kept, in their grid: only the cells that were asked for.

    Raises:
        RecordError: they hold no rows.
        UsageError: no cell is like that.
    """
    return replace(grid_of(chosen_runs(runs, only), x), quantities=quantities)


def chosen_runs(runs: Sequence[NamedRun], only: Mapping[str, Collection[str]]) -> tuple[NamedRun, ...]:
    """Runs with the cells that were asked for; those without any are left out.

    Raises:
        RecordError: they hold no rows.
        UsageError: no cell is like that.
    """
    return with_rows(runs, [narrowed(run, only) for run in runs], only, what="cell")


def with_rows(
    runs: Sequence[NamedRun], left: Iterable[NamedRun], only: Mapping[str, Collection[str]], *, what: str
) -> tuple[NamedRun, ...]:
    """Of what is `left` of the runs by `only`, those that hold any rows.

    Raises:
        RecordError: they hold no rows.
        UsageError: no cell, or whatever rows are called, is like that.
    """
    chosen = tuple(run for run in left if run.record.rows)
    if not chosen and only:
        raise UsageError(f"no {what} is like that", where="--only")
    if not chosen:
        names = ", ".join(run.name for run in runs)
        raise RecordError("these runs hold no rows", where=names, hint="was it interrupted at once?")
    return chosen


def narrowed(run: NamedRun, wanted: Mapping[str, Collection[str]]) -> NamedRun:
    """The run with only those rows that have one of the wanted values on each axis named, or as their operator.

    Raises:
        UsageError: there is no such axis, or no such operator.
    """
    if not wanted:
        return run
    places = [(row, _place(row.case, run, {}) | _name(row.case)) for row in run.record.rows]
    names = {WORDS.get(name, name): name for _, place in places for name in place}
    for name, values in wanted.items():
        if name not in names:
            raise UsageError(f"{name!r} is no axis of these runs", where="--only", hint=did_you_mean(name, names))
        there = {str(place.get(names[name])) for _, place in places}
        for value in sorted(values) if name in NAMES else ():
            if value not in there:
                hint = did_you_mean(value, sorted(there))
                raise UsageError(f"no {name} is called {value!r} in {run.name}", where="--only", hint=hint)
    rows = tuple(
        row for row, place in places if all(str(place.get(names[name])) in values for name, values in wanted.items())
    )
    return replace(run, record=replace(run.record, rows=rows))


def _name(case: Case) -> dict[str, Value]:
    """What a row is called, as `--only` names it: it is no axis that a plot runs along."""
    return {name: str(getattr(case, name)) for name in NAMES}


def _tied(cases: Sequence[Case]) -> dict[str, str]:
    """The axis `h` with what its label must add, if the width is the height in all cases, or follows it."""
    images = {case.spatial[-2:] for case in cases if "w" in case.dims.axes}
    if images and all(height == width for height, width in images):
        return {"h": " = w"}
    alone = len({height for height, _ in images}) == len(images)
    return {"h": ", w with it"} if images and alone and follows_height(images) else {}


def _place(case: Case, run: NamedRun, tied: Mapping[str, str]) -> dict[str, Value]:
    sizes = dict(zip(case.dims.axes, case.spatial, strict=True))
    if "h" in tied:
        sizes.pop("w", None)
    return {
        **sizes, "b": case.b, "c": case.c, "heads": case.heads, "dtype": case.dtype, "mode": case.mode,
        "device": case.device, "projection": case.projection, "scale": case.scale, "run": run.name,
    }  # fmt: skip


def _along(counts: Mapping[str, int], wanted: str | None) -> str | None:
    present = [axis for axis in AXES if axis in counts]
    if wanted is not None:
        axis = next((name for name, word in WORDS.items() if word == wanted), wanted)
        if axis not in present:
            known = [WORDS.get(name, name) for name in present]
            raise UsageError(f"{wanted!r} is no axis of these runs", where="--x", hint=did_you_mean(wanted, known))
        return axis
    spatial = [axis for axis in present if axis in AXES[:4]]
    choices = ((spatial, ENOUGH_SIZES), (present, ENOUGH_SIZES), (present, 2))
    return next((axis for axes, least in choices for axis in axes if counts[axis] >= least), None)


def size_of(row: Placed, x: str | None) -> int:
    """The row's size along the axis; 0 where it has none."""
    value = row.place.get(x or "")
    return value if isinstance(value, int) else 0


def label_of(place: Mapping[str, Value]) -> str:
    """`c=64, fp32, forward`."""
    return ", ".join(
        str(value) if name in PLAIN else f"{WORDS.get(name, name)}={value}"
        for name, value in place.items()
        if value is not None
    )

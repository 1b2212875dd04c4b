"""Which rows of sweeps of models are reported, and how they lie in blocks: by run, dtype and mode."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kaoprof.errors import UsageError, did_you_mean, nearest
from kaoprof.records.swept_models import ModelRow, shown_size
from kaoprof.reporting.tables.grid import NamedRun, with_rows

AXES = ("macs", "batch", "size")  # what a plot runs along
QUANTITIES = ("latency", "memory", "macs")  # what it shows
FEW = 4  # values that a hint names
PLACES: dict[str, Callable[[ModelRow], Collection[str]]] = {  # what `--only` names, and how a row may be called there
    "model": lambda row: (row.profile.model, row.case.model),
    "size": lambda row: (shown_size(row.size),) if row.size else (),
    "batch": lambda row: (str(row.case.b),),
    "dtype": lambda row: (row.case.dtype,),
    "mode": lambda row: (row.case.mode,),
    "device": lambda row: (row.case.device or "",),
    "status": lambda row: (row.status,),
}


class ModelBlock(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one run, dtype and mode; `label` tells them from other blocks."""

    label: str
    rows: tuple[ModelRow, ...]


def chosen_models(
    runs: Sequence[NamedRun], *, x: str | None, quantities: Sequence[str] | None, only: Mapping[str, Collection[str]]
) -> tuple[NamedRun, ...]:
    """Runs with the rows that were asked for; those without any are left out.

    Raises:
        RecordError: they hold no rows.
        UsageError: no row is like that, or a plot along `x` or of these `quantities` is none of models.
    """
    if x is not None and x not in AXES:
        raise UsageError(f"{x!r} is no axis of a sweep of models", where="--x", hint=did_you_mean(x, AXES))
    unheld = [name for name in quantities or () if name not in QUANTITIES]
    if unheld:
        hint = f"one or more of {', '.join(QUANTITIES)}"
        raise UsageError(f"a sweep of models has no plot of {unheld[0]}", where="--plot", hint=hint)
    _check_only([row for run in runs for row in run.record.rows], only)
    return with_rows(runs, [_narrowed(run, only) for run in runs], only, what="row")


def _check_only(rows: Sequence[ModelRow], only: Mapping[str, Collection[str]]) -> None:
    for name, values in only.items():
        if name not in PLACES:
            hint = did_you_mean(name, PLACES)
            raise UsageError(f"{name!r} is nothing that models are chosen by", where="--only", hint=hint)
        there = sorted({called for row in rows for called in PLACES[name](row)})
        for value in sorted(values):
            if value not in there:
                hint = nearest(value, there) or f"there is {', '.join(there[:FEW])}"
                raise UsageError(f"no row has the {name} {value!r}", where="--only", hint=hint)


def _narrowed(run: NamedRun, only: Mapping[str, Collection[str]]) -> NamedRun:
    rows = tuple(
        row for row in run.record.rows if all(set(values) & set(PLACES[name](row)) for name, values in only.items())
    )
    return replace(run, record=replace(run.record, rows=rows))


def model_blocks(runs: Iterable[NamedRun]) -> list[ModelBlock]:
    """The blocks, in the order of the rows."""
    runs = list(runs)
    blocks: dict[str, list[ModelRow]] = {}
    for run in runs:
        for row in run.record.rows:
            label = [run.name] if len(runs) > 1 else []
            blocks.setdefault(", ".join([*label, row.case.dtype, row.case.mode]), []).append(row)
    return [ModelBlock(label=label, rows=tuple(rows)) for label, rows in blocks.items()]

"""Runs as one report: which may stand side by side, and `kaoprof.report`, which takes files and records alike."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kaoprof.errors import UsageError, did_you_mean
from kaoprof.findings.tally import Tally
from kaoprof.records.reading import load_named
from kaoprof.records.shown import Shown
from kaoprof.reporting.kinds import FORMATS, KINDS, TEXTS, Report, load
from kaoprof.reporting.results import save
from kaoprof.reporting.tables.grid import NamedRun, chosen_runs, grid_report
from kaoprof.workload.process import leaves_process_alone

PLOTS = ("latency", "memory", "macs", "map", "roofline")
PICTURES = tuple(name for name in FORMATS if name not in TEXTS)
PathLike = str | os.PathLike[str]


@leaves_process_alone
def report(
    *runs: PathLike | Shown | Iterable[PathLike | Shown],
    to: PathLike | Iterable[PathLike] = (),
    x: str | None = None,
    plots: str | Iterable[str] | None = None,
    only: Mapping[str, object] | None = None,
) -> Report:
    """Runs that were kept, or records in hand, side by side: `kaoprof.report("run.json", to="cost.tex")`.

    Args:
        runs: files that kaoprof wrote, or records; several stand beside each other.
        to: files to write, each in the format of its suffix.
        x: what a plot runs along: of operators h, n, t, w, c, batch or heads, of models macs, batch or size.
        plots: only these: latency, memory, macs; of operators also map, or roofline.
        only: only cells with these sizes or words: `{"c": [8, 64]}`, of models `{"model": "resnet18", "batch": 1}`.

    Returns:
        The report, which prints as its tables and shows itself in a notebook.

    Raises:
        RecordError: a file cannot be read, or holds no run.
        UsageError: runs of different kinds, or an option or format that this kind does not have.
        OutputError: a file cannot be written.
    """
    named = tuple(_named(_flat(runs)))
    if not named:
        raise UsageError("no run is named", where="kaoprof.report", hint="for example kaoprof.report('run.json')")
    quantities = None if plots is None else checked_plots([plots] if isinstance(plots, str) else plots, where="plots")
    wanted = {axis: frozenset(map(str, _values(values))) for axis, values in (only or {}).items()}
    made = report_on(named, x=x, quantities=quantities, only=wanted)
    for target in [to] if isinstance(to, str | os.PathLike) else to:
        save(made, target)
    return made


def report_on(
    runs: Sequence[NamedRun],
    *,
    x: str | None,
    quantities: tuple[str, ...] | None,
    only: Mapping[str, frozenset[str]],
    rows_alone: bool = False,
) -> Report:
    """The runs as a report, if they may stand side by side; without their grid where `rows_alone` are written.

    Raises:
        UsageError: they may not, or these options are not for runs of their kind.
    """
    kinds = [KINDS[run.record.kind] for run in runs]
    subjects = {"operators" if kind.is_grid else run.record.kind: run for kind, run in zip(kinds, runs, strict=True)}
    if len(subjects) > 1:
        (first, run), (second, other), *_ = subjects.items()
        message = f"{run.name} is a record of {first}, {other.name} of {second}"
        raise UsageError(message, hint="report them one by one")
    if kinds[0].is_grid and rows_alone:
        chosen = chosen_runs(runs, only)
        return Report(runs=chosen, tallies=tuple(Tally(run.record) for run in chosen))
    if kinds[0].is_grid:
        grid = grid_report(runs, x=x, only=only, quantities=quantities)
        return Report(runs=grid.runs, grid=grid, alone=len(runs) == 1 and x is None and not quantities)
    if kinds[0].choose:
        chosen = load(kinds[0].choose)(runs, x=x, quantities=quantities, only=only)
        return Report(runs=chosen, x=x, quantities=quantities)
    if x is not None or only or quantities:
        option = "--x" if x is not None else "--only" if only else "--plot"
        raise UsageError("is for runs of compare and sweep", where=option)
    if kinds[0].stands_alone and len(runs) > 1:
        raise UsageError(f"records of {runs[0].record.kind} are reported one at a time", where=runs[1].name)
    return Report(runs=tuple(runs))


def checked_plots(names: Iterable[str], *, where: str) -> tuple[str, ...]:
    """Names of quantities, each once.

    Raises:
        UsageError: one is not known.
    """
    chosen = tuple(dict.fromkeys(name.strip() for name in names))
    for name in chosen:
        if name not in PLOTS:
            raise UsageError(f"unknown quantity {name!r}", where=where, hint=did_you_mean(name, (*PLOTS, "none")))
    if "roofline" in chosen and len(chosen) > 1:
        raise UsageError("a roofline is a plot of its own", where=where, hint="ask for the roofline alone")
    return chosen


def _flat(runs: Iterable[Any]) -> list[Any]:
    """Files and records, also those that stand in a list."""
    listed: list[Any] = []
    for run in runs:
        several = not isinstance(run, str | os.PathLike | Shown) and isinstance(run, Iterable)
        listed += run if several else [run]
    return listed


def _named(runs: Sequence[Any]) -> Iterable[NamedRun]:
    """Each with a name; records in hand are called by their kind, with a number where several are."""
    for run in runs:
        if not isinstance(run, str | os.PathLike | Shown):
            hint = "name a file, or give a record"
            raise UsageError(f"a {type(run).__name__} is no run", where="kaoprof.report", hint=hint)
    in_hand = [run for run in runs if isinstance(run, Shown)]
    files = iter(list(load_named([Path(run) for run in runs if not isinstance(run, Shown)])))
    kinds: dict[str, int] = {}
    yield from (NamedRun(name=name, record=record) for _, name, record in files)
    for run in in_hand:
        if isinstance(run, Report):
            yield from run.runs
            continue
        kind = str(getattr(run, "kind", ""))
        kinds[kind] = kinds.get(kind, 0) + 1
        yield NamedRun(name=kind if kinds[kind] == 1 else f"{kind} #{kinds[kind]}", record=run)


def _values(values: object) -> Iterable[object]:
    return values if isinstance(values, list | tuple | set | frozenset) else [values]

"""What `report` does for each kind of record: which files it can write, and what it shows on a terminal."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from kaoprof.cli.output import write_whole
from kaoprof.cli.renderings import diff_rendering, explain_rendering, fit_rendering, reproduce_rendering
from kaoprof.cli.streams import say
from kaoprof.errors import OutputError, RecordError, UsageError, did_you_mean
from kaoprof.records.compare import Record
from kaoprof.records.profile import ProfileRecord
from kaoprof.records.reading import AnyRecord, load_named
from kaoprof.reporting.kinds import format_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from kaoprof.reporting.tables.grid import Grid

PLOTS = ("latency", "memory", "macs", "map", "roofline")
TEXTS = ("csv", "json", "md", "tex", "html")
PICTURES = ("png", "svg", "pdf")
FORMATS = (*TEXTS, *PICTURES)
MOST_WARNINGS = 8  # on stderr
MOST_TERMINAL_PLOTS = 3


class Reporter(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of record: what is written, shown and warned of."""

    subject: Any
    files: Mapping[str, Callable[[Any], str | bytes]]
    show: "Callable[[Console], None]"
    warnings: Sequence[str]


def parse_plots(text: str | None) -> tuple[str, ...] | None:
    """`latency,macs` as names; `none` as no name at all.

    Raises:
        UsageError: one is not known.
    """
    if text is None or text == "none":
        return None if text is None else ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in PLOTS:
            raise UsageError(f"unknown quantity {name!r}", where="--plot", hint=did_you_mean(name, (*PLOTS, "none")))
    if "roofline" in names and len(names) > 1:
        raise UsageError("a roofline is a plot of its own", where="--plot", hint="--plot roofline")
    return names


def parse_only(texts: Sequence[str]) -> dict[str, frozenset[str]]:
    """`c=8,64` as an axis and its values.

    Raises:
        UsageError: it is not written like that.
    """
    wanted: dict[str, frozenset[str]] = {}
    for text in texts:
        name, sign, values = text.partition("=")
        if not sign or not name.strip() or not values.strip():
            raise UsageError(f"{text!r} is not AXIS=VALUES", where="--only", hint="write for example --only c=8,64")
        wanted[name.strip()] = frozenset(value.strip() for value in values.split(","))
    return wanted


def report_runs(
    paths: Sequence[Path], targets: Sequence[Path], *, format_name: str, x: str | None,
    quantities: tuple[str, ...] | None, only: Mapping[str, frozenset[str]],
) -> int:  # fmt: skip
    """Writes or shows the runs; returns the exit code.

    Raises:
        RecordError: a file holds no run that can be read.
        UsageError: runs of different kinds, or a format that this kind does not have.
        OutputError: a file could not be written; the others were.
    """
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise UsageError("the same file is named twice", where="RUN")
    found = [(name, record) for _, name, record in load_named(paths)]
    reporter = _reporter(found, x=x, quantities=quantities, only=only)
    for target in targets:
        if format_of(target, reporter.files) in PICTURES and quantities == ():
            raise UsageError("without a plot there is no picture", where=str(target), hint="leave out --plot none")
    if format_name != "table":
        _print(reporter, format_name)
    elif not targets:
        if quantities and "roofline" in quantities:
            raise UsageError("no terminal shows a roofline", where="--plot", hint="write a file: --to roofline.pdf")
        from kaoprof.cli.terminal import terminal

        reporter.show(terminal())
        sys.stdout.flush()
    _warn(reporter.warnings)
    _write(reporter, targets)
    return 0


def _reporter(
    found: Sequence[tuple[str, AnyRecord]], *, x: str | None, quantities: tuple[str, ...] | None,
    only: Mapping[str, frozenset[str]],
) -> Reporter:  # fmt: skip
    kinds = {"operators" if isinstance(record, Record) else record.kind: name for name, record in found}
    if len(kinds) > 1:
        (first, one), (second, other), *_ = kinds.items()
        raise UsageError(f"{one} is a record of {first}, {other} of {second}", hint="report them one by one")
    if "operators" in kinds:
        from kaoprof.reporting.tables.grid import NamedRun

        runs = [NamedRun(name=name, record=record) for name, record in found if isinstance(record, Record)]
        return _grid_reporter(runs, x=x, quantities=quantities, only=only)
    if x is not None or only or quantities:
        option = "--x" if x is not None else "--only" if only else "--plot"
        raise UsageError("is for runs of compare and sweep", where=option)
    if "profile" in kinds:
        return _profile_reporter([(name, record) for name, record in found if isinstance(record, ProfileRecord)])
    return _reporter_of_one(found)


def _grid_reporter(
    runs: Sequence[Any], *, x: str | None, quantities: tuple[str, ...] | None, only: Mapping[str, frozenset[str]]
) -> Reporter:
    from kaoprof.reporting.report_files import GRID_FORMATS, Sheaf, is_grid
    from kaoprof.reporting.tables.grid import grid_of, narrowed
    from kaoprof.reporting.tables.grid_rows import summed_warnings

    chosen = [narrowed(run, only) for run in runs]
    chosen = [run for run in chosen if run.record.rows]
    if not chosen:
        if only:
            raise UsageError("no cell is like that", where="--only")
        names = ", ".join(run.name for run in runs)
        raise RecordError("these runs hold no rows", where=names, hint="was it interrupted at once?")
    grid = grid_of(chosen, x)
    sheaf = Sheaf(grid=grid, quantities=quantities)

    def show(console: "Console") -> None:
        if is_grid(grid):
            from kaoprof.reporting.grid_console import grid_to_console

            console.print(grid_to_console(grid))
        else:
            from kaoprof.reporting.console import to_console

            console.print(to_console(chosen[0].record, console.width))
        if console.is_terminal and grid.x and quantities != ():
            for drawn in _terminal_plots(grid, quantities, console):
                console.print(drawn)

    return Reporter(subject=sheaf, files=GRID_FORMATS, show=show, warnings=summed_warnings(chosen))


def _terminal_plots(grid: "Grid", quantities: tuple[str, ...] | None, console: "Console") -> "list[RenderableType]":
    """The first quantity that there is, or those asked for, of the first blocks."""
    from kaoprof.reporting.plots.chart import known_quantities, panel_of, quantities_of
    from kaoprof.reporting.plots.terminal import plot_to_console

    names = [name for name in quantities or quantities_of(grid)[:1] if name in known_quantities(grid)]
    unicode = console.encoding.lower().startswith("utf")
    drawn = [
        plot_to_console(panel_of(grid, block, name), grid.x_label, block.label, console.width, unicode=unicode)
        for block in grid.blocks[:MOST_TERMINAL_PLOTS]
        for name in names
    ]
    return [one for one in drawn if one is not None]


def _profile_reporter(found: Sequence[tuple[str, ProfileRecord]]) -> Reporter:
    from kaoprof.findings.models import profile_warnings
    from kaoprof.reporting.pages.profile import PROFILE_FORMATS, NamedProfile

    def show(console: "Console") -> None:
        from kaoprof.reporting.layer_console import profile_to_console

        for _, record in found:
            console.print(profile_to_console(record, console.width, depth=None))

    return Reporter(
        subject=[NamedProfile(name=name, record=record) for name, record in found],
        files=PROFILE_FORMATS,
        show=show,
        warnings=[warning for _, record in found for warning in profile_warnings(record)],
    )


def _reporter_of_one(found: Sequence[tuple[str, AnyRecord]]) -> Reporter:
    """For what no other of its kind can stand beside: shown and written as by the command that made it."""
    (_, record), *others = found
    if others:
        raise UsageError(f"records of {record.kind} are reported one at a time", where=others[0][0])
    renderings = {"diff": diff_rendering, "reproduction": reproduce_rendering, "explain": explain_rendering}
    rendering = renderings.get(record.kind, fit_rendering)()
    return Reporter(
        subject=record,
        files=rendering.files,
        show=lambda console: console.print(rendering.console(record, console.width)),
        warnings=rendering.warnings(record),
    )


def _print(reporter: Reporter, format_name: str) -> None:
    if format_name not in reporter.files:
        raise UsageError(f"these runs have no format {format_name!r}", where="--format",
                         hint=f"one of: {', '.join(reporter.files)}")  # fmt: skip
    text = reporter.files[format_name](reporter.subject)
    if isinstance(text, str):
        sys.stdout.writelines(text.splitlines(keepends=True))
    sys.stdout.flush()


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings[:MOST_WARNINGS]:
        say(f"warning: {warning}")
    if len(warnings) > MOST_WARNINGS:
        say(f"warning: and {len(warnings) - MOST_WARNINGS} more")


def _write(reporter: Reporter, targets: Sequence[Path]) -> None:
    failures = []
    for target in targets:
        content = reporter.files[format_of(target, reporter.files)](reporter.subject)
        try:
            write_whole(target, content)
        except OSError as error:
            failures.append(f"{target}: {error.strerror}")
        else:
            say(f"wrote {target}")
    if failures:
        raise OutputError(f"not written: {'; '.join(failures)}")

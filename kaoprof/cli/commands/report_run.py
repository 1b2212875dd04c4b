"""What `report` does with runs that were kept: which may stand side by side, what is shown and what is written."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from kaoprof.cli.browser import show_page
from kaoprof.cli.output import print_report, write_all
from kaoprof.cli.streams import say
from kaoprof.errors import UsageError
from kaoprof.records.reading import load_named
from kaoprof.reporting.kinds import Report, alarms_of, format_of
from kaoprof.reporting.reported import PICTURES, checked_plots, report_on
from kaoprof.reporting.tables.grid import NamedRun
from kaoprof.reporting.widths import Width

MOST_WARNINGS = 8  # on stderr


def parse_plots(text: str | None) -> tuple[str, ...] | None:
    """`latency,macs` as names; `none` as no name at all.

    Raises:
        UsageError: one is not known.
    """
    if text is None or text == "none":
        return None if text is None else ()
    return checked_plots(text.split(","), where="--plot")


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
    quantities: tuple[str, ...] | None, only: Mapping[str, frozenset[str]], verbose: bool = False,
    in_browser: bool = False, width: Width | None = None,
) -> int:  # fmt: skip
    """Writes or shows the runs, also `in_browser`; returns the exit code.

    Raises:
        RecordError: a file holds no run that can be read.
        UsageError: runs of different kinds, or a format that this kind does not have.
        OutputError: a file could not be written; the others were.
    """
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise UsageError("the same file is named twice", where="RUN")
    formats = {*(format_of(target) for target in targets)}
    shown_here = format_name != "table" or not (targets or in_browser)
    formats |= ({format_name} if shown_here else set()) | ({"html"} if in_browser else set())
    rows_alone = x is None and formats == {"csv"}
    in_place = rows_alone and not only
    runs = tuple(NamedRun(name=name, record=record) for _, name, record in load_named(paths, in_place=in_place))
    report = report_on(runs, x=x, quantities=quantities, only=only, rows_alone=rows_alone)
    report = replace(report, width=width)
    for target in targets:
        if format_of(target, runs[0].record.kind) in PICTURES and quantities == ():
            raise UsageError("without a plot there is no picture", where=str(target), hint="leave out --plot none")
    if format_name != "table":
        print_report(report, format_name)
    elif shown_here:
        if quantities and "roofline" in quantities:
            raise UsageError("no terminal shows a roofline", where="--plot", hint="write a file: --to roofline.pdf")
        print_report(report, format_name, verbose=verbose)
        _plot(report)
    done, failure = write_all(report, targets)
    _warn(alarms_of(report, format_name if shown_here else "", verbose=verbose))
    for target in done:
        say(f"wrote {target}")
    if failure is not None:
        raise failure
    if in_browser:
        show_page(report, [target for target in done if format_of(target) == "html"])
    return 0


def _plot(report: Report) -> None:
    """Below the table of a grid, on a terminal, plots made of characters."""
    from kaoprof.cli.terminal import terminal

    console = terminal()
    if report.grid is None or not console.is_terminal or not report.grid.x or report.grid.quantities == ():
        return
    from kaoprof.reporting.plots.terminal import first_plots

    for plot in first_plots(report.grid, console.width, unicode=console.encoding.lower().startswith("utf")):
        console.print(plot)
    sys.stdout.flush()


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings[:MOST_WARNINGS]:
        say(f"warning: {warning}")
    if len(warnings) > MOST_WARNINGS:
        say(f"warning: and {len(warnings) - MOST_WARNINGS} more")

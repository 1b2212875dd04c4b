"""`kaoprof report`: tables, plots and pages from runs that were kept, without measuring again."""

from pathlib import Path
from typing import Annotated

import typer

from kaoprof.cli import options as opt

RUNS = "Files that a command wrote: .json; of sweep also .jsonl."
TARGETS = "FILE.csv, .json, .md, .tex, .html, .png, .svg or .pdf; repeatable."
AXIS = "What a plot runs along: h, n, t, w, c, batch or heads; of models macs, batch or size."
PLOTS = "Only these: latency, memory, macs, map; roofline; or none."
OPEN = "Show the page in a browser."
ONLY = "Only these sizes, words, operators or models: c=8,64 or operator=kao_kv,axial; repeatable."


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help=RUNS)],
    to: Annotated[list[Path] | None, typer.Option("--to", "-o", "--output", metavar="FILE", help=TARGETS)] = None,
    verbose: opt.Verbose = False,
    format_: opt.WatchedFormat = "table",
    x: Annotated[str | None, typer.Option("--x", metavar="AXIS", help=AXIS)] = None,
    plot: Annotated[str | None, typer.Option("--plot", metavar="NAMES", help=PLOTS)] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="AXIS=VALUES", help=ONLY)] = None,
    width: opt.Width = None,
    open_: Annotated[bool, typer.Option("--open", help=OPEN)] = False,
    force: opt.Force = False,
) -> int:
    """Renders runs that were kept: tables, LaTeX, plots for a paper, one page with everything. Nothing is measured.

    Several runs stand side by side, each by its file's name. Without --to it is shown here.
    """
    from kaoprof.cli.commands.report_run import parse_only, parse_plots, report_runs
    from kaoprof.cli.output import WATCHED, check_format, check_targets
    from kaoprof.reporting.widths import parse_width

    check_format(format_, WATCHED)
    check_targets(to or [], force=force)
    return report_runs(
        runs,
        to or [],
        format_name=format_,
        x=x,
        quantities=parse_plots(plot),
        only=parse_only(only or []),
        verbose=verbose,
        in_browser=open_,
        width=parse_width(width),
    )

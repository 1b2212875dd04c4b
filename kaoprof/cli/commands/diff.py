"""`kaoprof diff`: what changed between two runs, beyond noise; for people, pull requests and CI."""

from pathlib import Path
from typing import Annotated

import typer

from kaoprof.cli import options as opt

RUN = "A record of compare or profile, or a journal of sweep."
FAIL = "Exit with 3 if time, memory or MACs surely grew by more, such as 5%, or if a row works no more."
DRIFT = "What all rows of a cell have in common: remove, keep, or auto: remove it if the environment is the same."
MARGIN = "A change of time up to which a row is the same."
BREACHED = 3


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help=RUN)],
    new: Annotated[Path, typer.Argument(metavar="NEW", help=RUN)],
    fail_above: Annotated[str | None, typer.Option("--fail-above", metavar="PERCENT", help=FAIL)] = None,
    margin: Annotated[str, typer.Option(metavar="PERCENT", help=MARGIN)] = "5%",
    drift: Annotated[str, typer.Option(help=DRIFT)] = "auto",
    verbose: opt.Verbose = False,
    format_: opt.Format = "table",
    output: opt.Output = None,
    force: opt.Force = False,
) -> int:
    """What changed between two runs: times FASTER, SLOWER, SAME or UNSURE by their intervals, memory and MACs exactly.

    Differences of environment and protocol come first. Rows are matched by operator, sizes and options.
    """
    from kaoprof.cli.finish import finish
    from kaoprof.cli.output import check_format, check_targets
    from kaoprof.diffing import diff as compare_runs
    from kaoprof.units import parse_percent

    check_format(format_)
    check_targets(output or [], force=force, kind="diff")
    limit = None if fail_above is None else parse_percent(fail_above, where="--fail-above")
    record = compare_runs(old, new, drift=drift, margin=parse_percent(margin, where="--margin"), fail_above=limit)
    code = finish(record, output or [], format_name=format_, verbose=verbose, strict=False)
    return BREACHED if record.breached else code

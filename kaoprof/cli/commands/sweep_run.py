"""Runs a sweep for the command line: what is seen meanwhile, and how it ends."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from kaoprof.cli.commands.sweep_progress import shown_sweep
from kaoprof.cli.finish import finish_report
from kaoprof.cli.output import print_report
from kaoprof.cli.streams import say
from kaoprof.errors import InterruptedRun
from kaoprof.reporting.kinds import Report, report_of
from kaoprof.reporting.next_steps import command
from kaoprof.reporting.reported import report_on
from kaoprof.reporting.tables.grid import NamedRun
from kaoprof.sweeping.local import here
from kaoprof.sweeping.model_plan import Planned
from kaoprof.sweeping.on_ray import on_ray
from kaoprof.sweeping.run import Sweep


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What comes after the last cell. `command` is what was typed, without the program."""

    format_name: str
    strict: bool
    verbose: bool
    paths: Sequence[Path]
    command: Sequence[str]


def run_sweep(work: Planned, journal: Path, ending: Ending, *, retry: bool, on: str | None = None) -> int:
    """Runs it, here or `on` a cluster, and shows what came of it; returns the exit code.

    Raises:
        UsageError: that is no cluster, or Ray is not installed.
        InterruptedRun: it was interrupted; what was finished is in the journal, and the way to go on is said.
    """

    def warn(text: str) -> None:
        say(f"warning: {text}")

    worker = here if on is None else on_ray(on, warn)
    with shown_sweep(work.plan, journal) as watch:
        outcome = Sweep(
            plan=work.plan, path=journal, documents=work.documents, retry=retry, strict=ending.strict, watch=watch,
            warn=warn, on=worker,
        ).run()  # fmt: skip
    report = shown_report(outcome.records, journal, on_cluster=on is not None)
    if work.plan.spread and len(report.runs) == 1:
        warn("there is one node, so there is nothing to compare")
    if outcome.interrupted:
        if any(run.record.rows for run in report.runs):
            print_report(report, ending.format_name, verbose=ending.verbose)
        say(f"resume: {resume_command(ending.command)}")
        if not outcome.done:
            raise InterruptedRun(f"interrupted before a cell was finished: {journal} holds none of {outcome.total} yet")
        raise InterruptedRun(f"interrupted: {outcome.done} of {outcome.total} cells are in {journal}")
    page = f"{journal.stem}.html"
    next_step = command(["kaoprof", "report", journal, "--to", page], "plots and tables; .tex, .pdf for a paper")
    return finish_report(
        report, ending.paths, format_name=ending.format_name, strict=ending.strict, verbose=ending.verbose,
        next_step=next_step,
    )  # fmt: skip


def shown_report(records: Sequence[Any], journal: Path, *, on_cluster: bool) -> Report:
    """What was measured in the last environment; of a cluster all, since its nodes may differ."""
    if on_cluster and len(records) > 1:
        places = [(number, record.environment) for number, record in enumerate(records, start=1)]
        names = [place.node or f"#{number} {place.device_name}" if place else f"#{number}" for number, place in places]
        runs = [NamedRun(name=name, record=record) for name, record in zip(names, records, strict=True)]
        return report_on(runs, x=None, quantities=None, only={})
    *earlier, record = records
    if earlier:
        rows = sum(len(other.rows) for other in earlier)
        say(f"warning: {rows} rows were measured in another environment and are not shown here; they are in {journal}")
    return report_of(record)


def resume_command(arguments: Sequence[str]) -> str:
    """The command that was typed, quoted for a shell."""
    program = [sys.argv[0]] if Path(sys.argv[0]).stem == "kaoprof" else [sys.executable, "-m", "kaoprof"]
    if program[0] == shutil.which("kaoprof"):
        program = ["kaoprof"]
    return shlex.join([*program, *arguments])

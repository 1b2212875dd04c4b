"""How a command ends: write, print, warn, suggest the next step, and choose the exit code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kaoprof.cli.output import print_report, rescue, write_all
from kaoprof.cli.streams import say
from kaoprof.errors import InterruptedRun, OutputError
from kaoprof.reporting.kinds import Report, alarms_of, has_failed, is_sound_report, next_step_of, report_of

FAILED = 1
MEASURED = ("latency", "peak_bytes_measured", "timed", "ratios", "largest")  # fields of rows and models that ran
NEXT_LINE = "\n      "  # below what comes after `next: `


def finish(
    record: Any, paths: Sequence[Path], *, format_name: str, strict: bool, verbose: bool = False,
    next_step: str | None = None, **how: Any,
) -> int:  # fmt: skip
    """Writes and shows a record; returns the exit code. `how` are options of its page, `verbose` shows its detail.

    Raises:
        KaoprofError: as `finish_report`.
    """
    report = report_of(record, **how)
    return finish_report(
        report, paths, format_name=format_name, strict=strict, verbose=verbose, next_step=next_step
    )  # fmt: skip


def finish_report(
    report: Report, paths: Sequence[Path], *, format_name: str, strict: bool, verbose: bool = False,
    next_step: str | None = None,
) -> int:  # fmt: skip
    """The same with several records, which stand beside each other.

    Files come first: a terminal that has gone away must not cost what was measured.

    Raises:
        OutputError: a file could not be written. The record was shown, and a copy is kept.
        UsageError: a picture was asked for, and there is nothing to draw. The record was shown.
        InterruptedRun: it was interrupted; the rest was done.
    """
    records = [run.record for run in report.runs]
    done, failure = write_all(report, paths)
    kept = rescue(report) if isinstance(failure, OutputError) else ""
    print_report(report, format_name, verbose=verbose)
    if failure is not None:
        raise OutputError(failure.message, hint=kept) if kept else failure
    for warning in alarms_of(report, format_name, verbose=verbose):
        say(f"warning: {warning}")
    for path in done:
        say(f"wrote {path}")
    if any(record.interrupted for record in records):
        raise InterruptedRun(_until_then(records, paths))
    if format_name == "table" and not paths:
        say(f"next: {next_step or next_step_of(records[0])}".replace("\n", NEXT_LINE))
    failed = all(map(has_failed, records)) or (strict and not is_sound_report(report))
    return FAILED if failed else 0


def _until_then(records: Sequence[Any], paths: Sequence[Path]) -> str:
    """What became of an interrupted run: what was measured of it, or that nothing was."""
    place = f"saved in {', '.join(map(str, paths))}" if paths else "shown above"
    members = [
        member for record in records for member in (*getattr(record, "rows", ()), *getattr(record, "models", ()))
    ]
    measured = any(getattr(member, name, None) for member in members for name in MEASURED)
    if measured or any(hasattr(record, "claims") for record in records):  # judged by as much as there is
        return f"interrupted: what was measured until then is {place}"
    known = f"; what is known without is {place}" if members else ""
    return f"interrupted before anything was measured{known}"

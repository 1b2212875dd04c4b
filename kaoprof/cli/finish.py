"""How a command ends: print, write, warn, suggest the next step, and choose the exit code."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kaoprof.cli.output import print_record, write_all
from kaoprof.findings import disagreements, warnings_of
from kaoprof.records import Record

FAILED = 1
INTERRUPTED = 130
FAILURES = ("oom", "timeout", "unsupported", "error")


def finish(record: Record, paths: Sequence[Path], *, format_name: str, strict: bool) -> int:
    """Shows and writes a record; returns the exit code.

    Raises:
        OutputError: a file could not be written. The record was printed before, and a copy is kept.
    """
    print_record(record, format_name)
    sys.stdout.flush()
    write_all(record, paths)
    for warning in warnings_of(record):
        say(f"warning: {warning}")
    for path in paths:
        say(f"wrote {path}")
    if record.interrupted:
        saved = f"saved in {', '.join(map(str, paths))}" if paths else "shown above"
        say(f"interrupted: what was measured until then is {saved}")
        return INTERRUPTED
    if format_name == "table" and not paths:
        say(f"next: {next_command(record)}")
    return FAILED if strict and not sound(record) else 0


def sound(record: Record) -> bool:
    """Whether no row failed and no count disagrees."""
    return not any(row.status in FAILURES or disagreements(row) for row in record.rows)


def next_command(record: Record) -> str:
    """What a user is likely to want next."""
    case = record.rows[0].case
    sizes = " ".join(f"--{axis} {size}" for axis, size in zip(case.dims.axes, case.dims.spatial, strict=True))
    again = f"kaoprof compare {sizes} --c {case.c} --batch {case.b}"
    if record.protocol is None:
        return f"{again}    (counts, predicts and measures)"
    if case.mode == "forward":
        return f"{again} --mode train -o run.json -o table.tex"
    return f"{again} -o run.json -o table.tex"


def say(text: str) -> None:
    """One line for the human, on stderr."""
    sys.stderr.write(f"{text}\n")

"""How a command ends: print, write, warn, suggest the next step, and choose the exit code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kaoprof.cli.output import print_record, write_all
from kaoprof.cli.renderings import Rendering

FAILED = 1
INTERRUPTED = 130


def finish(record: Any, rendering: Rendering, paths: Sequence[Path], *, format_name: str, strict: bool) -> int:
    """Shows and writes a record; returns the exit code.

    Raises:
        OutputError: a file could not be written. The record was printed before, and a copy is kept.
    """
    print_record(record, rendering, format_name)
    sys.stdout.flush()
    write_all(record, rendering.files, paths)
    for warning in rendering.warnings(record):
        say(f"warning: {warning}")
    for path in paths:
        say(f"wrote {path}")
    if record.interrupted:
        saved = f"saved in {', '.join(map(str, paths))}" if paths else "shown above"
        say(f"interrupted: what was measured until then is {saved}")
        return INTERRUPTED
    if format_name == "table" and not paths:
        say(f"next: {rendering.next_command(record)}")
    return FAILED if strict and not rendering.sound(record) else 0


def say(text: str) -> None:
    """One line for the human, on stderr."""
    sys.stderr.write(f"{text}\n")

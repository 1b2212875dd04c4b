"""How a command ends: write, print, warn, suggest the next step, and choose the exit code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kaoprof.cli.output import print_record, write_all
from kaoprof.cli.renderings import Rendering
from kaoprof.cli.streams import say
from kaoprof.errors import InterruptedRun, OutputError

FAILED = 1


def finish(record: Any, rendering: Rendering, paths: Sequence[Path], *, format_name: str, strict: bool) -> int:
    """Writes and shows a record; returns the exit code.

    Files come first: a terminal that has gone away must not cost what was measured.

    Raises:
        OutputError: a file could not be written. The record was shown, and a copy is kept.
        InterruptedRun: it was interrupted; the rest was done.
    """
    try:
        write_all(record, rendering.files, paths)
    except OutputError as failure:
        print_record(record, rendering, format_name)
        raise failure from None
    print_record(record, rendering, format_name)
    sys.stdout.flush()
    for warning in rendering.warnings(record):
        say(f"warning: {warning}")
    for path in paths:
        say(f"wrote {path}")
    if record.interrupted:
        saved = f"saved in {', '.join(map(str, paths))}" if paths else "shown above"
        raise InterruptedRun(f"interrupted: what was measured until then is {saved}")
    if format_name == "table" and not paths:
        say(f"next: {rendering.next_command(record)}")
    return FAILED if rendering.failed(record) or (strict and not rendering.sound(record)) else 0

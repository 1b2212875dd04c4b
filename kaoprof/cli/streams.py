"""Standard output and error that cannot end a run: closed, full, or without a sign for µ."""

import os
import sys

from kaoprof.reporting.formats.plain import visible


def steady_streams() -> None:
    """Gives a closed stream somewhere to go, and lets no sign that the terminal lacks raise an error."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the whole run
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def let_go(stream_number: int) -> None:
    """Points a stream that can no longer be written to nowhere, so that leaving does not fail on it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream_number)


def say(text: str) -> None:
    """One line for the human, on stderr; if that is gone, there is nobody to tell."""
    shown = "\n".join(map(visible, text.split("\n")))  # a name in a command keeps its line break
    try:
        sys.stderr.write(f"{shown}\n")
        sys.stderr.flush()
    except OSError:
        let_go(sys.stderr.fileno())


LONGEST = 1000  # characters: a whole file given as a name must not push everything else off the screen
KEPT = 480  # of a longer line, at both ends: it begins with where, and ends with what to do next


def complain(message: str) -> None:
    """Says what went wrong, in one line."""
    line = " ".join(message.split())
    say(f"kaoprof: {line if len(line) <= LONGEST else f'{line[:KEPT]} ... {line[-KEPT:]}'}")

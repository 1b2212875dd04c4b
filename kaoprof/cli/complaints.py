"""How a known failure is told: one line on stderr."""

from kaoprof.cli.streams import say

LONGEST = 1000  # characters: a whole file given as a name must not push everything else off the screen
KEPT = 480  # of a longer line, at both ends: it begins with where, and ends with what to do next


def complain(message: str) -> None:
    """Says what went wrong, in one line."""
    line = " ".join(message.split())
    say(f"kaoprof: {line if len(line) <= LONGEST else f'{line[:KEPT]} ... {line[-KEPT:]}'}")

"""How a known failure is told: one line on stderr."""

from kaoprof.cli.streams import say


def complain(message: str) -> None:
    """Says what went wrong, in one line."""
    say(f"kaoprof: {' '.join(message.split())}")

"""How a known failure is told: one line on stderr."""

import typer


def complain(message: str) -> None:
    """Says what went wrong, in one line."""
    one_line = " ".join(message.split())
    typer.echo(f"kaoprof: {one_line}", err=True)

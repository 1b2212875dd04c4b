"""`kaoprof list`: the specs and the operators that ship with kaoprof."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = ("table", "json")
COLUMNS = {  # section: what it is for, and what its columns are called
    "specs": (
        "for kaoprof profile, kaoprof sweep (grids) and kaoprof check",
        ("name", "kind", "description", "source"),
    ),
    "operators": (
        "for --operators, --attention and in specs; MACs as all sides of an image grow",
        ("name", "order_time", "description", "source"),
    ),
}


def list_(
    format_: Annotated[str, typer.Option("--format", help="On stdout: table or json.")] = "table",
) -> None:
    """Shows the shipped specs and attention operators.

    Each with its kind, what it is, and its source.
    """
    from kaoprof.errors import UsageError, did_you_mean

    if format_ not in FORMATS:
        raise UsageError(f"unknown format {format_!r}", where="--format", hint=did_you_mean(format_, FORMATS))
    sections = {"specs": list_specs(), "operators": list_operators()}
    if format_ == "json":
        import json

        sys.stdout.write(json.dumps(sections, indent=2) + "\n")
        return
    from kaoprof.cli.terminal import terminal

    console = terminal()
    for section, rows in sections.items():
        purpose, columns = COLUMNS[section]
        cells = [tuple(row[column] for column in columns) for row in rows]
        show_table(console, f"{section}, {purpose}:", columns, cells)


def list_specs() -> list[dict[str, str]]:
    """Every shipped spec."""
    from msgspec.structs import asdict

    from kaoprof.specs import shipped_specs

    return [asdict(spec) for spec in shipped_specs()]


def list_operators() -> list[dict[str, Any]]:
    """Every attention operator, with its orders on images."""
    from kaoprof.catalog import OPERATORS
    from kaoprof.dims import AttentionOptions

    rows = []
    for operator in OPERATORS.values():
        time, memory = operator.orders(("h", "w"), AttentionOptions())
        row = {"name": operator.name, "kind": "attention", "order_time": time, "order_memory": memory}
        rows.append(row | {"description": operator.title, "source": operator.source})
    return rows


def show_table(console: "Console", title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    """A section as a table: long texts wrap."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column in columns:
        table.add_column(column.replace("order_", ""), no_wrap=column not in {"description", "source"}, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(Text(title, style="bold"), table, Text(), sep="\n")

"""`kaoprof list`: the specs and the operators that ship with kaoprof."""

import sys
from typing import Annotated, Any

import typer

LONG = ("description", "source")  # texts that wrap
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
    from msgspec.structs import asdict

    from kaoprof.cli.output import check_format, print_page
    from kaoprof.reporting.document import Column, Page, Table
    from kaoprof.specs import shipped_specs

    check_format(format_, ("table", "json"))
    sections = {"specs": [asdict(spec) for spec in shipped_specs()], "operators": list_operators()}
    if format_ == "json":
        import json

        sys.stdout.write(json.dumps(sections, indent=2) + "\n")
        return
    tables = []
    for section, rows in sections.items():
        purpose, names = COLUMNS[section]
        columns = [Column(name.removeprefix("order_"), words=name in LONG, left=True) for name in names]
        cells = tuple(tuple(row[name] for name in names) for row in rows)
        tables.append(Table(title=f"{section}, {purpose}:", columns=tuple(columns), rows=cells))
    print_page(Page(blocks=tuple(tables)))


def list_operators() -> list[dict[str, Any]]:
    """Every attention operator, with its orders on images."""
    from kaoprof.catalog import OPERATORS
    from kaoprof.comparing.own_modules import installed_modules
    from kaoprof.dims import AttentionOptions

    rows = []
    for operator in OPERATORS.values():
        time, memory = operator.orders(("h", "w"), AttentionOptions())
        row = {"name": operator.name, "kind": "attention", "order_time": time, "order_memory": memory}
        rows.append(row | {"description": operator.title, "source": operator.source})
    return rows + [_installed(name, module.code) for name, module in installed_modules().items()]


def _installed(name: str, code: str) -> dict[str, Any]:
    """An operator that a package registers, whose order is derived when it is compared."""
    row = {"name": name, "kind": "attention", "order_time": "derived", "order_memory": "derived"}
    return row | {"description": "registered by an installed package", "source": code}

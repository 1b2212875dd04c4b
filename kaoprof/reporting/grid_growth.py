"""How the costs of a grid grow along its axis: tables of exponents for every rendering, block by block."""

from collections.abc import Iterator, Sequence

from kaoprof.errors import UsageError
from kaoprof.reporting.document import Sheet
from kaoprof.reporting.tables.grid import Block, Grid
from kaoprof.reporting.tables.growth import scaling_sheets

MOST_BLOCKS = 4  # of one report: each table takes half a page


def growth_sheets(grid: Grid) -> list[Sheet]:
    """One table for each of the first blocks with three sizes or more; what all have in common is told once, first."""
    sheets = [sheet for block in grid.blocks[:MOST_BLOCKS] for sheet in _sheets(grid, block)]
    if not sheets:
        return []
    common = [note for note in sheets[0].notes if all(note in sheet.notes for sheet in sheets)]
    return [
        Sheet(title=sheet.title, headers=sheet.headers, rows=sheet.rows, names=sheet.names,
              notes=tuple(_own(sheet.notes, common, first=sheet is sheets[0])))
        for sheet in sheets
    ]  # fmt: skip


def _sheets(grid: Grid, block: Block) -> Iterator[Sheet]:
    """The block's exponents; of several runs each block holds the rows of one."""
    run = f"{block.rows[0].run.name}: " if len(grid.runs) > 1 else ""
    try:
        sheets = scaling_sheets(row.standing.row for row in block.rows)
    except (UsageError, ValueError):  # no closed form for an operator that this kaoprof does not know, or another one
        return
    for sheet in sheets:
        yield Sheet(title=f"{run}{sheet.title}", headers=sheet.headers, rows=sheet.rows, notes=sheet.notes,
                    names=sheet.names)  # fmt: skip


def _own(notes: Sequence[str], common: Sequence[str], *, first: bool) -> list[str]:
    return [note for note in notes if first or note not in common]

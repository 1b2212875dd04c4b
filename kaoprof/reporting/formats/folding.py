"""A page that somebody reads: of what nobody would scroll through the beginning, and how much more there is."""

from collections.abc import Iterator

from msgspec.structs import replace

from kaoprof.reporting.document import Block, Notes, Page, Row, Table

MOST_ROWS = 1000  # of a page
FEW_ROWS = 10  # of every table after so many
MOST_TABLES = 100
ALL = "-o table.csv holds them all, as does --format csv."


def folded(page: Page) -> Page:
    """The page with at most so many rows and tables, and what is said of these; its last sentences and facts stay."""
    return replace(page, blocks=tuple(_folded(page.blocks)))


def _folded(blocks: tuple[Block, ...]) -> Iterator[Block]:
    left, tables, hidden = MOST_ROWS, 0, 0
    last: list[Block] = []  # what follows the latest table that is hidden
    for block in blocks:
        if isinstance(block, Table) and any(block.headers):
            tables += 1
            if tables > MOST_TABLES:
                hidden += len(block.rows)
                last = []
                continue
            yield cut(block, max(left, FEW_ROWS))
            left -= len(block.rows)
        elif tables > MOST_TABLES:
            last.append(block)
        else:
            yield block
    if tables > MOST_TABLES:
        yield left_out(tables - MOST_TABLES, hidden)
    yield from last


def left_out(tables: int, rows: int) -> Notes:
    """What is said of so many tables that are not shown."""
    return Notes((f"... and {tables:,} more tables with {rows:,} rows: {ALL}",))


def cut(table: Table, most: int = MOST_ROWS) -> Table:
    """The first rows; what is the whole of them all stays."""
    totals = tuple(row for row in table.rows[most:] if isinstance(row, Row) and row.total)
    hidden = len(table.rows) - most - len(totals)
    if hidden <= 0:
        return table
    rows = "1 more row" if hidden == 1 else f"{hidden:,} more rows"
    return replace(table, rows=(*table.rows[:most], *totals), notes=(f"... and {rows}: {ALL}", *table.notes))

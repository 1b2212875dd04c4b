"""Many grid cells on a terminal: one line for each operator and cell."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kaoprof.reporting.console import BAD, GOOD, QUIET, WITHOUT_LATENCY
from kaoprof.reporting.tables.grid import Block, Grid, size_of
from kaoprof.reporting.tables.grid_rows import HEADERS, line_cells, summed_notes

STYLES = dict.fromkeys(WITHOUT_LATENCY, BAD) | {"!": BAD, "=": GOOD, ">": GOOD}


def grid_to_console(grid: Grid) -> RenderableType:
    """All rows as rich renderables, from 80 columns on."""
    parts: list[RenderableType] = [Text(grid.title, style="bold")]
    for block in grid.blocks:
        if block.label:
            parts.append(Text(f"\n{block.label}", style="bold"))
        parts.append(_table(grid, block))
    return Group(*parts, Text(), *(Text(note, style=QUIET) for note in summed_notes(grid)))


def _table(grid: Grid, block: Block) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    table.add_column(grid.x_label if grid.x else "", justify="right", no_wrap=True)
    for header in HEADERS:
        table.add_column(f" {header}" if header == "operator" else header,
                         justify="left" if header == "operator" else "right", no_wrap=True)  # fmt: skip
    before = None
    for row in sorted(block.rows, key=lambda row: size_of(row, grid.x)):
        size = size_of(row, grid.x)
        name, *others = line_cells(row)
        table.add_row(
            Text(str(size) if size != before and grid.x else ""),
            Text(f" {name}"),
            *(Text(text, style=STYLES.get(text, "")) for text in others),
        )
        before = size
    return table

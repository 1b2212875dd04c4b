"""Many grid cells as Markdown: a table per block, one line for each operator and cell."""

from kaoprof.reporting.document import sheet_to_markdown
from kaoprof.reporting.formats.markdown import escape, table_line
from kaoprof.reporting.grid_growth import growth_sheets
from kaoprof.reporting.tables.grid import Grid, size_of
from kaoprof.reporting.tables.grid_rows import HEADERS, block_title, line_cells, summed_notes, summed_warnings


def grid_to_markdown(grid: Grid) -> str:
    """All rows as Markdown."""
    lines: list[str] = []
    size_headers = [escape(grid.x_label)] if grid.x else []
    for block in grid.blocks:
        lines += [f"**{escape(block_title(grid, block))}**", ""]
        lines += [table_line([*size_headers, *HEADERS])]
        lines += [table_line([*["---:"] * len(size_headers), "---", *["---:"] * (len(HEADERS) - 1)])]
        for row in sorted(block.rows, key=lambda row: size_of(row, grid.x)):
            size = [str(size_of(row, grid.x))] if grid.x else []
            lines.append(table_line([*size, *map(escape, line_cells(row))]))
        lines.append("")
    growth = "\n".join(map(sheet_to_markdown, growth_sheets(grid)))
    lines += [growth] if growth else []
    notes = (*summed_notes(grid), *(f"Warning: {warning}." for warning in summed_warnings(grid.runs)))
    return "\n".join([*lines, *(f"- {escape(note)}" for note in notes)]) + "\n"

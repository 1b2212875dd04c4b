"""Runs of operators as one page: plots, a table of all rows that can be sorted, where and how, and how to repeat it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kaoprof.reporting.columns.observed import at
from kaoprof.reporting.document import (
    Cell,
    Column,
    Medium,
    Table,
    Text,
    columns_of,
    figure_cell,
    without_empty,
    words_of,
)
from kaoprof.reporting.formats import html
from kaoprof.reporting.formats.fitting import without_columns
from kaoprof.reporting.formats.folding import ALL, MOST_ROWS
from kaoprof.reporting.plots.chart import QUANTITIES, ROOFLINE, held_by, refuse_nothing
from kaoprof.reporting.repeat import compare_commands, environment_terms
from kaoprof.reporting.sentences.protocol import AGREE, CONVENTION, MAP_MEANING, meaning_of, protocol_of
from kaoprof.reporting.tables.cells import PREDICTED, cells_of
from kaoprof.reporting.tables.grid import Grid, NamedRun, Placed
from kaoprof.reporting.tables.grid_rows import block_title, summed_warnings
from kaoprof.reporting.tables.growth import grid_growth
from kaoprof.reporting.tables.nodes import are_nodes
from kaoprof.reporting.tables.nodes import page_of as nodes_page
from kaoprof.units import counted

if TYPE_CHECKING:
    from kaoprof.reporting.kinds import Report

OPEN_PLOTS = 2  # shown at once; the others are folded
MOST_PLOTS = 8  # of one page: each takes a quarter of a second
PLOTS_OF_MANY = 3  # where there are more than that, as examples
MOST_SENTENCES = 4  # cells whose meaning is told in words
MOST_ROOFLINES = 2
ROOFLINE_MEANING = (
    "Arithmetic in a second over that per byte which operations read and wrote; sizes grow along a line. A row far "
    "below both ceilings is held up by something else, such as the launch of its operations"
)
SORTS = "A heading sorts by its column."
MOST_FAILED = 100  # of which each is told why
NUMBERS = (  # header, what stands under it, and where the value is by which it is sorted; what matters most first
    ("latency", "latency", "latency.value"), ("speedup", "speedup", "speedup.value"),
    ("peak", "peak", "row.peak_bytes_measured"), ("MACs", "macs", "row.analytic.macs"),
    ("latency 95 %", "interval", "latency.low"), ("speedup 95 %", "speedup interval", "speedup.low"),
    ("MACs ratio", "macs ratio", "macs_ratio"), ("memory ratio", "memory ratio", "memory_ratio"),
    ("map", "map", "row.analytic.map_bytes"), ("predicted peak", "predicted", "row.counted.peak_bytes_predicted"),
    ("counts", "agreement", ""),
)  # fmt: skip
AS_EXPECTED = {"counts": {"=", ""}, "status": {"ok"}}  # columns that say nothing where they say no more than this


def to_html(report: "Report") -> str:
    """The runs as one self-contained page; with no quantity at all, without plots."""
    grid = report.gridded
    quantities = grid.quantities
    if quantities:
        refuse_nothing(grid)
    names = ", ".join(run.name for run in grid.runs)
    kinds = " and ".join(sorted({run.record.kind for run in grid.runs}))
    about = f"kaoprof {kinds}: {counted(len(grid.rows), 'row')} in {counted(grid.cells, 'cell')}"
    parts = [
        html.listed(_meanings(grid), "answer"),
        html.alarms(summed_warnings(grid.runs)),
    ]
    if are_nodes(grid.runs):
        blocks = nodes_page(grid.runs, Medium.TEXT).blocks
        parts.append(html.section("Nodes", *map(html.block_to_html, blocks)))
    if quantities not in ((), (ROOFLINE,)):
        parts.append(html.section("Plots", *_plots(grid, quantities)))
    if quantities in (None, (ROOFLINE,)):
        parts += _roofline(grid)
    growth = grid_growth(grid)
    if growth:
        parts.append(html.section("How it grows", *map(html.block_to_html, growth)))
    parts += [
        html.section(
            "Table",
            _table(grid),
            html.paragraphs([f"{CONVENTION} {MAP_MEANING}", AGREE, f"{PREDICTED}: predicted."], "quiet"),
        ),
        *_rest(grid.runs),
    ]
    return html.page(f"kaoprof: {names}", [html.header(names, [about], [grid.title]), html.main(*parts)])


def _meanings(grid: Grid) -> Iterator[str]:
    """What the last cell of each block says, in words."""
    for block in grid.blocks[:MOST_SENTENCES]:
        last = block.rows[-1]
        cell = [row.standing for row in block.rows if row.standing.row.case.cell == last.standing.row.case.cell]
        sentence = meaning_of(last.run.record, cell)
        if sentence:
            yield f"At {last.standing.row.case.dims}{f' ({block.label})' if block.label else ''}: {sentence}"


def _plots(grid: Grid, quantities: Sequence[str] | None) -> Iterator[html.Html]:
    blocks = [block for block in grid.blocks if held_by(grid, [block], quantities)]
    if not blocks:
        yield html.paragraphs(["These runs hold nothing that could be plotted."])
        return
    from kaoprof.reporting.plots.files import figure_of, inline_svg
    from kaoprof.reporting.plots.live import live_figure

    shown = blocks[: MOST_PLOTS if len(blocks) <= MOST_PLOTS else PLOTS_OF_MANY]
    for number, block in enumerate(shown):
        held = held_by(grid, [block], quantities)
        titles = ", ".join(QUANTITIES[name].title for name in held)
        against = f" against {grid.x_label}" if grid.x else ""
        caption = f"{titles}{against}; {block_title(grid, block)}"
        drawn = html.figure(
            inline_svg(figure_of(grid, [block], quantities)), caption, data=live_figure(grid, block, held)
        )
        yield drawn if number < OPEN_PLOTS else html.folded(block.label, drawn)
    if len(blocks) > len(shown):
        yield html.paragraphs([f"{len(shown)} of {len(blocks):,} settings are plotted; --only chooses among them."])


def _roofline(grid: Grid) -> Iterator[html.Html]:
    """The first settings whose run knows its device's ceilings; nothing where none does."""
    from kaoprof.reporting.plots.files import inline_svg
    from kaoprof.reporting.plots.roofline import can_draw, plot_rooflines

    blocks = [block for block in grid.blocks if can_draw(block)][:MOST_ROOFLINES]
    if blocks:
        drawn = html.figure(inline_svg(plot_rooflines(grid, blocks)), f"{ROOFLINE_MEANING}; {grid.title}", "narrow")
        yield html.section("Roofline", drawn)


def _table(grid: Grid) -> html.Html:
    varying = list(dict.fromkeys(name for row in grid.rows for name in row.place if name not in grid.fixed))
    varying = [name for name in varying if len(grid.runs) > 1 or name != "run"]
    shown, of = grid.rows[:MOST_ROWS], len(grid.rows)
    some = f"The first {len(shown):,} of {of:,} rows; --only chooses among them, and {ALL} {SORTS}"
    caption = f"Every row. {SORTS}" if len(shown) == of else some
    rows = tuple(_row(row, varying) for row in shown)
    numbers = (Column(header, words=not path) for header, _, path in NUMBERS)
    columns = (*columns_of(("operator", *varying)), *numbers, Column("status", words=True))
    return html.table(_without_expected(without_empty(Table(title=caption, columns=columns, rows=rows))))


def _without_expected(table: Table) -> Table:
    """The table without columns in which every row says what is expected of it."""
    told = {column: {words_of(row.cells[place]) for row in table.lines} for place, column in enumerate(table.columns)}
    return without_columns(table, [column for column in told if told[column] <= AS_EXPECTED.get(column.header, set())])


def _row(row: Placed, varying: Sequence[str]) -> tuple[Text, ...]:
    """The texts of all tables, sorted by the values behind them."""
    cells, measured = cells_of(row.standing), row.standing.row
    places = [row.place.get(name) for name in varying]
    return (
        measured.case.name,
        *(figure_cell(str(place), place) if isinstance(place, int) else place or "" for place in places),
        *(Cell(lines=((cells[name],),), value=at(path)(row.standing)) if path else cells[name]
          for _, name, path in NUMBERS),
        measured.status,
    )  # fmt: skip


def _rest(runs: Sequence[NamedRun]) -> Iterator[html.Html]:
    for run in runs:
        failed = [f"{row.case.name} at {row.case.dims}: {row.detail}" for row in run.record.rows if row.detail]
        have = "has" if len(failed) == 1 else "have"
        told = failed if len(failed) <= MOST_FAILED else [*failed[:MOST_FAILED], f"... and of all others: {ALL}"]
        of = f": {run.name}" if len(runs) > 1 else ""
        yield html.section(
            f"Environment and protocol{of}",
            html.terms(environment_terms(run.record)),
            html.paragraphs(protocol_of(run.record), "quiet"),
            *(
                [html.folded(f"Why {counted(len(failed), 'row')} {have} no measurement", html.listed(told))]
                if failed
                else []
            ),
        )
        if run.record.rows:
            yield html.section(f"To measure it again{of}", html.command_lines(compare_commands(run.record)))

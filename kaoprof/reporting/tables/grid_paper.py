"""Many grid cells in a paper: sizes down, operators across, so that a grid fits across a page with two columns."""

from collections.abc import Iterator, Mapping, Sequence

from kaoprof.reporting.document import UNKNOWN, Cell, Column, Page, Row, Span, Style, Table, Text
from kaoprof.reporting.sentences.protocol import MAP_MEANING, protocol_in_short, protocol_of
from kaoprof.reporting.tables.cells import PREDICTED, cells_of, tells_nothing
from kaoprof.reporting.tables.grid import Grid, Placed
from kaoprof.reporting.tables.grid_rows import UNSURE, best_of, counted_warnings
from kaoprof.reporting.tables.growth import for_paper, grid_growth
from kaoprof.units import format_seconds_surely, format_short_count, sure_digits

ACROSS = 4  # operators beside each other: more do not fit across a page
MOST_LINES = 45  # of one table: more do not fit on a page
TIMES = "×"
FUSED, STAR = Span("†", style=Style.MARK), Span(PREDICTED, style=Style.MARK)
MEANING = (
    "1 MAC = 2 FLOPs, MACs of one sample; memory and latency of the whole batch. Each operator by its fastest "
    "implementation at that size"
)


def paper_page(grid: Grid) -> Page:
    """All sizes, blocks after each other under rules; as many tables as pages ask for."""
    operators = tuple(dict.fromkeys(row.standing.row.case.operator for row in grid.rows))
    groups = [operators[start : start + ACROSS] for start in range(0, len(operators), ACROSS)]
    parts = [part for group in groups for part in _parts(grid, group)]
    tables = [_table(grid, group, rows, number, len(parts)) for number, (group, rows) in enumerate(parts)]
    return Page(blocks=(*tables, *map(for_paper, grid_growth(grid))))


def _parts(grid: Grid, operators: Sequence[str]) -> Iterator[tuple[Sequence[str], list[Row]]]:
    """The rows of each table, no block's heading at the end of one."""
    rows: list[Row] = []
    for block in grid.blocks:
        lines = [_row(grid, size, best, operators) for size, best in best_of(grid, block).items()]
        for start in range(0, len(lines), MOST_LINES):
            part = lines[start : start + MOST_LINES]
            if rows and len(rows) + 2 + len(part) > MOST_LINES:
                yield operators, rows
                rows = []
            heading = Row((Span(block.label, style=Style.EMPHASIS),), total=bool(rows))
            rows += [*([heading] if block.label else []), *part]
    if rows:
        yield operators, rows


def _kinds(grid: Grid, operator: str) -> tuple[str, ...]:
    """The columns of one operator; the baseline is not compared with itself, and what was not measured has no time."""
    measured = any(run.record.protocol for run in grid.runs)
    if not measured:
        return ("MACs", "Map")
    compared = all(run.record.baseline != operator for run in grid.runs)
    return ("MACs", "Peak", "Latency", *((TIMES,) if compared else ()))


def _row(grid: Grid, size: int, best: Mapping[str, Placed], operators: Sequence[str]) -> Row:
    cells: list[Text] = [str(size) if grid.x else ""]
    for operator in operators:
        row = best.get(operator)
        cells += [UNKNOWN] * len(_kinds(grid, operator)) if row is None else _cells(grid, row, operator)
    return Row(tuple(cells))


def _cells(grid: Grid, row: Placed, operator: str) -> list[Text]:
    """With the digits that they deserve; memory of analytic rows is the map."""
    shown, standing, analytic = cells_of(row.standing), row.standing, row.standing.row.analytic
    latency, speedup = standing.latency, standing.speedup
    memory = (shown["map"] if shown["weight"].text == UNKNOWN else shown["weight"]).text
    time = format_seconds_surely(latency.value, latency.low, latency.high) if latency else shown["latency"].text
    fused = standing.row.case.implementation == "sdpa"
    quoted = shown["quoted speedup"].text if speedup is None or tells_nothing(speedup) else (
        sure_digits(speedup.value, speedup.low, speedup.high)
    )  # fmt: skip
    starred = Cell(lines=((memory.removesuffix(PREDICTED), STAR),)) if memory.endswith(PREDICTED) else memory
    cells: dict[str, Text] = {
        "MACs": format_short_count(analytic.macs) if analytic else UNKNOWN,
        "Map": starred,
        "Peak": starred,
        "Latency": Cell(lines=((time, FUSED),)) if fused else time,
        TIMES: quoted,
    }
    return [cells[kind] for kind in _kinds(grid, operator)]


def _table(grid: Grid, operators: Sequence[str], rows: Sequence[Row], number: int, of: int) -> Table:
    columns = [Column(kind, group=operator) for operator in operators for kind in _kinds(grid, operator)]
    title = f"Attention operators; {grid.title}. {MEANING}"
    return Table(
        title=title if number == 0 else f"Attention operators, continued ({number + 1} of {of})",
        columns=(Column(grid.x_label if grid.x else "", is_formula=bool(grid.x)), *columns),
        rows=tuple(rows),
        notes=tuple(_notes(grid, rows, of)) if number == 0 else (),
        details=tuple(_details(grid)) if number == 0 else (),
        figures="thin",
    )


def _notes(grid: Grid, rows: Sequence[Row], of: int) -> list[Text]:
    notes: list[Text] = [] if any(run.record.protocol for run in grid.runs) else [MAP_MEANING]
    for run in grid.runs:
        where = f"{run.name}: " if len(grid.runs) > 1 else ""
        short = protocol_in_short(run.record)
        notes += [f"{where}{short}"] if short else []
    baselines = Span(", ".join(sorted({run.record.baseline for run in grid.runs})), style=Style.CODE)
    faster = (f"{TIMES}: as fast as ", baselines, "'s fastest implementation, in paired rounds.")
    notes += [Cell(lines=(faster,))] if any(row.standing.speedup for row in grid.rows) else []
    notes += [UNSURE] if any(tells_nothing(row.standing.speedup) for row in grid.rows) else []
    marks = {FUSED: " fused attention (sdpa).", STAR: " predicted."}
    shown = {span for row in rows for cell in row.cells if isinstance(cell, Cell) for span in cell.lines[0]}
    notes += [Cell(lines=((mark, meaning),)) for mark, meaning in marks.items() if mark in shown or of > 1]
    return notes


def _details(grid: Grid) -> Iterator[str]:
    """What the author should know."""
    for run in grid.runs:
        where = f"{run.name}: " if len(grid.runs) > 1 else ""
        yield from (f"{where}{sentence}" for sentence in protocol_of(run.record))
    yield from (f"Warning: {warning}." for warning in counted_warnings(grid.runs))

"""What operators side by side say: a table for each cell of the grid, what it means, and how it was measured."""

from msgspec.structs import replace

from kaoprof.findings.operators import Standing, standings, warnings_of
from kaoprof.records.compare import Record
from kaoprof.reporting.document import (
    BAD,
    CODE,
    GOOD,
    MARK,
    PAPER,
    QUIET,
    SCREEN,
    TEXT,
    UNKNOWN,
    Cell,
    Column,
    Line,
    Medium,
    Page,
    Span,
    Table,
    Text,
    columns_of,
    notes_of,
    stacked,
    without_empty,
)
from kaoprof.reporting.sentences.limits import ceilings_sentence, limits_of, rows_of
from kaoprof.reporting.sentences.protocol import (
    AGREE,
    CONVENTION,
    MAP_MEANING,
    PAPER_CONVENTION,
    meaning_of,
    protocol_of,
    ratios_of,
)
from kaoprof.reporting.tables.cells import PREDICTED, Cells, cells_of, title_of
from kaoprof.units import format_seconds_surely, sure_digits, sure_interval, time_unit

WITHOUT_LATENCY = ("skipped", "oom", "timeout", "unsupported", "error")
ANALYTIC_HEADERS = ("operator", "  order", "     MACs", "map order", "      map", "weights", "MACs ratio")
WIDE_HEADERS = (
    "operator", "order", "MACs", "", "map", "peak\npredicted", "peak\nmeasured", "latency", "95 % interval",
    "x floor", "  bound", "MACs\nratio", "memory\nratio", "speedup", "95 % interval",
)  # fmt: skip
NARROW_HEADERS = ("operator", "MACs\norder", "peak seen\npredicted", "latency\n95 % interval", "x floor\nbound",
                  "ratio:\nMACs,\nmemory", "speedup\n95 %")  # fmt: skip
TEXT_HEADERS = ("operator", "order", "MACs", "map", "peak predicted", "peak measured", "latency", "95 % interval",
                "x floor", "bound", "error", "MACs ratio", "memory ratio", "speedup", "95 % interval")  # fmt: skip
PAPER_COLUMNS = (
    Column("Operator", words=True), Column("Order", left=True),
    *map(Column, ("MACs", "Map", "Peak", "Latency", "Times floor", "MACs ratio", "Memory ratio", "Speedup")),
)  # fmt: skip
BOUNDS = "Bound by c: arithmetic (compute), m: memory, l: the launch of operations."
STAR = Span(PREDICTED, kind=MARK)


def page_of(record: Record, medium: Medium = TEXT) -> Page:
    """The record as a page, one table per grid cell; on a terminal two lines a row where one has no room."""
    if medium == PAPER:
        return Page(blocks=tuple(_paper_table(record, cell) for cell in standings(record).values()))
    if medium == TEXT:
        return _page(record, medium, TEXT_HEADERS)
    if record.protocol is None:
        return _page(record, medium, ANALYTIC_HEADERS)
    return replace(_page(record, medium, WIDE_HEADERS), narrow=_page(record, medium, NARROW_HEADERS))


def _page(record: Record, medium: Medium, headers: tuple[str, ...]) -> Page:
    tables = [_table(record, cell, medium, headers) for cell in standings(record).values()]
    convention = CONVENTION if record.protocol else PAPER_CONVENTION
    meaning = f" {MAP_MEANING}" if any(header.strip() == "map" for header in headers) else ""
    counted = any(row.counted for row in record.rows) if medium == SCREEN else record.protocol
    warnings = [] if medium == SCREEN else [f"Warning: {warning}." for warning in warnings_of(record)]
    legend = notes_of(
        f"{convention}{meaning}", AGREE if counted else "", ceilings_sentence(record), *protocol_of(record), *warnings,
        tone=QUIET, listed=False,
    )  # fmt: skip
    return Page(blocks=(*tables, *legend))


def _table(record: Record, cell: list[Standing], medium: Medium, headers: tuple[str, ...]) -> Table:
    indent = "  " if medium == SCREEN else ""
    details = (f"{indent}{standing.row.case.name}: {standing.row.detail}" for standing in cell if standing.row.detail)
    sentences = (ratios_of(record, cell), meaning_of(record, cell), *limits_of(rows_of(cell)))
    table = Table(
        title=title_of(record, cell[0].row),
        columns=columns_of(headers),
        rows=tuple(ROWS[headers](standing, cells_of(standing)) for standing in cell),
        notes=(*details, *filter(None, sentences)),
        close=True,
    )
    return without_empty(table) if medium == TEXT else table


def _analytic_row(standing: Standing, cells: Cells) -> tuple[Text, ...]:
    return (
        f"{cells.operator}:{cells.implementation}", cells.order_time, cells.macs, cells.order_memory, cells.map,
        cells.params, _ratio(cells.macs_ratio, standing.macs_ratio),
    )  # fmt: skip


def _wide_row(standing: Standing, cells: Cells) -> tuple[Text, ...]:
    return (
        f"{cells.operator}:{cells.implementation}", cells.order_time, cells.macs, _agreement(cells), cells.map,
        cells.predicted, cells.peak, _latency(cells), Span(cells.interval, QUIET), cells.times_floor, cells.bound,
        _ratio(cells.macs_ratio, standing.macs_ratio), _ratio(cells.memory_ratio, standing.memory_ratio),
        _speedup(standing, cells), Span(cells.speedup_interval, QUIET),
    )  # fmt: skip


def _narrow_row(standing: Standing, cells: Cells) -> tuple[Text, ...]:
    return (
        _stack(cells.operator, f"  {cells.implementation}"),
        _stack((cells.macs, " ", _agreement(cells)), cells.order_time),
        _stack(cells.peak, cells.predicted),
        _stack(_latency(cells), cells.interval),
        _stack(cells.times_floor, cells.bound),
        stacked(_ratio(cells.macs_ratio, standing.macs_ratio), _ratio(cells.memory_ratio, standing.memory_ratio)),
        _stack(_speedup(standing, cells), cells.speedup_interval),
    )


def _text_row(_standing: Standing, cells: Cells) -> tuple[Text, ...]:
    return (
        f"{cells.operator}:{cells.implementation}", cells.order_time, f"{cells.macs} {cells.agreement}".strip(),
        cells.map, cells.predicted, cells.peak, cells.latency, cells.interval, cells.times_floor, cells.bound,
        cells.error, cells.macs_ratio, cells.memory_ratio, cells.speedup, cells.speedup_interval,
    )  # fmt: skip


ROWS = {
    ANALYTIC_HEADERS: _analytic_row, WIDE_HEADERS: _wide_row, NARROW_HEADERS: _narrow_row, TEXT_HEADERS: _text_row,
}  # fmt: skip


def _stack(first: str | Span | Line, second: str) -> Cell:
    return stacked(first, Span(second, QUIET))


def _agreement(cells: Cells) -> Span:
    return Span(cells.agreement, BAD if cells.agreement == "!" else GOOD)


def _latency(cells: Cells) -> Span:
    return Span(cells.latency, BAD if cells.latency in WITHOUT_LATENCY else "")


def _ratio(text: str, value: float | None) -> Span:
    return Span(text, GOOD if value is not None and value > 1 and text != UNKNOWN else "")


def _speedup(standing: Standing, cells: Cells) -> Span:
    return _ratio(cells.speedup, standing.speedup.low if standing.speedup else None)


def _paper_table(record: Record, cell: list[Standing]) -> Table:
    """A table for a paper, with everything that must be known below it."""
    rows = tuple(_paper_row(standing, cells_of(standing)) for standing in cell)
    alone = replace(record, rows=tuple(standing.row for standing in cell))
    starred = any(isinstance(text, Cell) and STAR in text.lines[0] for row in rows for text in row)
    notes = (
        ratios_of(record, cell), MAP_MEANING, ceilings_sentence(record), *protocol_of(record),
        *(f"Warning: {warning}." for warning in warnings_of(alone)),
        *(f"{standing.row.case.name}: {standing.row.detail}." for standing in cell if standing.row.detail),
        BOUNDS if any(standing.demand for standing in cell) else None,
        f"{PREDICTED} predicted." if starred else None,
    )  # fmt: skip
    title = f"Attention operators; {title_of(record, cell[0].row)}. 1 MAC = 2 FLOPs"
    said = tuple(note for note in notes if note)
    return without_empty(Table(title=title, columns=PAPER_COLUMNS, rows=rows, notes=said, figures="tie"))


def _paper_row(standing: Standing, cells: Cells) -> tuple[Text, ...]:
    predicted = cells.peak == UNKNOWN != cells.predicted
    return (
        Span(f"{cells.operator}:{cells.implementation}", kind=CODE),
        cells.order_time,
        cells.macs,
        cells.map,
        Cell(lines=((cells.predicted, STAR),)) if predicted else cells.peak,
        _sure_latency(standing, cells),
        Cell(lines=((cells.times_floor, Span(cells.bound[0], kind=MARK)),)) if cells.bound else cells.times_floor,
        cells.macs_ratio,
        cells.memory_ratio,
        _sure_speedup(standing),
    )


def _sure_latency(standing: Standing, cells: Cells) -> str:
    """Median and interval with the digits that the interval supports: `71 ms (70.4-75.0)`."""
    latency = standing.latency
    if latency is None:
        return cells.latency
    text = format_seconds_surely(latency.median, latency.low, latency.high)
    if latency.low is None or latency.high is None:
        return text
    factor, _ = time_unit(latency.median)
    return f"{text} ({sure_interval(latency.median / factor, latency.low / factor, latency.high / factor)})"


def _sure_speedup(standing: Standing) -> str:
    speedup = standing.speedup
    if speedup is None:
        return UNKNOWN
    times = f"{sure_digits(speedup.median, speedup.low, speedup.high)}x"
    if speedup.low is None or speedup.high is None:
        return times
    return f"{times} ({sure_interval(speedup.median, speedup.low, speedup.high)})"

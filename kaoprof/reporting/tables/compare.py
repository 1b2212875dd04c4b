"""What operators side by side say: a table for each cell of the grid, what it means, and how it was measured."""

from collections.abc import Sequence

from msgspec.structs import replace

from kaoprof.findings.operators import Standing, standings, warnings_of
from kaoprof.records.compare import Record
from kaoprof.reporting.document import (
    UNKNOWN,
    Cell,
    Column,
    Medium,
    Page,
    Span,
    Style,
    Table,
    Text,
    Tone,
    columns_of,
    notes_of,
    without_empty,
)
from kaoprof.reporting.sentences.limits import ceilings_sentence, limits_of, rows_of
from kaoprof.reporting.sentences.places import placed
from kaoprof.reporting.sentences.protocol import (
    AGREE,
    CONVENTION,
    MAP_MEANING,
    PAPER_CONVENTION,
    meaning_of,
    own_forms_of,
    protocol_in_short,
    protocol_of,
    ratios_of,
)
from kaoprof.reporting.tables.cells import PREDICTED, cells_of, title_of
from kaoprof.reporting.tables.compare_screen import screen_of
from kaoprof.units import format_seconds_surely, sure_digits, sure_interval, time_unit

Layout = Sequence[tuple[str, str]]  # headers, and what stands under them: one of `cells_of`
SCROLLED: Layout = (
    ("operator", "name"), ("order", "order"), ("MACs", "marked macs"), ("map", "map"), ("peak predicted", "predicted"),
    ("peak measured", "peak"), ("latency", "latency"), ("95 % interval", "interval"), ("x floor", "x floor"),
    ("bound", "bound"), ("error", "error"), ("MACs ratio", "macs ratio"), ("memory ratio", "memory ratio"),
    ("speedup", "speedup"), ("95 % interval", "speedup interval"),
)  # fmt: skip
PAPER_COLUMNS = (
    Column("Operator", words=True, name=True), Column("Order", left=True, optional=3), Column("MACs"),
    Column("Map", optional=4), Column("Peak"), Column("Latency"), Column("Times floor", optional=5),
    Column("MACs ratio", optional=2), Column("Memory ratio", optional=1), Column("Speedup"),
)  # fmt: skip
BOUNDS = "Times floor: bound by c: arithmetic (compute), m: memory, l: the launch of operations."
STAR = Span(PREDICTED, style=Style.MARK)


def page_of(record: Record, medium: Medium = Medium.TEXT) -> Page:
    """The record as a page, one table per grid cell."""
    if medium == Medium.PAPER:
        return Page(blocks=tuple(_paper_table(record, cell) for cell in standings(record).values()))
    return screen_of(record) if medium == Medium.SCREEN else _scrolled(record)


def _scrolled(record: Record) -> Page:
    tables = [_table(record, cell) for cell in standings(record).values()]
    convention = CONVENTION if record.protocol else PAPER_CONVENTION
    legend = notes_of(
        f"{convention} {MAP_MEANING}", AGREE if record.protocol else "", *placed(record), ceilings_sentence(record),
        *protocol_of(record), *(f"Warning: {warning}." for warning in warnings_of(record)), tone=Tone.QUIET,
        listed=False,
    )  # fmt: skip
    return Page(blocks=(*tables, *legend))


def _table(record: Record, cell: list[Standing]) -> Table:
    details = (f"{standing.row.case.name}: {standing.row.detail}" for standing in cell if standing.row.detail)
    own = own_forms_of(standing.row for standing in cell)
    sentences = (ratios_of(record, cell), meaning_of(record, cell), *limits_of(rows_of(cell)))
    rows = tuple(tuple(cells[name] for _, name in SCROLLED) for cells in map(cells_of, cell))
    table = Table(
        title=title_of(record, cell[0].row),
        columns=columns_of([header for header, _ in SCROLLED]),
        rows=rows,
        notes=(*own, *details, *filter(None, sentences)),
        close=True,
    )
    return without_empty(table)


def _paper_table(record: Record, cell: list[Standing]) -> Table:
    """A table for a paper, with everything that must be known below it."""
    rows = tuple(_paper_row(standing, cells_of(standing)) for standing in cell)
    alone = replace(record, rows=tuple(standing.row for standing in cell))
    starred = any(isinstance(text, Cell) and STAR in text.lines[0] for row in rows for text in row)
    notes = (
        *own_forms_of(standing.row for standing in cell),
        ratios_of(record, cell), MAP_MEANING, protocol_in_short(record),
        BOUNDS if any(standing.limits and standing.limits.demand for standing in cell) else None,
        f"{PREDICTED} predicted." if starred else None,
    )  # fmt: skip
    details = (
        ceilings_sentence(record), *protocol_of(record), *(f"Warning: {warning}." for warning in warnings_of(alone)),
        *(f"{standing.row.case.name}: {standing.row.detail}." for standing in cell if standing.row.detail),
    )  # fmt: skip
    title = f"Attention operators; {title_of(record, cell[0].row)}. 1 MAC = 2 FLOPs"
    said = tuple(note for note in notes if note)
    more = tuple(detail for detail in details if detail)
    return without_empty(Table(title=title, columns=PAPER_COLUMNS, rows=rows, notes=said, details=more, figures="tie"))


def _paper_row(standing: Standing, cells: dict[str, Span]) -> tuple[Text, ...]:
    predicted = cells["peak"].text == UNKNOWN != cells["predicted"].text
    bound = cells["bound"].text
    return (
        replace(cells["name"], style=Style.CODE),
        cells["order"],
        cells["macs"],
        cells["map"],
        Cell(lines=((cells["predicted"], STAR),)) if predicted else cells["peak"],
        _sure_latency(standing, cells["latency"].text),
        Cell(lines=((cells["x floor"], Span(bound[0], style=Style.MARK)),)) if bound else cells["x floor"],
        cells["macs ratio"],
        cells["memory ratio"],
        _sure_speedup(standing),
    )


def _sure_latency(standing: Standing, otherwise: str) -> str:
    """Median and interval with the digits that the interval supports: `71 ms (70.4-75.0)`."""
    latency = standing.latency
    if latency is None:
        return otherwise
    text = format_seconds_surely(latency.value, latency.low, latency.high)
    if latency.interval is None:
        return text
    factor, _ = time_unit(latency.value)
    return f"{text} ({sure_interval(latency.value / factor, *(end / factor for end in latency.interval))})"


def _sure_speedup(standing: Standing) -> str:
    speedup = standing.speedup
    if speedup is None:
        return UNKNOWN
    times = f"{sure_digits(speedup.value, speedup.low, speedup.high)}x"
    return f"{times} ({sure_interval(speedup.value, *speedup.interval)})" if speedup.interval else times

"""The table on a terminal: two lines a row at 80 columns, one line a row where there is room."""

from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from kaoprof.findings.operators import Standing, standings
from kaoprof.records.compare import Record
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
from kaoprof.reporting.tables.compare import UNKNOWN, Cells, cells_of, title_of

UNLIMITED = 10_000  # columns of a terminal on which every table fits
GOOD, BAD, QUIET = "green", "bold red", "dim"
MakeRow = Callable[[Standing, Cells], list[Text]]
WITHOUT_LATENCY = ("skipped", "oom", "timeout", "unsupported", "error")


def to_console(record: Record, width: int) -> RenderableType:
    """The record as rich renderables for a terminal of `width` columns."""
    parts: list[RenderableType] = []
    mapped = ""
    for cell in standings(record).values():
        table = _table(record, cell, width)
        mapped = f" {MAP_MEANING}" if any(str(column.header).strip() == "map" for column in table.columns) else mapped
        parts += [Text(title_of(record, cell[0].row), style="bold"), table]
        parts += [Text(f"  {note}") for note in _details(cell)]
        parts += [Text(sentence) for sentence in (ratios_of(record, cell), meaning_of(record, cell)) if sentence]
        parts += [Text(sentence) for sentence in limits_of(rows_of(cell))]
        parts.append(Text())
    floors = ceilings_sentence(record)
    agree = [AGREE] if any(row.counted for row in record.rows) else []
    convention = CONVENTION if record.protocol else PAPER_CONVENTION
    legend = [f"{convention}{mapped}", *agree, *([floors] if floors else []), *protocol_of(record)]
    return Group(*parts, *(Text(sentence, style=QUIET) for sentence in legend))


def _table(record: Record, cell: list[Standing], width: int) -> Table:
    """The table with the most columns that the terminal has room for."""
    if record.protocol is None:
        return _filled(ANALYTIC_HEADERS, _analytic_row, cell)
    wide = _filled(WIDE_HEADERS, _wide_row, cell)
    return wide if _width_of(wide) <= width else _filled(NARROW_HEADERS, _narrow_row, cell)


def _filled(headers: Sequence[str], make_row: MakeRow, cell: list[Standing]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    for header in headers:
        left = header.startswith("operator")
        table.add_column(header, justify="left" if left else "right", no_wrap=True)
    for standing in cell:
        table.add_row(*make_row(standing, cells_of(standing)))
    return table


def _width_of(table: Table) -> int:
    return Console(width=UNLIMITED, height=1).measure(table).maximum  # without a height, TERM=dumb makes it 80 wide


ANALYTIC_HEADERS = ("operator", "  order", "     MACs", "map order", "      map", "weights", "MACs ratio")
WIDE_HEADERS = (
    "operator", "order", "MACs", "", "map", "peak\npredicted", "peak\nmeasured", "latency", "95 % interval",
    "x floor", "  bound", "MACs\nratio", "memory\nratio", "speedup", "95 % interval",
)  # fmt: skip
NARROW_HEADERS = ("operator", "MACs\norder", "peak seen\npredicted", "latency\n95 % interval", "x floor\nbound",
                  "ratio:\nMACs,\nmemory", "speedup\n95 %")  # fmt: skip


def _analytic_row(standing: Standing, cells: Cells) -> list[Text]:
    return [
        Text(f"{cells.operator}:{cells.implementation}"),
        Text(cells.order_time),
        Text(cells.macs),
        Text(cells.order_memory),
        Text(cells.map),
        Text(cells.params),
        _ratio(cells.macs_ratio, standing.macs_ratio),
    ]


def _wide_row(standing: Standing, cells: Cells) -> list[Text]:
    low = standing.speedup.low if standing.speedup else None
    return [
        Text(f"{cells.operator}:{cells.implementation}"),
        Text(cells.order_time),
        Text(cells.macs),
        _agreement(cells),
        Text(cells.map),
        Text(cells.predicted),
        Text(cells.peak),
        _latency(cells),
        Text(cells.interval, style=QUIET),
        Text(cells.times_floor),
        Text(cells.bound),
        _ratio(cells.macs_ratio, standing.macs_ratio),
        _ratio(cells.memory_ratio, standing.memory_ratio),
        _ratio(cells.speedup, low),
        Text(cells.speedup_interval, style=QUIET),
    ]


def _narrow_row(standing: Standing, cells: Cells) -> list[Text]:
    low = standing.speedup.low if standing.speedup else None
    return [
        _stack(Text(cells.operator), f"  {cells.implementation}"),
        _stack(Text.assemble(cells.macs, " ", _agreement(cells)), cells.order_time),
        _stack(Text(cells.peak), cells.predicted),
        _stack(_latency(cells), cells.interval),
        _stack(Text(cells.times_floor), cells.bound),
        Text.assemble(
            _ratio(cells.macs_ratio, standing.macs_ratio), "\n", _ratio(cells.memory_ratio, standing.memory_ratio)
        ),
        _stack(_ratio(cells.speedup, low), cells.speedup_interval),
    ]


def _stack(first: Text, second: str) -> Text:
    return Text.assemble(first, "\n", (second, QUIET))


def _agreement(cells: Cells) -> Text:
    return Text(cells.agreement, style=BAD if cells.agreement == "!" else GOOD)


def _latency(cells: Cells) -> Text:
    return Text(cells.latency, style=BAD if cells.latency in WITHOUT_LATENCY else "")


def _ratio(text: str, value: float | None) -> Text:
    return Text(text, style=GOOD if value is not None and value > 1 and text != UNKNOWN else "")


def _details(cell: list[Standing]) -> list[str]:
    """Why a row has no figures, one line each."""
    return [f"{standing.row.case.name}: {standing.row.detail}" for standing in cell if standing.row.detail]

"""What operators side by side say on a terminal: a line per row, best first, the verdict, and a line per fact."""

from collections.abc import Callable, Sequence
from itertools import islice

from msgspec.structs import replace

from kaoprof.findings.operators import Standing, each_standing
from kaoprof.records.compare import Case, Record, Row
from kaoprof.reporting.document import (
    UNKNOWN,
    Block,
    Column,
    Notes,
    Page,
    Span,
    Table,
    Text,
    Tone,
    answer_of,
    notes_of,
    stacked,
)
from kaoprof.reporting.formats.folding import MOST_TABLES, left_out
from kaoprof.reporting.sentences.limits import ceilings_sentence, limits_of, rows_of
from kaoprof.reporting.sentences.places import placed
from kaoprof.reporting.sentences.protocol import (
    AGREE,
    CONVENTION,
    MAP_MEANING,
    PAPER_CONVENTION,
    bindings_of,
    protocol_of,
    ratios_of,
)
from kaoprof.reporting.sentences.quoted import interval_text
from kaoprof.reporting.sentences.row_facts import facts_of
from kaoprof.reporting.sentences.verdicts import verdict_of
from kaoprof.reporting.tables.cells import cells_of, title_of, without_twins
from kaoprof.reporting.tables.looks import (
    Look,
    bar_in,
    best_in,
    factor_interval_of,
    factor_of,
    filled,
    name_columns,
    products_of,
    quiet_seconds,
    rank_of,
    slowness_of,
    text_of,
    time_of,
    versus,
    weight_of,
)
from kaoprof.units import counted, format_short_count

BAR, ORDER, PREDICTED, FLOOR, BOUND, RATIO, MAP, INTERVAL = range(1, 9)  # what goes last where a line has no room
DEFAULTS = {"heads": 1, "projection": "value", "scale": "sqrt"}  # that need no naming


def screen_of(record: Record) -> Page:
    """The record for a terminal; with `-v` in a narrow one two lines a row. Of many cells it has the first ones."""
    shown = [sorted(cell, key=rank_of) for _, cell in islice(each_standing(record), MOST_TABLES)]
    below = _below(record, shown)
    narrow = _page(record, shown, _stacked_table, below) if record.protocol else None
    return replace(_page(record, shown, _table, below), narrow=narrow)


def _page(
    record: Record, cells: Sequence[list[Standing]], make: Callable[[Record, list[Standing]], Table], below: list[Block]
) -> Page:
    answers: list[Block] = []
    for cell in cells:
        answers += [make(record, cell), *notes_of(*_verdict(record, cell)), *_details(record, cell)]
    return Page(blocks=(*answers, *below))


def _below(record: Record, shown: Sequence[Sequence[Standing]]) -> list[Block]:
    """What stands below the cells: how many more there are, and what is known of all of them."""
    hidden = list(record.cells().values())[len(shown) :]
    rows = [standing.row for cell in shown for standing in cell] + [row for cell in hidden for row in cell]
    folded = [left_out(len(hidden), sum(map(len, hidden)))] if hidden else []
    convention = CONVENTION if record.protocol else PAPER_CONVENTION
    seen = any(row.counted for row in rows)
    legend = notes_of(
        f"{convention} {MAP_MEANING}", AGREE if seen else "", *placed(record), ceilings_sentence(record),
        *protocol_of(record), tone=Tone.QUIET, detail=True,
    )  # fmt: skip
    return [*folded, *facts_of(record, rows), *legend]


def _verdict(record: Record, cell: Sequence[Standing]) -> list[Text]:
    said = verdict_of(record, cell)
    return [answer_of(*said)] if said else []


def heading_of(record: Record, row: Row) -> str:
    """What a cell of the grid is."""
    case = row.case
    return f"Attention on {case.dims} ({' '.join(('b', 'c', *case.dims.axes))}): {manner_of(record, case)}"


def manner_of(record: Record, case: Case) -> str:
    """How a case ran; options that are as by default go without saying."""
    environment = record.environment
    threads = f" {counted(environment.threads, 'thread')}" if environment and case.device == "cpu" else ""
    manner = [case.dtype, case.mode, *([f"{case.device}{threads}"] if case.device else [])]
    manner += [
        f"{value} heads" if name == "heads" else f"{name} {value}"
        for name in DEFAULTS
        if (value := getattr(case, name)) != DEFAULTS[name]
    ]
    return ", ".join(manner)


def _details(record: Record, cell: list[Standing]) -> tuple[Notes, ...]:
    """What stands below a cell's verdict for who asks for it."""
    reasons = (f"  {standing.row.case.name}: {standing.row.detail}" for standing in cell if standing.row.detail)
    said = (ratios_of(record, cell), *bindings_of(record, cell), *limits_of(rows_of(cell)))
    return notes_of(f"{title_of(record, cell[0].row)}.", *reasons, *said, detail=True)


def _table(record: Record, cell: list[Standing]) -> Table:
    """A line per row under those columns of which anything is known."""
    columns = _columns(record, cell)
    kept, shown = filled(columns, cell)
    twins = record.protocol is None and not any(row.row.counted for row in cell)
    return Table(
        title=heading_of(record, cell[0].row),
        columns=kept,
        rows=without_twins(shown, [standing.row for standing in cell]) if twins else shown,
    )


def _columns(record: Record, cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    if record.protocol is not None:
        return _measured_columns(record, cell)
    counted_too = any(standing.row.counted for standing in cell)
    return _closed_columns(cell) if not counted_too else _counted_columns(cell)


def _measured_columns(record: Record, cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    return [
        *name_columns(),
        (Column("order", optional=ORDER), text_of("order")),
        *_macs(cell),
        (Column("map", optional=MAP), text_of("map")),
        (Column("predicted", optional=PREDICTED), text_of("predicted")),
        (Column("memory"), best_in(cell, weight_of, text_of("weight"))),
        (Column("time"), best_in(cell, quiet_seconds, time_of)),
        (Column("(95 %)"), lambda standing, _: Span(interval_text(standing.latency), Tone.QUIET)),
        (Column("x floor", optional=FLOOR), text_of("x floor")),
        (Column("bound", words=True, optional=BOUND), text_of("bound")),
        (Column("MACs\nratio", optional=RATIO), text_of("macs ratio")),
        (Column("memory\nratio", optional=RATIO), text_of("memory ratio")),
        (Column(versus(record.baseline)), best_in(cell, slowness_of, factor_of)),
        (Column("(95 %)", optional=INTERVAL), factor_interval_of),
        (Column("", bar=True, optional=BAR), bar_in(cell)),
    ]


def _counted_columns(cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    """Of what was counted, and never ran."""
    return [
        *name_columns(),
        (Column("order"), text_of("order")),
        *_macs(cell),
        (Column("memory"), best_in(cell, weight_of, text_of("weight"))),
        (Column("map", optional=MAP), text_of("map")),
        (Column("weights"), text_of("weights")),
        (Column("MACs ratio"), text_of("macs ratio")),
        (Column("memory\nratio", optional=RATIO), text_of("memory ratio")),
    ]


def _closed_columns(cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    """Of closed forms alone."""
    return [
        (Column("operator", words=True, name=True), lambda standing, _: standing.row.case.name),
        (Column("order"), text_of("order")),
        *_macs(cell),
        (Column("map order"), text_of("map order")),
        (Column("map"), text_of("map")),
        (Column("weights"), text_of("weights")),
        (Column("MACs ratio"), text_of("macs ratio")),
    ]


def _macs(cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    """Beside the figure a mark, where counts disagree or are not all there is."""
    return [
        (Column("MACs"), best_in(cell, products_of, lambda standing, _: _short_macs(standing.row))),
        (Column(""), lambda _, texts: _mark(texts["agreement"])),
    ]


def _mark(agreement: Span) -> Span:
    """Only what must not be overlooked is marked."""
    return Span("") if agreement.text == "=" else replace(agreement, tone=Tone.WARN)


def _short_macs(row: Row) -> Span:
    return Span(format_short_count(row.analytic.macs) if row.analytic else UNKNOWN)


STACKED = (
    ("operator", "operator/implementation"), ("MACs\norder", "macs agreement/order"),
    ("peak seen\npredicted", "peak/predicted"), ("latency\n95 % interval", "latency/interval"),
    ("x floor\nbound", "x floor/bound"), ("ratio:\nMACs,\nmemory", "macs ratio/memory ratio"),
    ("speedup\n95 %", "speedup/speedup interval"),
)  # fmt: skip


def _stacked_table(record: Record, cell: list[Standing]) -> Table:
    """All that is known of each row, in two lines."""
    rows = tuple(tuple(_in_two(cells, names) for _, names in STACKED) for cells in map(cells_of, cell))
    columns = tuple(Column(header, words=not place, name=not place) for place, (header, _) in enumerate(STACKED))
    return Table(title=heading_of(record, cell[0].row), columns=columns, rows=rows)


def _in_two(cells: dict[str, Span], names: str) -> Text:
    """The mark stands beside the MACs; the second line is quiet unless it has a tone."""
    first, _, second = names.partition("/")
    upper = (cells["macs"], " ", _mark(cells["agreement"])) if first == "macs agreement" else (cells[first],)
    lower = cells[second] if second == "memory ratio" else replace(cells[second], tone=Tone.QUIET)
    return stacked(upper, lower)

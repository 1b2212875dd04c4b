"""What operators side by side say on a terminal: a line per row, best first, the verdict, and a line per fact."""

import math
from collections.abc import Callable, Sequence
from itertools import islice

from msgspec.structs import replace

from kaoprof.findings.operators import Standing, each_standing, peak_bytes
from kaoprof.records.compare import Record, Row
from kaoprof.reporting.document import (
    UNKNOWN,
    Block,
    Cell,
    Column,
    Notes,
    Page,
    Span,
    Style,
    Table,
    Text,
    Tone,
    notes_of,
    stacked,
    words_of,
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
from kaoprof.reporting.sentences.quoted import (
    interval_text,
    is_too_noisy,
    seconds_of,
    seconds_text,
    times_text,
)
from kaoprof.reporting.sentences.row_facts import facts_of
from kaoprof.reporting.sentences.verdicts import verdict_of
from kaoprof.reporting.tables.cells import cells_of, title_of, without_twins
from kaoprof.units import counted, format_short_count

LONGEST_BASELINE = 14  # signs of its name in a heading
BAR, ORDER, PREDICTED, FLOOR, BOUND, RATIO, MAP, INTERVAL = range(1, 9)  # what goes last where a line has no room
DEFAULTS = {"heads": 1, "projection": "value", "scale": "sqrt"}  # that need no naming
Look = Callable[[Standing, dict[str, Span]], Text]  # a cell of a row, whose texts by name are at hand
Words = Callable[[Standing, dict[str, Span]], Span]


def screen_of(record: Record) -> Page:
    """The record for a terminal; with `-v` in a narrow one two lines a row. Of many cells it has the first ones."""
    shown = [sorted(cell, key=_rank) for _, cell in islice(each_standing(record), MOST_TABLES)]
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


def _rank(standing: Standing) -> tuple[float, float, float]:
    """Fastest first; what has no time by its MACs, then by its memory."""
    analytic, weight = standing.row.analytic, peak_bytes(standing.row)
    return (seconds_of(standing), analytic.macs if analytic else math.inf, math.inf if weight is None else weight)


def _verdict(record: Record, cell: Sequence[Standing]) -> list[Text]:
    """Its first sentence aloud."""
    first, *others = verdict_of(record, cell) or [""]
    said = " ".join(others)
    return [Cell(lines=((Span(first, style=Style.EMPHASIS), f" {said}" if said else ""),))] if first else []


def heading_of(record: Record, row: Row) -> str:
    """What a cell of the grid is; options that are as by default go without saying."""
    case, environment = row.case, record.environment
    threads = f" {counted(environment.threads, 'thread')}" if environment and case.device == "cpu" else ""
    manner = [case.dtype, case.mode, *([f"{case.device}{threads}"] if case.device else [])]
    manner += [
        f"{value} heads" if name == "heads" else f"{name} {value}"
        for name in DEFAULTS
        if (value := getattr(case, name)) != DEFAULTS[name]
    ]
    return f"Attention on {case.dims} ({' '.join(('b', 'c', *case.dims.axes))}): {', '.join(manner)}"


def _details(record: Record, cell: list[Standing]) -> tuple[Notes, ...]:
    """What stands below a cell's verdict for who asks for it."""
    reasons = (f"  {standing.row.case.name}: {standing.row.detail}" for standing in cell if standing.row.detail)
    said = (ratios_of(record, cell), *bindings_of(record, cell), *limits_of(rows_of(cell)))
    return notes_of(f"{title_of(record, cell[0].row)}.", *reasons, *said, detail=True)


def _table(record: Record, cell: list[Standing]) -> Table:
    """A line per row under those columns of which anything is known."""
    columns = _columns(record, cell)
    cells = [(standing, cells_of(standing)) for standing in cell]
    rows = [tuple(look(standing, texts) for _, look in columns) for standing, texts in cells]
    kept = [
        place for place, (column, _) in enumerate(columns)
        if not column.optional or any({words_of(row[place])} - {"", UNKNOWN} or _value(row[place]) for row in rows)
    ]  # fmt: skip
    kept = [place for place in kept if columns[place][0].header or any(map(_shown, (row[place] for row in rows)))]
    shown = [tuple(row[place] for place in kept) for row in rows]
    twins = record.protocol is None and not any(row.row.counted for row in cell)
    return Table(
        title=heading_of(record, cell[0].row),
        columns=tuple(columns[place][0] for place in kept),
        rows=without_twins(shown, [standing.row for standing in cell]) if twins else tuple(shown),
    )


def _shown(text: Text) -> bool:
    return bool(words_of(text)) or bool(_value(text))


def _value(text: Text) -> float:
    return text.value or 0.0 if isinstance(text, Cell) and isinstance(text.value, float) else 0.0


def _columns(record: Record, cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    if record.protocol is not None:
        return _measured_columns(record, cell)
    counted_too = any(standing.row.counted for standing in cell)
    return _closed_columns(cell) if not counted_too else _counted_columns(cell)


def _measured_columns(record: Record, cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    against = f"vs {record.baseline}" if len(record.baseline) <= LONGEST_BASELINE else "speedup"
    return [
        *_names(),
        (Column("order", optional=ORDER), _text("order")),
        *_macs(cell),
        (Column("map", optional=MAP), _text("map")),
        (Column("predicted", optional=PREDICTED), _text("predicted")),
        (Column("memory"), _best(cell, _weight, _text("weight"))),
        (Column("time"), _best(cell, _seconds, _time)),
        (Column("(95 %)"), lambda standing, _: Span(interval_text(standing.latency), Tone.QUIET)),
        (Column("x floor", optional=FLOOR), _text("x floor")),
        (Column("bound", words=True, optional=BOUND), _text("bound")),
        (Column("MACs\nratio", optional=RATIO), _text("macs ratio")),
        (Column("memory\nratio", optional=RATIO), _text("memory ratio")),
        (Column(against), _best(cell, _slowness, lambda standing, _: Span(times_text(standing.speedup)))),
        (Column("(95 %)", optional=INTERVAL), _text("speedup interval")),
        (Column("", bar=True, optional=BAR), _bar_in(cell)),
    ]


def _counted_columns(cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    """Of what was counted, and never ran."""
    return [
        *_names(),
        (Column("order"), _text("order")),
        *_macs(cell),
        (Column("memory"), _best(cell, _weight, _text("weight"))),
        (Column("map", optional=MAP), _text("map")),
        (Column("weights"), _text("weights")),
        (Column("MACs ratio"), _text("macs ratio")),
        (Column("memory\nratio", optional=RATIO), _text("memory ratio")),
    ]


def _closed_columns(cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    """Of closed forms alone."""
    return [
        (Column("operator", words=True, name=True), lambda standing, _: standing.row.case.name),
        (Column("order"), _text("order")),
        *_macs(cell),
        (Column("map order"), _text("map order")),
        (Column("map"), _text("map")),
        (Column("weights"), _text("weights")),
        (Column("MACs ratio"), _text("macs ratio")),
    ]


def _names() -> list[tuple[Column, Look]]:
    return [
        (Column("operator", words=True, name=True), _text("operator")),
        (Column("via", words=True, name=True), lambda standing, _: Span(standing.row.case.implementation, Tone.QUIET)),
    ]


def _macs(cell: Sequence[Standing]) -> list[tuple[Column, Look]]:
    """Beside the figure a mark, where counts disagree or are not all there is."""
    return [
        (Column("MACs"), _best(cell, _products, lambda standing, _: _short_macs(standing.row))),
        (Column(""), lambda _, texts: _mark(texts["agreement"])),
    ]


def _mark(agreement: Span) -> Span:
    """Only what must not be overlooked is marked."""
    return Span("") if agreement.text == "=" else replace(agreement, tone=Tone.WARN)


def _short_macs(row: Row) -> Span:
    return Span(format_short_count(row.analytic.macs) if row.analytic else UNKNOWN)


def _text(name: str) -> Words:
    return lambda _, texts: replace(texts[name], tone=None if texts[name].tone == Tone.GOOD else texts[name].tone)


def _time(standing: Standing, texts: dict[str, Span]) -> Span:
    seconds = standing.latency
    return texts["latency"] if seconds is None else Span(seconds_text(seconds))


def _best(cell: Sequence[Standing], figure: Callable[[Standing], float | None], look: Words) -> Look:
    """The cell's text, good where its figure is the smallest of several."""
    figures = [value for standing in cell if (value := figure(standing)) is not None]
    least = min(figures) if len(figures) > 1 else None

    def written(standing: Standing, texts: dict[str, Span]) -> Text:
        text = look(standing, texts)
        return replace(text, tone=Tone.GOOD) if least is not None and figure(standing) == least else text

    return written


def _products(standing: Standing) -> float | None:
    return standing.row.analytic.macs if standing.row.analytic else None


def _weight(standing: Standing) -> float | None:
    return peak_bytes(standing.row)


def _seconds(standing: Standing) -> float | None:
    seconds = standing.latency
    return seconds.value if seconds else None


def _slowness(standing: Standing) -> float | None:
    speedup = standing.speedup
    return None if speedup is None or is_too_noisy(speedup) else 1 / speedup.value


def _bar_in(cell: Sequence[Standing]) -> Look:
    """The speedup's logarithm, of the largest one's."""
    slowness = [value for standing in cell if (value := _slowness(standing))]
    most = -math.log(min(slowness)) if slowness else 0.0

    def bar(standing: Standing, _: dict[str, Span]) -> Text:
        value = _slowness(standing)
        share = max(-math.log(value), 0.0) / most if value and most > 0 else 0.0
        return Cell(lines=(("",),), value=share)

    return bar


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

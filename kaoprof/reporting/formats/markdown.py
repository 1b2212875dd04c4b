"""Markdown: one table per grid cell, for a README or a pull request."""

from collections.abc import Iterable

from kaoprof.findings.operators import standings, warnings_of
from kaoprof.records.compare import Record
from kaoprof.reporting.formats.plain import visible
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

HEADERS = ("operator", "order", "MACs", "map", "peak predicted", "peak measured", "latency", "95 % interval",
           "x floor", "bound", "error", "MACs ratio", "memory ratio", "speedup", "95 % interval")  # fmt: skip
NOTHING = (UNKNOWN, "")
SPECIAL = "\\`*_{}[]<>#|$&~"


def escape(text: str) -> str:
    """`text` with everything that Markdown or HTML would interpret made literal."""
    return "".join(f"\\{sign}" if sign in SPECIAL else sign for sign in visible(text))


def to_markdown(record: Record) -> str:
    """The record as Markdown."""
    lines: list[str] = []
    for cell in standings(record).values():
        lines += [f"**{escape(title_of(record, cell[0].row))}**", ""]
        filled = [_texts(cells_of(standing)) for standing in cell]
        shown = [column for column in range(len(HEADERS)) if any(texts[column] not in NOTHING for texts in filled)]
        lines += [table_line(HEADERS[column] for column in shown), table_line(["---", *["---:"] * (len(shown) - 1)])]
        lines += [table_line(escape(texts[column]) for column in shown) for texts in filled]
        notes = [f"{standing.row.case.name}: {standing.row.detail}" for standing in cell if standing.row.detail]
        notes += filter(None, (ratios_of(record, cell), meaning_of(record, cell), *limits_of(rows_of(cell))))
        lines += ["", *(f"- {escape(note)}" for note in notes), ""]
    conventions = [f"{CONVENTION} {MAP_MEANING}", AGREE] if record.protocol else [f"{PAPER_CONVENTION} {MAP_MEANING}"]
    floors = filter(None, [ceilings_sentence(record)])
    warnings = (f"Warning: {warning}." for warning in warnings_of(record))
    lines += [escape(sentence) for sentence in (*conventions, *floors, *protocol_of(record), *warnings)]
    return "\n".join(lines) + "\n"


def _texts(cells: Cells) -> tuple[str, ...]:
    """A row's texts under `HEADERS`."""
    return (
        f"{cells.operator}:{cells.implementation}", cells.order_time, f"{cells.macs} {cells.agreement}".strip(),
        cells.map, cells.predicted, cells.peak, cells.latency, cells.interval, cells.times_floor, cells.bound,
        cells.error, cells.macs_ratio, cells.memory_ratio, cells.speedup, cells.speedup_interval,
    )  # fmt: skip


def table_line(texts: Iterable[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(texts)} |"

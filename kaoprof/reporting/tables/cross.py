"""What a crossing says: who of two operators is cheaper where."""

from msgspec.structs import replace

from kaoprof import units
from kaoprof.records.fit import CrossRecord, CrossRow, TimedRatio
from kaoprof.reporting.document import UNKNOWN, Column, Heading, Medium, Page, Table, notes_of
from kaoprof.reporting.sentences.fit import conditions_of, tied
from kaoprof.reporting.tables.fit import QUANTITIES, TONES, where

EXACT = (
    "MACs and memory: exact, and certain for all sizes. Memory: the predicted peak above input and parameters. "
    "1 MAC = 2 FLOPs."
)
NAMES = {"b": "batch", "c": "channels"}
RACED = "Time: each by its fastest implementation; how many times as fast, from paired rounds, 95 %."


def page_of(record: CrossRecord, medium: Medium = Medium.TEXT) -> Page:
    """Who is cheaper from where on, and each stretch of sizes; on a terminal the answer first."""
    axis = record.conditions.axis
    verdicts = [sentence for row in record.rows for sentence in _verdict(row, axis)]
    reasons = [f"{QUANTITIES[row.quantity]}: {row.detail}." for row in record.rows if row.detail]
    said = (*verdicts, *reasons, *tied(record.conditions))
    title = f"From which {NAMES.get(axis, axis)} on is which cheaper: {conditions_of(record.conditions)}"
    table = _stretches(record)
    if medium == Medium.SCREEN:
        return Page(blocks=(Heading(title), *notes_of(*said), table))
    return Page(blocks=(replace(table, title=title, notes=(*said, *table.notes)),))


def _stretches(record: CrossRecord) -> Table:
    axis = record.conditions.axis
    measured = any(row.quantity == "time" for row in record.rows)
    return Table(
        columns=(
            Column("quantity", words=True), Column("between", words=True, optional=1), Column(axis),
            Column("cheaper", words=True),
        ),
        rows=tuple(cells for row in record.rows for cells in _cross_cells(row)), tones=TONES,
        notes=tuple(where(record.environment)), details=(EXACT, *((RACED,) if measured else ())),
    )  # fmt: skip


def _cross_cells(row: CrossRow) -> list[tuple[str, str, str, str]]:
    pair = f"{row.first}, {row.second}"
    quantity = QUANTITIES[row.quantity]
    cells = [
        (quantity, f"{ratio.first}, {ratio.second}", str(ratio.size), _faster(row, ratio)) for ratio in row.ratios
    ] or [
        (quantity, pair, _stretch(part.start, part.end), part.cheaper or "both the same") for part in row.stretches
    ]  # fmt: skip
    return cells or [(quantity, pair, UNKNOWN, row.status)]


def _stretch(start: int, end: int | None) -> str:
    if end is None:
        return f"from {start} on"
    return str(start) if start == end else f"{start}-{end}"


def _faster(row: CrossRow, ratio: TimedRatio) -> str:
    """Who is how much faster at one size."""
    name = row.second if ratio.ratio >= 1 else row.first
    if ratio.low is None or ratio.high is None:
        return f"{name}: {units.format_ratio(max(ratio.ratio, 1 / ratio.ratio))}, no interval"
    if ratio.low <= 1 <= ratio.high:
        return f"not told apart ({units.format_ratio(ratio.low)}-{units.format_ratio(ratio.high)})"
    ends = (ratio.low, ratio.high) if ratio.ratio >= 1 else (1 / ratio.high, 1 / ratio.low)
    interval = "-".join(map(units.format_ratio, ends))
    return f"{name}: {units.format_ratio(max(ratio.ratio, 1 / ratio.ratio))} ({interval})"


def _verdict(row: CrossRow, axis: str) -> list[str]:
    if row.status != "ok":
        return []
    quantity = QUANTITIES[row.quantity]
    if row.cheaper is None:
        return [f"{quantity}: {row.first} and {row.second} cost the same from {axis}={row.since} on."]
    if row.quantity != "time":
        return [f"{quantity}: {row.cheaper} is cheaper from {axis}={row.since} on, at all larger sizes."]
    other = row.first if row.cheaper == row.second else row.second
    first, last = row.ratios[0].size, row.ratios[-1].size
    if row.low is None and row.high == first:
        return [f"time: {row.cheaper} is faster than {other} at all sizes measured, {axis}={first} to {last}."]
    if row.low is None:
        since = f"certainly faster from {axis}={row.high} to {last}"
        return [f"time: {row.cheaper} is {since}, and was at no smaller size certainly slower."]
    certainly = f"certainly from {row.high} on, while up to {row.low} {other} certainly is"
    return [f"time: {row.cheaper} is faster from about {axis}={row.since} on: {certainly}."]

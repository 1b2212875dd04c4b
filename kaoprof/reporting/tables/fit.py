"""What a `fit` says: the largest sizes, or who is cheaper where."""

from kaoprof import units
from kaoprof.records.fit import Conditions, CrossRecord, CrossRow, FitRecord, FitRow, TimedRatio
from kaoprof.records.measured import Environment
from kaoprof.reporting.document import UNKNOWN, Medium, Page, Table, Tone, columns_of

WITHIN = {"memory": "memory within", "macs": "MACs within", "time": "time per call within"}
AXES = {"b": "batch", "c": "channels"}
EXACT = (
    "MACs and memory: exact, and certain for all sizes. Memory: the predicted peak above input and parameters. "
    "1 MAC = 2 FLOPs."
)
RACED = "Time: each by its fastest implementation; how many times as fast, from paired rounds, 95 %."
BASES = {
    "memory": "Memory: input, parameters, and the predicted peak above them; predicted at both sizes by dry runs.",
    "macs": "MACs of the whole batch, by the closed form; 1 MAC = 2 FLOPs.",
    "time": (
        "Time: a power law through quiet times of measured calls, used at most 2x beyond them; interval: 95 %, of where it "
        "crosses the limit."
    ),
}


UNANSWERED = ("error", "refused")
TONES = {"none": Tone.BAD, "refused": Tone.BAD, "error": Tone.BAD}


def page_of(record: FitRecord | CrossRecord, _medium: Medium = Medium.TEXT) -> Page:
    """The record as a page, the same in all media."""
    return Page(blocks=(fit_table(record) if isinstance(record, FitRecord) else cross_table(record),))


def fit_table(record: FitRecord) -> Table:
    """The largest size of each operator, what it needs, and what the next size would need."""
    axis, conditions = record.conditions.axis, record.conditions
    timed = record.budget == "time"
    needs = {"memory": "needs", "macs": "MACs", "time": "takes"}[record.budget]
    headers = ("operator", f"largest {axis}", *(("95 %",) if timed else ()), needs, f"next {axis}", needs)
    rows = tuple(_fit_cells(row, record) for row in record.rows)
    reasons = [f"{row.name}: {row.detail}." for row in record.rows if row.detail]
    notes = (*reasons, *_reaches(record), *tied(conditions), BASES[record.budget], *where(record.environment))
    amount = value_of(record.amount, record.budget)
    title = f"largest {AXES.get(axis, axis)} with {WITHIN[record.budget]} {amount}; {conditions_of(conditions)}"
    return Table(title=title, columns=columns_of(headers), rows=rows, notes=notes, tones=TONES)


def value_of(value: float | None, budget: str) -> str:
    """Bytes, MACs or seconds in a readable unit."""
    if value is None:
        return UNKNOWN
    if budget == "time":
        return units.format_seconds(value)
    return units.format_bytes(int(value)) if budget == "memory" else units.format_count(int(value))


def closely(value: float | None, record: FitRecord) -> str:
    """A need in the budget's unit, with enough digits to see on which side of it that is."""
    if value is None or record.budget == "time":
        return value_of(value, record.budget)
    prefixes = units.BINARY_PREFIXES if record.budget == "memory" else units.COUNT_PREFIXES
    return units.format_beside(int(value), record.amount, prefixes)


def _fit_cells(row: FitRow, record: FitRecord) -> tuple[str, ...]:
    largest = {"nothing": "none", "refused": "refused", "error": "error"}.get(row.status, str(row.largest))
    interval = f"{row.low}-{row.high}" if row.low is not None else UNKNOWN
    following = UNKNOWN if row.next_size is None else str(row.next_size)
    intervals = (interval,) if record.budget == "time" else ()
    return (row.name, largest, *intervals, closely(row.needed, record), following, closely(row.next_needed, record))


def _reaches(record: FitRecord) -> list[str]:
    """How much further the furthest operator reaches than the others."""
    fitting = [row for row in record.rows if row.largest is not None and row.status == "ok"]
    best = max(fitting, key=lambda row: row.largest or 0, default=None)
    others = [row for row in fitting if best and row.operator != best.operator]
    if best is None or best.largest is None or not others:
        return []
    rival = max(others, key=lambda row: row.largest or 0)
    least = min(others, key=lambda row: row.largest or 0)
    axis = record.conditions.axis
    compared = [
        f"{units.format_ratio(best.largest / (row.largest or 1))} the {axis} of {row.name}"
        for row in ((rival,) if least is rival else (rival, least))
    ]
    return [f"{best.name} reaches {axis}={best.largest}: {' and '.join(compared)}."]


def conditions_of(conditions: Conditions) -> str:
    """Everything that stays."""
    sizes = " ".join(f"{name}={size}" for name, size in conditions.sizes.items() if name != conditions.axis)
    threads = f" ({units.counted(conditions.threads, 'thread')})" if conditions.threads else ""
    device = f", {conditions.device}{threads}" if conditions.device else ""
    return (
        f"{sizes}, {conditions.dtype}, {conditions.mode}{device}, heads {conditions.heads}, "
        f"projection {conditions.projection}, scale {conditions.scale}"
    )


def tied(conditions: Conditions) -> list[str]:
    """That the image is square, where only its height is named."""
    names = {*conditions.sizes, conditions.axis}
    return ["w = h."] if "h" in names and "w" not in names else []


def where(environment: Environment | None) -> list[str]:
    """On which machine it was measured."""
    return [f"Measured on {environment}."] if environment else []


def cross_table(record: CrossRecord) -> Table:
    """Who is cheaper where, for each quantity."""
    axis = record.conditions.axis
    rows = tuple(cells for row in record.rows for cells in _cross_cells(row))
    measured = any(row.quantity == "time" for row in record.rows)
    reasons = [f"{row.quantity}: {row.detail}." for row in record.rows if row.detail]
    notes = (
        *(sentence for row in record.rows for sentence in _verdict(row, axis)), *reasons, *tied(record.conditions),
        EXACT,
        *((RACED,) if measured else ()),
        *where(record.environment),
    )  # fmt: skip
    headers = ("quantity", "between", axis, "cheaper")
    return Table(
        title=f"from which {AXES.get(axis, axis)} on is which cheaper; {conditions_of(record.conditions)}",
        columns=columns_of(headers, words=2), rows=rows, notes=notes, tones=TONES,
    )  # fmt: skip


QUANTITIES = {"macs": "MACs", "memory": "memory", "time": "time"}


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


def warnings_of(record: FitRecord | CrossRecord) -> list[str]:
    """What a careful reader must know."""
    warnings = []
    for row in record.rows:
        name = row.name if isinstance(row, FitRow) else f"{QUANTITIES[row.quantity]} of {row.first} and {row.second}"
        warnings += [f"no answer for {name}: {row.detail}"] if row.status in UNANSWERED else []
    return warnings


def sound(record: FitRecord | CrossRecord) -> bool:
    """Whether every question has an answer; that nothing fits is one."""
    return all(row.status not in UNANSWERED for row in record.rows)

"""The texts of one row of operators, which every table of such rows shares."""

from collections import Counter
from collections.abc import Sequence

from kaoprof.findings.operators import Standing, peak_bytes
from kaoprof.records.compare import Record, Row
from kaoprof.records.measured import EAGER
from kaoprof.reporting.document import UNKNOWN, Span, Text, Tone
from kaoprof.reporting.sentences.limits import range_of
from kaoprof.stats.medians import Estimate
from kaoprof.units import (
    counted,
    format_bytes,
    format_count,
    format_interval,
    format_ratio,
    format_seconds,
)

WITHOUT_LATENCY = ("skipped", "oom", "timeout", "unsupported", "error")
PREDICTED = "*"  # behind a figure that was not measured


def cells_of(standing: Standing) -> dict[str, Span]:
    """The texts of one row by what they say, each in its tone; for `agreement` see `agreement_mark`."""
    row, analytic, counted = standing.row, standing.row.analytic, standing.row.counted
    latency, speedup, deviation, limits = standing.latency, standing.speedup, row.deviation, standing.limits
    mark, macs = agreement(standing), format_count(analytic.macs) if analytic else UNKNOWN
    weight, times_floor = peak_bytes(row), limits.times_floor if limits else None
    derived = ", derived" if analytic and analytic.form else ""
    star = "" if row.peak_bytes_measured is not None else PREDICTED
    time = format_seconds(latency.value) if latency else (UNKNOWN if row.status == "ok" else row.status)
    texts = {
        "name": row.case.name,
        "operator": row.case.operator,
        "order": analytic.order_time if analytic else UNKNOWN,
        "map order": analytic.order_memory if analytic and analytic.map_bytes is not None else UNKNOWN,
        "macs": macs,
        "marked macs": f"{macs} {mark}".strip(),
        "map": format_bytes(analytic.map_bytes) if analytic and analytic.map_bytes is not None else UNKNOWN,
        "weights": format_count(analytic.params) if analytic else UNKNOWN,
        "peak": UNKNOWN if row.peak_bytes_measured is None else format_bytes(row.peak_bytes_measured),
        "predicted": format_bytes(counted.peak_bytes_predicted) if counted else UNKNOWN,
        "weight": UNKNOWN if weight is None else f"{format_bytes(weight)}{star}",
        "x floor": UNKNOWN if times_floor is None else format_ratio(times_floor),
        "bound": limits.demand.limit if limits and limits.demand and latency else "",
        "error": f"{deviation.largest:.0e}" if deviation and deviation.largest is not None else UNKNOWN,
    }
    return {name: Span(text) for name, text in texts.items()} | {
        "implementation": Span(f"  {row.case.implementation}{derived}", Tone.QUIET),
        "agreement": Span(mark, Tone.BAD if mark == "!" else Tone.GOOD),
        "latency": Span(time, Tone.BAD if time in WITHOUT_LATENCY else None),
        "interval": Span(format_interval(*latency.interval) if latency and latency.interval else "", Tone.QUIET),
        "macs ratio": _ratio(standing.macs_ratio, standing.macs_ratio),
        "memory ratio": _ratio(standing.memory_ratio, standing.memory_ratio),
        "speedup": _ratio(speedup.value if speedup else None, speedup.low if speedup else None),
        "speedup interval": Span(range_of(speedup), Tone.QUIET),
        "quoted speedup": Span(UNKNOWN if speedup is None or tells_nothing(speedup) else format_ratio(speedup.value)),
    }


def _ratio(value: float | None, surely: float | None) -> Span:
    """A ratio, good where it is surely above 1."""
    good = value is not None and surely is not None and surely > 1
    return Span(UNKNOWN if value is None else format_ratio(value), Tone.GOOD if good else None)


def tells_nothing(speedup: Estimate | None) -> bool:
    """Whether not even the first digit of a speedup holds, nor on which side of 1 it is: nobody should quote it."""
    if speedup is None or speedup.interval is None:
        return False
    low, high = speedup.interval
    return low < 1 < high and high - low > speedup.value


def agreement(standing: Standing) -> str:
    """Whether what counts the MACs agrees: see `agreement_mark`."""
    row = standing.row
    if row.analytic is None or row.counted is None:
        return ""
    figures = (row.analytic.macs, row.counted.macs, row.counted.macs_fvcore)
    return agreement_mark(figures, disagree=bool(standing.disagreements), incomplete=bool(row.counted.uncounted))


def agreement_mark(figures: tuple[int | None, ...], *, disagree: bool, incomplete: bool) -> str:
    """`!` where figures differ, `>` where some operations have no rule, `=` where two or more figures are equal."""
    if disagree:
        return "!"
    if incomplete:
        return ">"
    return "=" if sum(figure is not None for figure in figures) > 1 else ""


def without_twins(cells: Sequence[tuple[Text, ...]], rows: Sequence[Row]) -> tuple[tuple[Text, ...], ...]:
    """One row of closed forms for those implementations that cost the same.

    Args:
        cells: of each row, its name first.
        rows: what they tell of.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, (texts, row) in enumerate(zip(cells, rows, strict=True)):
        groups.setdefault((row.case.operator, row.case.variant, *texts[1:]), []).append(number)
    split = Counter(key[:2] for key in groups)
    return tuple(
        (cells[first][0] if split[key[:2]] > 1 or rows[first].variant != EAGER else rows[first].case.operator,
         *cells[first][1:])
        for key, (first, *_) in groups.items()
    )  # fmt: skip


def title_of(record: Record, row: Row) -> str:
    """What a cell of the grid is: sizes, dtype, mode, device, options."""
    case = row.case
    axes = " ".join(("b", "c", *case.dims.axes))
    where = f", {case.device}" if case.device else ""
    threads = (
        f" ({counted(record.environment.threads, 'thread')})" if record.environment and case.device == "cpu" else ""
    )
    return (
        f"input {case.dims} ({axes}), {case.dtype}, {case.mode}{where}{threads}, heads {case.heads}, "
        f"projection {case.projection}, scale {case.scale}"
    )

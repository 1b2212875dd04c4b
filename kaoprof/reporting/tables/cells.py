"""The texts of one row of operators, which every table of such rows shares."""

import msgspec

from kaoprof.findings.operators import Standing
from kaoprof.records.compare import Record, Row
from kaoprof.reporting.document import UNKNOWN
from kaoprof.units import (
    counted,
    format_bytes,
    format_count,
    format_interval,
    format_ratio,
    format_seconds,
    three_digits,
)

PREDICTED = "*"  # behind a figure that was not measured


class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """One row as text. For `agreement` see `agreement_mark`."""

    operator: str
    implementation: str
    order_time: str
    order_memory: str
    macs: str
    agreement: str
    map: str
    params: str
    peak: str
    predicted: str
    latency: str
    interval: str
    macs_ratio: str
    memory_ratio: str
    speedup: str
    speedup_interval: str
    times_floor: str
    bound: str
    error: str


def cells_of(standing: Standing) -> Cells:
    """The texts of one row."""
    row = standing.row
    latency, speedup = standing.latency, standing.speedup
    return Cells(
        operator=row.case.operator,
        implementation=row.case.implementation,
        order_time=row.analytic.order_time if row.analytic else UNKNOWN,
        order_memory=row.analytic.order_memory if row.analytic else UNKNOWN,
        macs=format_count(row.analytic.macs) if row.analytic else UNKNOWN,
        agreement=agreement(standing),
        map=format_bytes(row.analytic.map_bytes) if row.analytic else UNKNOWN,
        params=format_count(row.analytic.params) if row.analytic else UNKNOWN,
        peak=UNKNOWN if row.peak_bytes_measured is None else format_bytes(row.peak_bytes_measured),
        predicted=format_bytes(row.counted.peak_bytes_predicted) if row.counted else UNKNOWN,
        latency=format_seconds(latency.median) if latency else (UNKNOWN if row.status == "ok" else row.status),
        interval=format_interval(latency.low, latency.high)
        if latency and latency.low is not None and latency.high is not None
        else "",
        macs_ratio=UNKNOWN if standing.macs_ratio is None else format_ratio(standing.macs_ratio),
        memory_ratio=UNKNOWN if standing.memory_ratio is None else format_ratio(standing.memory_ratio),
        speedup=UNKNOWN if speedup is None else format_ratio(speedup.median),
        speedup_interval=f"{three_digits(speedup.low)}-{three_digits(speedup.high)}"
        if speedup and speedup.low is not None and speedup.high is not None
        else "",
        times_floor=UNKNOWN if standing.times_floor is None else format_ratio(standing.times_floor),
        bound=standing.demand.limit if standing.demand and standing.latency else "",
        error=f"{row.deviation.largest:.0e}" if row.deviation and row.deviation.largest is not None else UNKNOWN,
    )


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

"""What stands under a table, in words: the convention, the protocol, what the numbers mean."""

from collections.abc import Iterable, Sequence

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.dims import axes_in
from kaoprof.findings.operators import Baseline, Standing, find_baseline
from kaoprof.records.compare import Record, Row
from kaoprof.records.measured import Observed, Protocol
from kaoprof.records.own import OwnForm, OwnModule
from kaoprof.records.profile import ProfileRecord
from kaoprof.records.swept_models import SweptModels
from kaoprof.reporting.sentences.limits import bound_of, range_of
from kaoprof.stats.medians import Estimate
from kaoprof.units import counted, format_bytes, format_percent, format_ratio, format_seconds

ARITHMETIC_BOUND = 0.5  # of the time: from here on the arithmetic explains the latency
UNSURE = 2.0  # an interval whose ends differ by more than this factor is no answer
FEWEST_FOR_INTERVAL = 6  # samples that a 95 % interval of the median takes
CONVENTION = (
    "1 MAC = 2 FLOPs. MACs: contractions of one sample; bytes and seconds: the whole batch. "
    "Peak: allocated during the call, output included, input and parameters not."
)
HOW = {"derivation": "derived from", "interpolation": "interpolated from counts of"}  # a closed form comes about
PAPER_CONVENTION = "1 MAC = 2 FLOPs. MACs: contractions of one sample; bytes: the whole batch."  # nothing was run
MAP_MEANING = "Map: all coefficients, which fused kernels never hold at once."  # only where there is such a column
AGREE = (
    "'=': closed form and torch's dispatcher count the same MACs and FLOPs, and fvcore so many MACs where it can (it "
    "was taught what fused attention costs). '!': they do not. '>': some operations have no rule, so it is more."
)


def forced_of(protocol: Protocol) -> tuple[str, ...]:
    """Which backend fused attention had to take, if it was not free to choose."""
    return () if protocol.sdpa in (None, "auto") else (f"fused attention forced to {protocol.sdpa}",)


def protocol_of(record: Record | ProfileRecord | SweptModels) -> list[str]:
    """How it was measured, and where: two sentences, or none if nothing was."""
    protocol, environment = record.protocol, record.environment
    if protocol is None or environment is None:
        return []
    measured = measured_in(record)
    samples = [len(row.latency.samples_s) for row in measured if row.latency]
    flushed = ", denormals flushed" if environment.denormals_flushed else ""
    flushed += {"cold": ", caches emptied before every call", "warm": ", caches warm"}.get(protocol.cache or "", "")
    flushed += "".join(f", {forced}" for forced in forced_of(protocol))
    fewest, most = min(samples, default=0), max(samples, default=0)
    taken = f"{fewest}-{most}" if fewest < most else f"{most}"
    interval = "95 % interval" if most >= FEWEST_FOR_INTERVAL else "too few for an interval"
    how = (
        f"Latency: median of {taken} samples, rounds interleaved in random order after warm-up, in "
        f"{_processes_of(measured)}, {interval}; "
        f"speedups from paired rounds{flushed}; measured in {format_seconds(protocol.spent_s)}."
    )
    if isinstance(record, SweptModels):  # nothing was measured beside a model
        how = (
            f"Latency: median of {taken} samples after warm-up, each model by itself, in {_processes_of(measured)}, "
            f"{interval}{flushed}; measured in {format_seconds(protocol.spent_s)}."
        )
    if protocol.in_process:
        how = (
            f"Latency: median of {taken} samples after warm-up, {interval}, in the caller's own process as it was"
            f"{flushed}; measured in {format_seconds(protocol.spent_s)}."
        )
    where = (
        f"On {environment.device_name}, {counted(environment.cores, 'core')}, "
        f"{counted(environment.threads, 'thread')}, "
        f"{format_bytes(environment.memory_bytes)}; Python {environment.python}, torch {environment.torch}, "
        f"{' '.join((*environment.backends, *environment.settings))}."
    )
    return [how, where] if most else [where]


def measured_in(record: Record | ProfileRecord | SweptModels) -> Sequence[Observed]:
    """What a record tells of that may have run."""
    if isinstance(record, SweptModels):
        return [row.profile for row in record.rows]
    return record.rows if isinstance(record, Record) else record.models


def protocol_in_short(record: Record | ProfileRecord) -> str | None:
    """How and where it was measured, as a caption says it; None if nothing was."""
    environment = record.environment
    measured = record.rows if isinstance(record, Record) else record.models
    samples = [len(row.latency.samples_s) for row in measured if row.latency]
    if environment is None or not samples:
        return None
    taken = f"{min(samples)}-{max(samples)}" if min(samples) < max(samples) else f"{max(samples)}"
    interval = ", 95 % interval" if max(samples) >= FEWEST_FOR_INTERVAL else ""
    where = f"{environment.device_name}, {counted(environment.threads, 'thread')}, torch {environment.torch}"
    return f"Latency: median of {taken} samples{interval}; {where}."


def own_forms_of(rows: Iterable[Row]) -> list[str]:
    """Of each of somebody's modules its closed form, and where that comes from."""
    known = {row.case.operator: row for row in rows if row.analytic and row.analytic.form}
    return [own_form(row, row.case.own, row.analytic.form) for row in known.values()
            if row.case.own and row.analytic and row.analytic.form]  # fmt: skip


def own_form(row: Row, own: OwnModule, form: OwnForm) -> str:
    """Such as "TenLines: 2 c h w (2 c + h w) MACs, derived from mine:TenLines, which takes (b, h w, c)."."""
    axes = ", ".join(axes_in(own.layout or "map", row.case.dims.axes)).replace("*", " ")
    return (
        f"{own.name}: {form.shown or 0} MACs, {HOW.get(form.method, form.method)} {own.written}, which takes ({axes})."
    )


def _processes_of(measured: Sequence[Observed]) -> str:
    """In how many processes the samples were taken; where that differs, the fewest and the most."""
    numbers = [len(set(row.latency.launches)) or 1 for row in measured if row.latency]
    fewest, most = min(numbers, default=1), max(numbers, default=1)
    return f"{fewest}-{most} processes" if fewest < most else f"{most} processes" if most > 1 else "one process"


def ratios_of(record: Record, standings: list[Standing]) -> str | None:
    """Which rows the ratios of a cell refer to."""
    baseline = find_baseline([standing.row for standing in standings], record.baseline)
    if baseline.macs is None:
        return None
    fastest, leanest = (row and row.case.name for row in (baseline.fastest, baseline.leanest))
    parts = [f"time and memory against {fastest}"] if fastest and fastest == leanest else []
    parts += [f"time against {fastest}"] if fastest and fastest != leanest else []
    predicted = " as predicted" if baseline.leanest and baseline.leanest.peak_bytes_measured is None else ""
    parts += [f"memory against {leanest}{predicted}"] if leanest and fastest != leanest else []
    best = f" ({', '.join(parts)}: its best here)" if parts else ""
    return f"Ratios: baseline over row, baseline {record.baseline}{best}; above 1 the row is better."


def meaning_of(record: Record, standings: list[Standing]) -> str | None:
    """What a cell says in a sentence or two: the rival that surely gains most, by how much, and what limits it."""
    baseline = find_baseline([standing.row for standing in standings], record.baseline)
    rivals = [standing for standing in standings if standing.row.case.operator != record.baseline]
    same = [standing for standing in rivals if _same_work(standing.row, baseline)]
    if rivals and len(same) == len(rivals):
        return f"With one spatial axis these are the same operator as {record.baseline}: differences in time are noise."
    timed = [standing for standing in rivals if standing.speedup and standing not in same]
    if timed:
        best = max(timed, key=_sure_speedup)
        gain = [_gain(record, best, best.speedup, baseline)] if best.speedup else []
        return " ".join([*gain, *_limits(record, best, standings)])
    counted = [standing for standing in rivals if standing.macs_ratio]
    if not counted:
        return None
    best = max(counted, key=lambda standing: standing.macs_ratio or 0.0)
    macs = f"{best.row.case.operator} does {_times(best.macs_ratio, 'fewer', 'more')} MACs than {record.baseline}"
    return f"{macs} and needs {_times(best.memory_ratio, 'less', 'more')} memory." if best.memory_ratio else f"{macs}."


def _same_work(row: Row, baseline: Baseline) -> bool:
    """Whether a row computes what the baseline computes: both Kronecker operators do, on one spatial axis."""
    return len(row.case.spatial) == 1 and row.analytic is not None and row.analytic.macs == baseline.macs


def _sure_speedup(standing: Standing) -> float:
    """The lower end of the interval, so that luck does not choose the row; else the median."""
    speed = standing.speedup
    return 0.0 if speed is None else min(speed.interval or (speed.median,))


def _gain(record: Record, best: Standing, speed: Estimate, baseline: Baseline) -> str:
    against = baseline.fastest.case.name if baseline.fastest else record.baseline
    memory = f", needs {_times(best.memory_ratio, 'less', 'more')} memory" if best.memory_ratio else ""
    macs = f"{best.row.case.name} does {_times(best.macs_ratio, 'fewer', 'more')} MACs than {record.baseline}{memory}"
    if best.macs_ratio is None:  # it does none, or nobody knows
        macs = f"{best.row.case.name}{memory.removeprefix(',') or ' stands beside ' + record.baseline}"
    if speed.interval is None:
        few = f"(no interval from {speed.samples} rounds)"
        return f"{macs} and is {format_ratio(speed.median)} as fast as {against} {few}."
    (low, high), interval = speed.interval, range_of(speed)
    if high / low > UNSURE:
        return f"{macs}; how much faster it is than {against} this run cannot tell (95 %: {interval} times)."
    doubt = "" if low > 1 or high < 1 else ": not distinguishable from equal"
    return f"{macs} and is {format_ratio(speed.median)} as fast as {against} (95 %: {interval}{doubt})."


def _limits(record: Record, best: Standing, standings: list[Standing]) -> list[str]:
    """What binds the row, and what binds the baseline that it is compared with."""
    fastest = find_baseline([standing.row for standing in standings], record.baseline).fastest
    rivals = [best, *(standing for standing in standings if standing.row is fastest)]
    reasons = [(standing.row.case.name, bound_of(standing.limits)) for standing in rivals]
    sentences = [f"{name} is {reason}." for name, reason in reasons if reason]
    return sentences or list(filter(None, [_limit(record, best)]))


def _limit(record: Record, best: Standing) -> str | None:
    """How much of the row's time its products explain, at the rate that a large product reaches on this device."""
    row, latency = best.row, best.latency
    throughput = record.protocol.throughput_flops if record.protocol else None
    if not throughput or not row.analytic or not latency or not latency.interval:
        return None
    low, high = latency.interval
    share = FLOPS_PER_MAC * row.analytic.macs * row.case.b / throughput / latency.median
    if share >= ARITHMETIC_BOUND or high / low > UNSURE:
        return None
    return (
        f"At the {throughput / 1e9:.0f} GFLOP/s of a large product its MACs would take "
        f"{format_percent(share, '.1%')} of its time; the "
        "rest goes elsewhere: to memory, elementwise arithmetic and the overhead of calls."
    )


def _times(ratio: float | None, above: str, below: str) -> str:
    if ratio is None:
        return "unknown"
    if format_ratio(ratio) == format_ratio(1.0):
        return "as many" if above == "fewer" else "as much"
    return f"{format_ratio(ratio)} {above}" if ratio > 1 else f"{format_ratio(1 / ratio)} {below}"

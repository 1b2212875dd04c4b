"""What stands under a table, in words: the convention, the protocol, what the numbers mean."""

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.findings import Standing, find_baseline
from kaoprof.layer_records import ProfileRecord
from kaoprof.records import Record
from kaoprof.stats import Estimate
from kaoprof.units import format_bytes, format_ratio, format_seconds, three_digits

ARITHMETIC_BOUND = 0.5  # of the time: from here on the arithmetic explains the latency
CONVENTION = (
    "1 MAC = 2 FLOPs. MACs: contractions of one sample; bytes and seconds: the whole batch. "
    "Peak: allocated during the call, output included, input and parameters not."
)
AGREE = "'=': the closed form, torch's dispatcher and fvcore count the same MACs, and the same FLOPs of all arithmetic."


def protocol_of(record: Record | ProfileRecord) -> list[str]:
    """How it was measured, and where: two sentences, or none if nothing was."""
    protocol, environment = record.protocol, record.environment
    if protocol is None or environment is None:
        return []
    measured = record.rows if isinstance(record, Record) else record.models
    samples = [len(one.latency.samples_s) for one in measured if one.latency]
    flushed = ", denormals flushed" if environment.denormals_flushed else ""
    fewest, most = min(samples, default=0), max(samples, default=0)
    taken = f"{fewest}-{most}" if fewest < most else f"{most}"
    how = (
        f"Latency: median of {taken} samples, rounds interleaved in random order after warm-up, 95 % interval; "
        f"speedups from paired rounds{flushed}; measured in {format_seconds(protocol.spent_s)}."
    )
    where = (
        f"On {environment.device_name}, {environment.cores} cores, {environment.threads} threads, "
        f"{format_bytes(environment.memory_bytes)}; Python {environment.python}, torch {environment.torch}, "
        f"{' '.join(environment.backends)}."
    )
    return [how, where] if most else [where]


def ratios_of(record: Record, standings: list[Standing]) -> str | None:
    """Which rows the ratios of a cell refer to."""
    baseline = find_baseline([standing.row for standing in standings], record.baseline)
    if baseline.macs is None:
        return None
    fastest = baseline.fastest.case.name if baseline.fastest else None
    leanest = baseline.leanest.case.name if baseline.leanest else None
    parts = [f"time and memory against {fastest}"] if fastest and fastest == leanest else []
    parts += [f"time against {fastest}"] if fastest and fastest != leanest else []
    predicted = " as predicted" if baseline.leanest and baseline.leanest.peak_bytes_measured is None else ""
    parts += [f"memory against {leanest}{predicted}"] if leanest and fastest != leanest else []
    best = f" ({', '.join(parts)}: its best here)" if parts else ""
    return f"Ratios: baseline over row, baseline {record.baseline}{best}; above 1 the row is better."


def meaning_of(record: Record, standings: list[Standing]) -> str | None:
    """What a cell says in a sentence or two: the rival that gains most, by how much, and what limits it."""
    rivals = [standing for standing in standings if standing.row.case.operator != record.baseline]
    timed = [standing for standing in rivals if standing.speedup]
    if timed:
        best = max(timed, key=lambda standing: standing.speedup.median if standing.speedup else 0.0)
        return " ".join(filter(None, (_gain(record, best, best.speedup, standings), _limit(record, best))))
    counted = [standing for standing in rivals if standing.macs_ratio]
    if not counted:
        return None
    best = max(counted, key=lambda standing: standing.macs_ratio or 0.0)
    macs = f"{best.row.case.operator} does {_times(best.macs_ratio, 'fewer', 'more')} MACs than {record.baseline}"
    return f"{macs} and needs {_times(best.memory_ratio, 'less', 'more')} memory." if best.memory_ratio else f"{macs}."


def _gain(record: Record, best: Standing, speed: Estimate | None, standings: list[Standing]) -> str | None:
    if speed is None:
        return None
    baseline = find_baseline([standing.row for standing in standings], record.baseline)
    against = baseline.fastest.case.name if baseline.fastest else record.baseline
    memory = f", needs {_times(best.memory_ratio, 'less', 'more')} memory" if best.memory_ratio else ""
    pace = f"{format_ratio(speed.median)} as fast as {against}"
    return (
        f"{best.row.case.name} does {_times(best.macs_ratio, 'fewer', 'more')} MACs than {record.baseline}{memory} and "
        f"is {pace}{_interval(speed)}."
    )


def _interval(speed: Estimate) -> str:
    if speed.low is None or speed.high is None:
        return f" (no interval from {speed.samples} rounds)"
    doubt = "" if speed.low > 1 or speed.high < 1 else ": not distinguishable from equal"
    return f" (95 %: {three_digits(speed.low)}-{three_digits(speed.high)}{doubt})"


def _limit(record: Record, best: Standing) -> str | None:
    """Whether arithmetic explains the row's time, judged by what a large product reaches on this device."""
    row = best.row
    throughput = record.protocol.throughput_flops if record.protocol else None
    if not throughput or not row.analytic or not best.latency:
        return None
    share = FLOPS_PER_MAC * row.analytic.macs * row.case.b / throughput / best.latency.median
    if share >= ARITHMETIC_BOUND:
        return None
    return (
        f"Its MACs explain {share:.1%} of its time: memory traffic and call overhead set the rest, so its speedup does "
        "not follow its MACs."
    )


def _times(ratio: float | None, above: str, below: str) -> str:
    if ratio is None:
        return "unknown"
    return f"{format_ratio(ratio)} {above}" if ratio >= 1 else f"{format_ratio(1 / ratio)} {below}"

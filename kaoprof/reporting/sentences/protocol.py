"""What stands under a table, in words: the convention, the protocol, what the numbers mean."""

from collections.abc import Iterable, Sequence

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.dims import axes_in
from kaoprof.findings.operators import Standing, find_baseline
from kaoprof.findings.surroundings import measured_in
from kaoprof.records.compare import Record, Row
from kaoprof.records.measured import Observed, Protocol
from kaoprof.records.own import OwnForm, OwnModule
from kaoprof.records.profile import ProfileRecord
from kaoprof.records.swept_models import SweptModels
from kaoprof.reporting.sentences.limits import bound_of
from kaoprof.reporting.sentences.quoted import seconds_of
from kaoprof.reporting.sentences.verdicts import verdict_of
from kaoprof.units import counted, format_bytes, format_percent, format_seconds

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
    flushed = ", denormals flushed" if environment.denormals_flushed else ""
    flushed += {"cold": ", caches emptied before every call", "warm": ", caches warm"}.get(protocol.cache or "", "")
    flushed += "".join(f", {forced}" for forced in forced_of(protocol))
    taken, most = _taken(measured)
    interval = "95 % interval from run to run" if most >= FEWEST_FOR_INTERVAL else "too few for an interval"
    how = (
        f"Latency: quiet time, what a call takes undisturbed: {taken}, rounds interleaved in "
        f"random order after warm-up, in {_processes_of(measured)}, {interval}; "
        f"speedups of quiet times{flushed}; {_ended(protocol)}."
    )
    if isinstance(record, SweptModels):  # nothing was measured beside a model
        how = (
            f"Latency: quiet time, what a call takes undisturbed: {taken}, after warm-up, each "
            f"model by itself, in {_processes_of(measured)}, {interval}{flushed}; {_ended(protocol)}."
        )
    if protocol.in_process:
        how = (
            f"Latency: quiet time, what a call takes undisturbed: {taken}, after warm-up, "
            f"{interval}, in the caller's own process as it was{flushed}; {_ended(protocol)}."
        )
    where = (
        f"On {environment.device_name}, {counted(environment.cores, 'core')}, "
        f"{counted(environment.threads, 'thread')}, "
        f"{format_bytes(environment.memory_bytes)}; Python {environment.python}, torch {environment.torch}, "
        f"{' '.join((*environment.backends, *environment.settings))}."
    )
    return [how, where] if most else [where]


def _ended(protocol: Protocol) -> str:
    """How long it took, and which came first, where there was a choice."""
    spent = format_seconds(protocol.spent_s)
    if protocol.setup_s is None:
        return f"measured in {spent}"
    quiet = "" if protocol.quiet_share is None else f", {format_percent(protocol.quiet_share)} of it undisturbed"
    took = f"measured in {format_seconds(protocol.spent_s - protocol.setup_s)}{quiet}"
    took += f" after {format_seconds(protocol.setup_s)} to start"
    if protocol.precision is None:
        return took
    wanted = f"a precision of {100 * protocol.precision:.3g} %"
    return f"{took}, until {wanted} was reached" if protocol.ended_by == "precision" else (
        f"{took}, when the budget was spent, before {wanted} was reached"
    )  # fmt: skip


def _taken(measured: Sequence[Observed]) -> tuple[str, int]:
    """Of what quiet times were made, and of how many samples at most."""
    timed = [row.latency for row in measured if row.latency]
    fewest, most = (choose((len(latency.samples_s) for latency in timed), default=0) for choose in (min, max))
    samples = f"the fastest of {fewest}-{most} samples" if fewest < most else f"the fastest of {most} samples"
    beside = ", less what slowed a reference beside them" if any(latency.paces for latency in timed) else ""
    return f"{samples}{beside}", most


def protocol_in_short(record: Record | ProfileRecord) -> str | None:
    """How and where it was measured, as a caption says it; None if nothing was."""
    environment = record.environment
    taken, most = _taken(measured_in(record))
    if environment is None or not most:
        return None
    interval = ", 95 % interval" if most >= FEWEST_FOR_INTERVAL else ""
    where = f"{environment.device_name}, {counted(environment.threads, 'thread')}, torch {environment.torch}"
    return f"Latency: quiet time, {taken}{interval}; {where}."


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
    """What a cell says: its verdict, and what binds the fastest and the baseline."""
    return " ".join([*verdict_of(record, standings), *bindings_of(record, standings)]) or None


def bindings_of(record: Record, standings: Sequence[Standing]) -> list[str]:
    """What binds the fastest row, and what binds the baseline that it is compared with."""
    timed = [standing for standing in standings if standing.latency is not None]
    if not timed:
        return []
    best = min(timed, key=seconds_of)
    fastest = find_baseline([standing.row for standing in standings], record.baseline).fastest
    rivals = [best, *(standing for standing in standings if standing.row is fastest and standing is not best)]
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
    share = FLOPS_PER_MAC * row.analytic.macs * row.case.b / throughput / latency.value
    if share >= ARITHMETIC_BOUND or high / low > UNSURE:
        return None
    return (
        f"At the {throughput / 1e9:.0f} GFLOP/s of a large product its MACs would take "
        f"{format_percent(share, '.1%')} of its time; the "
        "rest goes elsewhere: to memory, elementwise arithmetic and the overhead of calls."
    )

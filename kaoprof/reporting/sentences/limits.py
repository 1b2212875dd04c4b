"""What stands under a table about the device's limits: what binds a row, how exact it is, what ran, what it burnt."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from kaoprof.findings.operators import FAULTS_PER_S, Standing
from kaoprof.findings.roofline import COMPUTE, LAUNCH, Limits, ceilings_of
from kaoprof.records.compare import Record, Row
from kaoprof.records.measured import Observed
from kaoprof.records.profile import ModelProfile, ProfileRecord
from kaoprof.stats.medians import Estimate, median_beside
from kaoprof.stats.timings import quiet_s
from kaoprof.units import counted, format_bytes, format_percent, format_rate, format_ratio, format_seconds, three_digits

EXPLAINED = 1 / 3  # of the time: a limit that asks for less of it is the nearest, but binds nothing
NOT_RECORDED = "the reason was not recorded"  # of an older record
BOUND = "Bound: what takes longest of what this implementation launches, moves and computes."
SYSTEM_SHARE = 0.2  # of the processor time: from here on the system's work is worth naming
MUCH_AGAIN = 1.5  # times what must be moved: from here on what is moved again is worth naming


Named: TypeAlias = Sequence[tuple[str, Row | ModelProfile]]


def bound_of(limits: Limits | None) -> str | None:
    """What binds a call, with the figures that say so; None if it was not traced or timed."""
    if limits is None or limits.demand is None or limits.work.traffic is None or limits.seconds is None:
        return None
    demand, work, traffic, seconds = limits.demand, limits.work, limits.work.traffic, limits.seconds
    limit, needed, took = demand.limit, demand.seconds, format_seconds(seconds)
    bound = f"{limit}-bound" if needed >= EXPLAINED * seconds else "far from its limits"
    least = f"at least {format_seconds(needed)} of its {took}"
    if limit == LAUNCH:
        operations = counted(traffic.operations, "operation")
        if demand.launch_s == traffic.launch_s:
            alone = format_seconds(demand.launch_s)
            return f"{bound}: even on the smallest input its {operations} took {alone}, here {took}"
        return f"{bound}: to launch its {operations} takes {least}"
    if limit == COMPUTE:
        return f"{bound}: its arithmetic takes {least}"
    times = traffic.moved_bytes / work.compulsory_bytes
    again = f", {format_ratio(times)} what it must" if times > MUCH_AGAIN else ""
    return f"{bound}: it moves {format_bytes(traffic.moved_bytes)}{again}, which takes {least}"


def limits_of(cell: Named) -> list[str]:
    """Sentences about rows or models, by name: which attention ran, new memory, errors, energy, compilation."""
    sentences = (
        _backends(cell),
        _listed(cell, "The system's share of the processor time, for memory new at every call", _new_memory),
        _errors(cell),
        _listed(cell, "Energy of a call, idle power included", _energy),
        _listed(cell, "Compiling took, outside the samples", _compilation),
    )
    return [sentence for sentence in sentences if sentence]


def rows_of(cell: Iterable[Standing]) -> Named:
    """The rows of a cell with their names."""
    return [(standing.row.case.name, standing.row) for standing in cell]


def _listed(cell: Named, begin: str, text: Callable[[Row | ModelProfile], str | None]) -> str:
    """A sentence that says of each what is worth it; empty where nothing is."""
    words = ", ".join(f"{name} {said}" for name, row in cell if (said := text(row)))
    return f"{begin}: {words}." if words else ""


def _backends(cell: Named) -> str:
    backends = {row.backend for _, row in cell} - {None}
    if len(backends) == 1:
        return f"Fused attention ran as: {backends.pop()}."
    return _listed(cell, "Fused attention ran as", lambda row: row.backend)


def _new_memory(row: Observed) -> str | None:
    """How long it waits for the operating system, which makes the memory that a call touches for the first time."""
    faults, share = (median_beside(row.latency, name) for name in ("page_faults", "system_shares"))
    if row.latency is None or faults is None or share is None:
        return None
    if faults < FAULTS_PER_S * quiet_s(row.latency) or share < SYSTEM_SHARE:
        return None
    return f"{format_percent(share)} ({faults:,.0f} page faults)"


def _error(row: Observed) -> str | None:
    return f"{row.deviation.largest:.1e}" if row.deviation and row.deviation.largest is not None else None


def _errors(cell: Named) -> str:
    left_out: dict[str, list[str]] = {}
    for name, row in cell:
        if is_left_out(row):
            left_out.setdefault(row.deviation.not_compared if row.deviation else NOT_RECORDED, []).append(name)
    missing = "; ".join(f"{', '.join(names)} ({why})" for why, names in left_out.items())
    lacking = f"Not compared with fp64: {missing}." if missing else ""
    return " ".join(filter(None, (_listed(cell, "Largest error against fp64, of the largest value", _error), lacking)))


def is_left_out(row: Row | ModelProfile) -> bool:
    """Whether it ran and was not compared; fp64 is the reference, and a graph computes what its eager row does."""
    known = row.deviation is not None and not row.deviation.not_compared
    return bool(row.latency and not known and row.dtype != "fp64" and row.variant != "graph")


def _energy(row: Observed) -> str | None:
    return None if row.energy_j is None else f"{three_digits(row.energy_j * 1e3)} mJ"


def _compilation(row: Observed) -> str | None:
    if row.compile_s is None:
        return None
    broken = f" (in pieces: {counted(row.graph_breaks, 'graph break')})" if row.graph_breaks else ""
    return f"{format_seconds(row.compile_s)}{broken}"


def range_of(ratio: Estimate | None) -> str:
    """The interval of a ratio; empty where there is none."""
    return "-".join(map(three_digits, ratio.interval)) if ratio and ratio.interval else ""


def ceilings_sentence(record: Record | ProfileRecord) -> str | None:
    """What the floors of a run rest on, and what bound means."""
    floors = floors_sentence(record)
    return floors and f"{floors} {BOUND}"


def floors_sentence(record: Record | ProfileRecord) -> str | None:
    """What the floors of a run rest on."""
    known = ceilings_of(record.protocol)
    if known is None:
        return None
    ceilings, cold = known
    copies = ceilings.cold_copies if cold else ceilings.copies
    fastest = max(copy.moved_bytes / copy.seconds for copy in copies) if copies else ceilings.bytes_per_s
    timed = sorted(record.dtypes & set(ceilings.products))
    rates = ", ".join(f"{dtype} products {format_rate(ceilings.products[dtype], 'FLOP')}" for dtype in timed)
    return (
        "Floor: input, output and weights moved once, contractions at the rate of the fastest product, one launch; "
        f"whichever takes longest on this device (copies {format_rate(ceilings.bytes_per_s, 'B')} in memory, "
        f"{format_rate(fastest, 'B')} at best; {rates}; a launch {format_seconds(ceilings.launch_s)})."
    )

"""What stands under a table about the device's limits: what binds a row, how exact it is, what ran, what it burnt."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from kaoprof.findings.operators import FAULTS_PER_S, Standing
from kaoprof.findings.roofline import COMPUTE, LAUNCH, Shares, Work, ceilings_of, work_of
from kaoprof.records.compare import Record, Row
from kaoprof.records.profile import ModelProfile, ProfileRecord
from kaoprof.stats.medians import median_beside, median_s
from kaoprof.units import counted, format_bytes, format_percent, format_rate, format_ratio, format_seconds, three_digits

EXPLAINED = 1 / 3  # of the time: a limit that asks for less of it is the nearest, but binds nothing
NOT_RECORDED = "the reason was not recorded"  # of an older record
BOUND = "Bound: what takes longest of what this implementation launches, moves and computes."
SYSTEM_SHARE = 0.2  # of the processor time: from here on the system's work is worth naming
MUCH_AGAIN = 1.5  # times what must be moved: from here on what is moved again is worth naming


Named: TypeAlias = Sequence[tuple[str, Row | ModelProfile]]


def reason_of(standing: Standing) -> str | None:
    """What binds a row, with the figures that say so; None where it is not known."""
    work = work_of(standing.row)
    if standing.demand is None or standing.latency is None or work is None:
        return None
    return bound_of(standing.demand, work, standing.latency.median)


def bound_of(demand: Shares, work: Work, seconds: float) -> str | None:
    """What binds a call of this work that took so long, with the figures that say so; None if it was not traced."""
    if work.traffic is None:
        return None
    least = f"at least {format_seconds(demand.seconds)} of its {format_seconds(seconds)}"
    bound = f"{demand.limit}-bound" if demand.seconds >= EXPLAINED * seconds else "far from its limits"
    if demand.limit == LAUNCH:
        operations, alone = counted(work.traffic.operations, "operation"), format_seconds(demand.launch_s)
        if demand.launch_s == work.traffic.launch_s:
            return f"{bound}: even on the smallest input its {operations} took {alone}, here {format_seconds(seconds)}"
        return f"{bound}: to launch its {operations} takes {least}"
    if demand.limit == COMPUTE:
        return f"{bound}: its arithmetic takes {least}"
    times = work.traffic.moved_bytes / work.compulsory_bytes
    again = f", {format_ratio(times)} what it must" if times > MUCH_AGAIN else ""
    return f"{bound}: it moves {format_bytes(work.traffic.moved_bytes)}{again}, which takes {least}"


def limits_of(cell: Named) -> list[str]:
    """Sentences about rows or models, by name: which attention ran, new memory, errors, energy, compilation."""
    looks = (_backends, _new_memory, _errors, _energy, _compilation)
    return [sentence for look in looks if (sentence := look(cell))]


def rows_of(cell: Iterable[Standing]) -> Named:
    """The rows of a cell with their names."""
    return [(standing.row.case.name, standing.row) for standing in cell]


def _listed(cell: Named, text: Callable[[Row | ModelProfile], str | None]) -> str:
    return ", ".join(f"{name} {words}" for name, row in cell if (words := text(row)))


def _backends(cell: Named) -> str | None:
    backends = {row.backend for _, row in cell} - {None}
    if not backends:
        return None
    if len(backends) == 1:
        return f"Fused attention ran as: {backends.pop()}."
    return f"Fused attention ran as: {_listed(cell, lambda row: row.backend)}."


def _new_memory(cell: Named) -> str | None:
    """Who waits for the operating system, which has to make the memory that a call touches for the first time."""

    def text(row: Row | ModelProfile) -> str | None:
        faults, share = (median_beside(row.latency, name) for name in ("page_faults", "system_shares"))
        if row.latency is None or faults is None or share is None:
            return None
        if faults < FAULTS_PER_S * median_s(row.latency) or share < SYSTEM_SHARE:
            return None
        return f"{format_percent(share)} ({faults:,.0f} page faults)"

    listed = _listed(cell, text)
    return f"The system's share of the processor time, for memory new at every call: {listed}." if listed else None


def _errors(cell: Named) -> str | None:
    def text(row: Row | ModelProfile) -> str | None:
        deviation = row.deviation
        return f"{deviation.largest:.1e}" if deviation and deviation.largest is not None else None

    listed = _listed(cell, text)
    left_out: dict[str, list[str]] = {}
    for name, row in cell:
        if _is_left_out(row):
            left_out.setdefault(row.deviation.not_compared if row.deviation else NOT_RECORDED, []).append(name)
    missing = "; ".join(f"{', '.join(names)} ({why})" for why, names in left_out.items())
    said = f"Largest error against fp64, of the largest value: {listed}." if listed else ""
    lacking = f"Not compared with fp64: {missing}." if missing else ""
    return " ".join(filter(None, (said, lacking))) or None


def _is_left_out(row: Row | ModelProfile) -> bool:
    """Whether it ran and was not compared; fp64 is the reference, and a graph computes what its eager row does."""
    known = row.deviation is not None and not row.deviation.not_compared
    return bool(row.latency and not known and row.dtype != "fp64" and row.variant != "graph")


def _energy(cell: Named) -> str | None:
    def text(row: Row | ModelProfile) -> str | None:
        energy_j = row.energy_j
        return None if energy_j is None else f"{three_digits(energy_j * 1e3)} mJ"

    listed = _listed(cell, text)
    return f"Energy of a call, idle power included: {listed}." if listed else None


def _compilation(cell: Named) -> str | None:
    def text(row: Row | ModelProfile) -> str | None:
        if row.compile_s is None:
            return None
        broken = f" (in pieces: {counted(row.graph_breaks, 'graph break')})" if row.graph_breaks else ""
        return f"{format_seconds(row.compile_s)}{broken}"

    listed = _listed(cell, text)
    return f"Compiling took, outside the samples: {listed}." if listed else None


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

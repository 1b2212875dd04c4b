"""What stands under a table about the device's limits: what binds a row, how exact it is, what ran, what it burnt."""

from collections.abc import Callable

from kaoprof.findings import Standing
from kaoprof.records import Record
from kaoprof.roofline import COMPUTE, LAUNCH, ceilings_of
from kaoprof.units import format_bytes, format_rate, format_ratio, format_seconds, three_digits

EXPLAINED = 1 / 3  # of the time: a limit that asks for less of it is the nearest, but binds nothing
MUCH_AGAIN = 1.5  # times what must be moved: from here on what is moved again is worth naming


def reason_of(standing: Standing) -> str | None:
    """What binds a row, with the figures that say so; None where it is not known."""
    demand, latency, row = standing.demand, standing.latency, standing.row
    if demand is None or latency is None or row.traffic is None or row.analytic is None:
        return None
    least = f"at least {format_seconds(demand.seconds)} of its {format_seconds(latency.median)}"
    bound = f"{demand.limit}-bound" if demand.seconds >= EXPLAINED * latency.median else "far from its limits"
    if demand.limit == LAUNCH:
        return f"{bound}: to launch its {row.traffic.operations} operations takes {least}"
    if demand.limit == COMPUTE:
        return f"{bound}: its arithmetic takes {least}"
    times = row.traffic.moved_bytes / row.analytic.compulsory_bytes
    again = f", {format_ratio(times)} what it must" if times > MUCH_AGAIN else ""
    return f"{bound}: it moves {format_bytes(row.traffic.moved_bytes)}{again}, which takes {least}"


def limits_of(cell: list[Standing]) -> list[str]:
    """Sentences about the rows of a cell: which attention ran, their errors, energy, compilation."""
    return [sentence for sentence in (_backends(cell), _errors(cell), _energy(cell), _compilation(cell)) if sentence]


def _listed(cell: list[Standing], text: Callable[[Standing], str | None]) -> str:
    return ", ".join(f"{standing.row.case.name} {found}" for standing in cell if (found := text(standing)))


def _backends(cell: list[Standing]) -> str | None:
    backends = {standing.row.backend for standing in cell} - {None}
    if not backends:
        return None
    if len(backends) == 1:
        return f"Fused attention ran as: {backends.pop()}."
    return f"Fused attention ran as: {_listed(cell, lambda standing: standing.row.backend)}."


def _errors(cell: list[Standing]) -> str | None:
    def text(standing: Standing) -> str | None:
        deviation = standing.row.deviation
        return f"{deviation.largest:.1e}" if deviation and deviation.largest is not None else None

    listed = _listed(cell, text)
    return f"Largest error against fp64, of the largest value: {listed}." if listed else None


def _energy(cell: list[Standing]) -> str | None:
    def text(standing: Standing) -> str | None:
        energy_j = standing.row.energy_j
        return None if energy_j is None else f"{three_digits(energy_j * 1e3)} mJ"

    listed = _listed(cell, text)
    return f"Energy of a call, idle power included: {listed}." if listed else None


def _compilation(cell: list[Standing]) -> str | None:
    def text(standing: Standing) -> str | None:
        compile_s = standing.row.compile_s
        return None if compile_s is None else format_seconds(compile_s)

    listed = _listed(cell, text)
    return f"Compiling took, outside the samples: {listed}." if listed else None


def ceilings_sentence(record: Record) -> str | None:
    """What the floors rest on."""
    known = ceilings_of(record)
    if known is None:
        return None
    ceilings, cold = known
    copies = ceilings.cold_copies if cold else ceilings.copies
    fastest = max(copy.moved_bytes / copy.seconds for copy in copies) if copies else ceilings.bytes_per_s
    dtypes = sorted({row.case.dtype for row in record.rows} & set(ceilings.products))
    rates = ", ".join(f"{dtype} products {format_rate(ceilings.products[dtype], 'FLOP')}" for dtype in dtypes)
    return (
        "Floor: input, output and weights moved once, contractions at the rate of the fastest product, one launch; "
        f"whichever takes longest on this device (copies {format_rate(ceilings.bytes_per_s, 'B')} in memory, "
        f"{format_rate(fastest, 'B')} at best; {rates}; a launch {format_seconds(ceilings.launch_s)}). Bound: what "
        "takes longest of what this implementation launches, moves and computes."
    )

"""What a record says: each row's standing against the baseline, where figures disagree, what is noise. Pure."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from kaoprof.findings.roofline import Shares, ceilings_of, demand_of, floor_of, work_of
from kaoprof.records.compare import Record, Row
from kaoprof.records.measured import EAGER, Deviation, Environment, Latency, Protocol
from kaoprof.stats.medians import Estimate, latency_estimate, median_s, paired_ratio, spread
from kaoprof.units import counted, format_percent

FAILURES = ("oom", "timeout", "unsupported", "error")
IMPOSSIBLE = ("unsupported", "error")  # such a row is no rival in memory, whatever is predicted of it
FAULTS_PER_S = 1e5  # of a call: each costs the system about a microsecond, so that fewer are no reason for anything
NOISY_SPREAD = 0.10  # interquartile range / median above which a latency is flagged
MEMORY_TOLERANCE = 0.02  # relative error of the predicted peak above which it is flagged
CORES_TAKEN = 0.1  # more than this of our cores' time went to other programs: a quiet machine is at 0.01 to 0.03
BUSY_LOAD = 0.5  # load average per core before the run above which other programs compete for the cores
FORMULA, DISPATCHER, FVCORE = "the closed form", "torch's dispatcher", "fvcore"  # who counts
DENORMALS_WORTH_NAMING = 0.001  # of the coefficients: from here on an unflushed baseline is visibly slower


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows of one cell are compared with: the fastest, and the leanest, implementation of the baseline."""

    fastest: Row | None
    leanest: Row | None
    macs: int | None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One row, seen against its cell's baseline. Ratios above 1 are in the row's favour; None is not known."""

    row: Row
    latency: Estimate | None
    speedup: Estimate | None
    macs_ratio: float | None
    memory_ratio: float | None
    disagreements: tuple[str, ...]
    floor: Shares | None = None
    demand: Shares | None = None

    @property
    def times_floor(self) -> float | None:
        """How many times as long as the device needs at least."""
        return self.latency.median / self.floor.seconds if self.latency and self.floor else None


def standings(record: Record) -> dict[tuple[object, ...], list[Standing]]:
    """Every row's standing, by grid cell."""
    found = {}
    for cell, rows in record.cells().items():
        baseline = find_baseline(rows, record.baseline)
        found[cell] = [_limited(_standing(row, baseline), record) for row in rows]
    return found


def _limited(standing: Standing, record: Record) -> Standing:
    """The standing with what the device's ceilings say of it."""
    known, work = ceilings_of(record.protocol), work_of(standing.row)
    if known is None or work is None:
        return standing
    ceilings, cold = known
    return replace(standing, floor=floor_of(work, ceilings, cold=cold), demand=demand_of(work, ceilings, cold=cold))


def find_baseline(rows: list[Row], name: str) -> Baseline:
    """Among one cell's rows: the baseline's fastest measured implementation, and its leanest."""
    candidates = [row for row in rows if row.case.operator == name]
    timed = [row for row in candidates if row.latency is not None]
    weighed = [row for row in candidates if peak_bytes(row) is not None and row.status not in IMPOSSIBLE]
    macs = [row.analytic.macs for row in candidates if row.analytic]
    return Baseline(
        fastest=min(timed, key=lambda row: median_s(row.latency) if row.latency else 0, default=None),
        leanest=min(weighed, key=lambda row: peak_bytes(row) or 0, default=None),
        macs=macs[0] if macs else None,
    )


def peak_bytes(row: Row) -> int | None:
    """The measured peak, else the predicted one."""
    if row.peak_bytes_measured is not None:
        return row.peak_bytes_measured
    return row.counted.peak_bytes_predicted if row.counted else None


def _standing(row: Row, baseline: Baseline) -> Standing:
    fastest = baseline.fastest.latency if baseline.fastest else None
    return Standing(
        row=row,
        latency=latency_estimate(row.latency) if row.latency else None,
        speedup=paired_ratio(fastest, row.latency) if fastest and row.latency else None,
        macs_ratio=baseline.macs / row.analytic.macs if baseline.macs and row.analytic else None,
        memory_ratio=_memory_ratio(row, baseline.leanest),
        disagreements=disagreements(row),
    )


def _memory_ratio(row: Row, leanest: Row | None) -> float | None:
    if leanest is None or row.status in IMPOSSIBLE:
        return None
    counted = leanest.counted, row.counted
    predicted = [one.peak_bytes_predicted if one else None for one in counted]
    return memory_ratio((leanest.peak_bytes_measured, row.peak_bytes_measured), predicted)


def memory_ratio(measured: Sequence[int | None], predicted: Sequence[int | None]) -> float | None:
    """Of two peaks: measured over measured, else predicted over predicted; None where one is not known."""
    first, other = measured if all(measured) else predicted
    return first / other if first is not None and other else None


def disagreements(row: Row) -> tuple[str, ...]:
    """Where two figures that must be equal are not. Empty where all agree, or where there is nothing to compare."""
    if not row.analytic or not row.counted:
        return ()
    formula, counted, fvcore = row.analytic, row.counted, row.counted.macs_fvcore
    macs = differing("MACs", (FORMULA, formula.macs), (DISPATCHER, counted.macs), (FVCORE, fvcore))
    return macs + differing("FLOPs", (FORMULA, formula.flops_all), (DISPATCHER, counted.flops_all))


def differing(unit: str, *counts: tuple[str, int | None]) -> tuple[str, ...]:
    """Where a count is not the next one, with who counted so many; None is not known, and differs from nothing."""
    return tuple(
        f"{who} counts {count:,} {unit}, {other} {second:,}"
        for (who, count), (other, second) in pairwise(counts)
        if count is not None and second is not None and count != second
    )


def sound(record: Record) -> bool:
    """Whether no row failed, no count disagrees and none is incomplete."""
    return not any(
        row.status in FAILURES or disagreements(row) or (row.counted and row.counted.uncounted) for row in record.rows
    )


def warnings_of(record: Record) -> list[str]:
    """What a careful reader must know before quoting this run, each a sentence."""
    found: list[str] = []
    for rows in record.cells().values():
        where = f"at {rows[0].case.dims}" if len(record.cells()) > 1 else ""
        found += [" ".join(filter(None, (where, text))) for text in _cell_warnings(rows)]
    beaten = [f"{row.case.name} {text}" for row, text in beaten_floors(record)]
    return found + baseline_warnings(record) + ceiling_warnings(", ".join(beaten)) + environment_warnings(record)


def baseline_warnings(record: Record) -> list[str]:
    """That there is nothing to compare with, if so."""
    if any(row.case.operator == record.baseline for row in record.rows):
        return []
    return [f"no ratios: the baseline {record.baseline} is not among the operators"]


def beaten_floors(record: Record) -> list[tuple[Row, str]]:
    """The rows that are faster than their floor, each with its latency in floors."""
    return [
        (standing.row, f"{standing.times_floor:.2f}x")
        for cell in (standings(record).values() if record.protocol else ())
        for standing in cell
        if standing.times_floor is not None and standing.times_floor < 1
    ]


def ceiling_warnings(beaten: str) -> list[str]:
    """Floors must hold: what is faster than its floor, which `beaten` names, says that the ceilings are wrong."""
    if not beaten:
        return []
    return [f"faster than its floor: {beaten}; the ceilings are too low, kaoprof env --refresh renews them"]


def _cell_warnings(rows: list[Row]) -> list[str]:
    found = []
    for sentence, look in ROW_WARNINGS.items():
        named = [f"{row.case.name} {text}" for row in rows if (text := look(row))]
        if named:
            found.append(f"{sentence}: {', '.join(named)}")
    return found


def notes_of(row: Row) -> list[str]:
    """The warnings that concern one row."""
    return [f"{sentence}: {text}" for sentence, look in ROW_WARNINGS.items() if (text := look(row))]


def _disagreeing(row: Row) -> str:
    return f"({'; '.join(found)})" if (found := disagreements(row)) else ""


def _uncounted(row: Row) -> str:
    calls = row.counted.uncounted if row.counted else {}
    return ", ".join(f"{name} ({times}x)" for name, times in calls.items())


def _mispredicted(row: Row) -> str:
    if row.peak_bytes_measured is None or row.counted is None or row.variant != EAGER:
        return ""  # of a row that is compiled only the eager one was predicted
    return misprediction(row.counted.peak_bytes_predicted, row.peak_bytes_measured, row.counted.unmodelled)


def misprediction(predicted: int, measured: int, unmodelled: tuple[str, ...]) -> str:
    """By how much the predicted peak is off, and what might be why; nothing where it is within the tolerance."""
    if abs(predicted - measured) <= MEMORY_TOLERANCE * measured:  # what only views its input allocates nothing
        return ""
    error = predicted / max(measured, 1) - 1
    reason = f" (not modelled: {', '.join(unmodelled)})" if unmodelled and error < 0 else ""
    return f"{format_percent(error, '+.1%')}{reason}"


def _perhaps_too_low(row: Row) -> str:
    if row.peak_bytes_measured is not None or row.counted is None or row.variant != EAGER:
        return ""
    return f"({', '.join(row.counted.unmodelled)})" if row.counted.unmodelled else ""


def _undersampled(row: Row) -> str:
    if row.latency is None or latency_estimate(row.latency).low is not None:
        return ""
    return f"({len(row.latency.samples_s)})"


def _noisy(row: Row) -> str:
    if row.latency is None or _undersampled(row):
        return ""
    return noise_of(row.latency)


def noise_of(latency: Latency) -> str:
    """The interquartile range over the median, if that is too much, and page faults where they may be why."""
    noise = spread(latency.samples_s)
    if noise <= NOISY_SPREAD:
        return ""
    fewest, most = min(latency.page_faults, default=0), max(latency.page_faults, default=0)
    uneven = most - fewest > max(fewest, FAULTS_PER_S * min(latency.samples_s))
    why = f" ({fewest:,.0f} to {most:,.0f} page faults a call)" if uneven else ""
    return f"{format_percent(noise)}{why}"


def _not_finite(row: Row) -> str:
    return not_finite(row.deviation)


def not_finite(deviation: Deviation | None) -> str:
    """How much of an output is infinite or not a number; empty if nothing is."""
    fraction = deviation.not_finite if deviation else 0.0
    return f"{format_percent(fraction, '.1%')} of the output" if fraction else ""


def _denormal(row: Row) -> str:
    fraction = row.denormal_fraction or 0.0
    return format_percent(fraction, ".1%") if fraction > DENORMALS_WORTH_NAMING else ""


def environment_warnings(record: Record) -> list[str]:
    """That other programs were running, or that the device slowed itself."""
    return _throttling(record) + competition_warnings(record.environment, record.protocol)


def _throttling(record: Record) -> list[str]:
    protocol = record.protocol
    if protocol is None or protocol.before is None or protocol.after is None:
        return []
    before, after = protocol.before.throttled, protocol.after.throttled
    if before is None or after is None or after <= before:
        return []
    return ["the device slowed itself while it was measured, for heat or power: let it cool, and measure again"]


def competition_warnings(environment: Environment | None, protocol: Protocol | None) -> list[str]:
    """That other programs wanted our cores while it was measured; where that is not told, that the machine was busy."""
    taken = protocol.after.cores_taken if protocol and protocol.after else None
    if environment is None:
        return []
    return _load(environment) if taken is None else _competition(environment, taken)


def _competition(environment: Environment, taken: float) -> list[str]:
    """Others may have the cores that no thread of ours needs."""
    if taken <= CORES_TAKEN + max(0, environment.cores - environment.threads):
        return []
    cores = counted(environment.cores, "core")
    return [f"other programs kept {taken:.1f} of {cores} busy while this was measured: expect noise"]


def _load(environment: Environment) -> list[str]:
    cores = environment.machine_cores or environment.cores  # the load is the machine's, whichever cores are ours
    if environment.load_before is None or environment.load_before <= BUSY_LOAD * cores:
        return []
    load = f"load {environment.load_before:.1f} on {counted(cores, 'core')}"
    return [f"other programs were running before the measurement ({load}): expect noise"]


ROW_WARNINGS: dict[str, Callable[[Row], str]] = {
    "counts disagree": _disagreeing,
    "no rule counts some operations, MACs and FLOPs are lower bounds": _uncounted,
    "the predicted peak is off": _mispredicted,
    "the predicted peak may be too low, not modelled": _perhaps_too_low,
    "too few samples for a 95 % interval, raise --budget or --samples": _undersampled,
    "noisy: interquartile range over median": _noisy,
    "not finite": _not_finite,
    "coefficients that would be denormal, flushed to zero while measuring": _denormal,
}

NAMED = 2  # rows that a warning names; of more it gives the number


def sweep_warnings(record: Record) -> list[str]:
    """The warnings of `compare`, not cell by cell but in one sentence each."""
    found = []
    for sentence, look in ROW_WARNINGS.items():
        concerned = [(row, text) for row in record.rows if (text := look(row))]
        if concerned:
            found.append(f"{sentence}: {_named(concerned, record)}")
    if record.rows:
        found += baseline_warnings(record)
    beaten = beaten_floors(record)
    return found + ceiling_warnings(_named(beaten, record) if beaten else "") + environment_warnings(record)


def _named(concerned: list[tuple[Row, str]], record: Record) -> str:
    named = [
        f"{row.case.name} at {row.case.dims}{' ' if text.startswith('(') else ': '}{text}"
        for row, text in concerned[:NAMED]
    ]
    more = f" and {len(concerned) - NAMED} more of {len(record.rows)} rows" if len(concerned) > NAMED else ""
    return f"{', '.join(named)}{more}"

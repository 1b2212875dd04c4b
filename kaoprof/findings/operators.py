"""What a record says: each row's standing against the baseline, where figures disagree, what is noise. Pure."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise

import msgspec

from kaoprof.findings.roofline import Limits, work_limits, work_of
from kaoprof.findings.surroundings import environment_warnings, overrun_warnings
from kaoprof.records.compare import Record, Row, each_cell
from kaoprof.records.measured import EAGER, Deviation, Latency, Protocol
from kaoprof.stats.medians import Estimate, spread
from kaoprof.stats.timings import quiet_ratio, quiet_s, quiet_time, typical_ratio, typical_time
from kaoprof.units import format_percent

FAILURES = ("oom", "timeout", "unsupported", "error")
IMPOSSIBLE = ("unsupported", "error")  # such a row is no rival in memory, whatever is predicted of it
FAULTS_PER_S = 1e5  # of a call: each costs the system about a microsecond, so that fewer are no reason for anything
NOISY_SPREAD = 0.10  # interquartile range / median above which a latency is flagged
MEMORY_TOLERANCE = 0.02  # relative error of the predicted peak above which it is flagged
FORMULA, DISPATCHER, FVCORE = "the closed form", "torch's dispatcher", "fvcore"  # who counts
DENORMALS_WORTH_NAMING = 0.001  # of the coefficients: from here on an unflushed baseline is visibly slower


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows of one cell are compared with: the fastest, and the leanest, implementation of the baseline."""

    fastest: Row | None
    leanest: Row | None
    macs: int | None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One row, seen against its cell's baseline. Ratios above 1 are in the row's favour; None is not known.

    `latency` and `speedup` are of quiet times: what stands for the row everywhere; `typical` are of medians.
    """

    row: Row
    latency: Estimate | None
    typical: Estimate | None
    speedup: Estimate | None
    typical_speedup: Estimate | None
    macs_ratio: float | None
    memory_ratio: float | None
    disagreements: tuple[str, ...]
    limits: Limits | None = None


def standings(record: Record) -> dict[tuple[object, ...], list[Standing]]:
    """Every row's standing, by grid cell."""
    return dict(each_standing(record))


def each_standing(record: Record) -> Iterator[tuple[tuple[object, ...], list[Standing]]]:
    """Every row's standing, one grid cell after another: of many rows never all at once."""
    for cell, rows in each_cell(record.rows):
        baseline = find_baseline(rows, record.baseline)
        yield cell, [_standing(row, baseline, record.protocol) for row in rows]


def find_baseline(rows: list[Row], name: str) -> Baseline:
    """Among one cell's rows: the baseline's fastest measured implementation, and its leanest."""
    candidates = [row for row in rows if row.case.operator == name]
    timed = [row for row in candidates if row.latency is not None]
    weighed = [row for row in candidates if peak_bytes(row) is not None and row.status not in IMPOSSIBLE]
    macs = [row.analytic.macs for row in candidates if row.analytic]
    return Baseline(
        fastest=min(timed, key=lambda row: quiet_s(row.latency) if row.latency else 0, default=None),
        leanest=min(weighed, key=lambda row: peak_bytes(row) or 0, default=None),
        macs=macs[0] if macs else None,
    )


def peak_bytes(row: Row) -> int | None:
    """The measured peak, else the predicted one."""
    if row.peak_bytes_measured is not None:
        return row.peak_bytes_measured
    return row.counted.peak_bytes_predicted if row.counted else None


def _standing(row: Row, baseline: Baseline, protocol: Protocol | None) -> Standing:
    fastest = baseline.fastest.latency if baseline.fastest else None
    latency = quiet_time(row.latency) if row.latency else None
    return Standing(
        row=row,
        latency=latency,
        typical=typical_time(row.latency) if row.latency else None,
        speedup=quiet_ratio(fastest, row.latency) if fastest and row.latency else None,
        typical_speedup=typical_ratio(fastest, row.latency) if fastest and row.latency else None,
        macs_ratio=baseline.macs / row.analytic.macs if baseline.macs and row.analytic and row.analytic.macs else None,
        memory_ratio=_memory_ratio(row, baseline.leanest),
        disagreements=disagreements(row),
        limits=work_limits(work_of(row), protocol, latency.value if latency else None),
    )


def _memory_ratio(row: Row, leanest: Row | None) -> float | None:
    if leanest is None or row.status in IMPOSSIBLE:
        return None
    predicted = [rival.counted.peak_bytes_predicted if rival.counted else None for rival in (leanest, row)]
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
    if formula.macs == counted.macs == fvcore and formula.flops_all == counted.flops_all:
        return ()  # nearly always
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
        where = f"at {rows[0].case.dims} " if len(record.cells()) > 1 else ""
        for sentence, members in concerned(rows):
            named = ", ".join(f"{row.case.name} {text}" for row, text in members)
            found.append(f"{where}{sentence}: {named}")
    beaten = [f"{row.case.name} {text}" for row, text in beaten_floors(record)]
    over = overrun_warnings(((row.case.name, row) for row in record.rows), record.protocol)
    found += baseline_warnings(record.baseline, {row.case.operator for row in record.rows})
    return [*found, *ceiling_warnings(", ".join(beaten)), *over, *environment_warnings(record)]


def baseline_warnings(baseline: str, operators: Collection[str]) -> list[str]:
    """That there is nothing to compare with, if so."""
    return [] if baseline in operators else [f"no ratios: the baseline {baseline} is not among the operators"]


def beaten_floors(record: Record) -> list[tuple[Row, str]]:
    """The rows that are faster than their floor, each with its latency in floors."""
    if record.protocol is None:
        return []
    return [
        (row, f"{times:.2f}x")
        for row in record.rows
        if row.latency
        and (limits := work_limits(work_of(row), record.protocol, quiet_s(row.latency)))
        and (times := limits.times_floor)
        and times < 1
    ]


def ceiling_warnings(beaten: str) -> list[str]:
    """Floors must hold: what is faster than its floor, which `beaten` names, says that the ceilings are wrong."""
    if not beaten:
        return []
    return [f"faster than its floor: {beaten}; the ceilings are too low, kaoprof env --refresh renews them"]


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
    if row.latency is None or quiet_time(row.latency).low is not None:
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


def not_finite(deviation: Deviation | None) -> str:
    """How much of an output is infinite or not a number; empty if nothing is."""
    fraction = deviation.not_finite if deviation else 0.0
    return f"{format_percent(fraction, '.1%')} of the output" if fraction else ""


def _denormal(row: Row) -> str:
    fraction = row.denormal_fraction or 0.0
    return format_percent(fraction, ".1%") if fraction > DENORMALS_WORTH_NAMING else ""


DISAGREE, UNCOUNTED = "counts disagree", "no rule counts some operations, MACs and FLOPs are lower bounds"
OFF, TOO_LOW = "the predicted peak is off", "the predicted peak may be too low, not modelled"
UNDERSAMPLED = "too few samples for a 95 % interval, raise --budget or --samples"
NOISY = "noisy: interquartile range over median"
ROW_WARNINGS: dict[str, Callable[[Row], str]] = {
    DISAGREE: lambda row: f"({'; '.join(differences)})" if (differences := disagreements(row)) else "",
    UNCOUNTED: _uncounted,
    OFF: _mispredicted,
    TOO_LOW: _perhaps_too_low,
    UNDERSAMPLED: _undersampled,
    NOISY: _noisy,
    "not finite": lambda row: not_finite(row.deviation),
    "coefficients that would be denormal, flushed to zero while measuring": _denormal,
}


def row_warnings(row: Row) -> tuple[tuple[str, str], ...]:
    """The warnings that concern one row, each with what it says of it."""
    return tuple((sentence, text) for sentence, look in ROW_WARNINGS.items() if (text := look(row)))


def concerned(rows: Sequence[Row]) -> Iterator[tuple[str, list[tuple[Row, str]]]]:
    """Each of the warnings that concern any of the rows: those rows, and what it says of each."""
    for sentence, look in ROW_WARNINGS.items():
        members = [(row, text) for row in rows if (text := look(row))]
        if members:
            yield sentence, members

"""What a run answers, in a sentence or two: who is fastest, by how much, how surely, and what that is worth."""

from collections.abc import Sequence

from kaoprof.findings.operators import Standing, find_baseline
from kaoprof.records.compare import Record, Row
from kaoprof.reporting.sentences.quoted import is_too_noisy, seconds_of, surely_text, times_text
from kaoprof.stats.medians import Estimate
from kaoprof.stats.timings import quiet_ratio
from kaoprof.units import format_ratio, format_seconds

SAME = format_ratio(1.0)


def verdict_of(record: Record, cell: Sequence[Standing]) -> list[str]:
    """The sentences of one cell; none where nothing can be compared."""
    baseline = find_baseline([standing.row for standing in cell], record.baseline)
    rivals = [standing for standing in cell if standing.row.case.operator != record.baseline]
    same = [standing for standing in rivals if is_same_work(standing.row, baseline.macs)]
    timed = [standing for standing in cell if standing.latency is not None and standing not in same]
    if not timed or (all(standing.row.case.operator == record.baseline for standing in timed) and same):
        others = [standing for standing in rivals if standing not in same]
        return [*_degenerate(record, same), *counted_verdict(record, others)]
    best = min(timed, key=seconds_of)
    return [*_degenerate(record, same), _fastest(record, best, timed, baseline.fastest), *_worth(best, record.baseline)]


def is_same_work(row: Row, baseline_macs: int | None) -> bool:
    """Whether a row computes what the baseline computes: both Kronecker operators do, on one spatial axis."""
    return len(row.case.spatial) == 1 and row.analytic is not None and row.analytic.macs == baseline_macs


def _degenerate(record: Record, same: Sequence[Standing]) -> list[str]:
    """That with one axis there is nothing to take apart."""
    names = list(dict.fromkeys(standing.row.case.operator for standing in same))
    if not names:
        return []
    verb = "is" if len(names) == 1 else "are"
    noise = ": differences in time are noise" if any(standing.latency for standing in same) else ""
    return [f"With one axis {_listed(names)} {verb} {record.baseline} itself{noise}."]


def _fastest(record: Record, best: Standing, timed: Sequence[Standing], baseline: Row | None) -> str:
    """Who is fastest, against the baseline's best; where that is the fastest itself, or is not there, the next one."""
    name, case = named(best, timed), best.row.case
    if baseline is not None and case.operator != record.baseline:
        return f"{name} {faster_by(best.speedup, f'the best {record.baseline} ({baseline.case.implementation})')}"
    others = [standing for standing in timed if standing.row.case.operator != case.operator]
    if not others or best.row.latency is None:
        seconds = best.latency
        return f"{name} takes {format_seconds(seconds.value) if seconds else 'an unknown time'}."
    second = min(others, key=seconds_of)
    factor = quiet_ratio(second.row.latency, best.row.latency) if second.row.latency else None
    beside = faster_by(factor, named(second, timed))
    if beside.startswith("is not surely"):
        return f"{name} has the smallest time, but {beside}"
    return f"{name} is the fastest: {beside.removeprefix('is ')}"


def faster_by(factor: Estimate | None, other: str) -> str:
    """`is 180x as fast as the best nonlocal (sdpa), at least 107x (95 %);` as far as that is known."""
    if factor is None:
        return f"has no common round with {other}."
    if is_too_noisy(factor):
        if factor.low is not None and factor.low > 1:
            return f"is {surely_text(factor)} as fast as {other}; how much more is too noisy to say."
        return f"has the smallest time, too noisy to be compared with {other}."
    if factor.low is not None and factor.low <= 1 and factor.high is not None and factor.high >= 1:
        return f"is not surely faster than {other}: {times_text(factor)} ({surely_text(factor)})."
    sure = surely_text(factor)
    beside = f", {sure}" if sure.startswith("at least") else f" ({sure})"
    return f"is {times_text(factor)} as fast as {other}{beside}."


def _worth(best: Standing, baseline: str) -> list[str]:
    """What it does less, or more, than the baseline."""
    if best.row.case.operator == baseline:
        return []
    macs, memory = best.macs_ratio, best.memory_ratio
    parts = [f"{times_of(macs, 'fewer', 'more')} MACs"] if macs else []
    parts += [f"{times_of(memory, 'less', 'more')} memory"] if memory else []
    return [f"It takes {' and '.join(parts)}."] if parts else []


def counted_verdict(record: Record, rivals: Sequence[Standing]) -> list[str]:
    """What counts say where nothing was timed."""
    counted = [standing for standing in rivals if standing.macs_ratio]
    if not counted:
        return []
    best = max(counted, key=lambda standing: standing.macs_ratio or 0.0)
    memory = f" and {times_of(best.memory_ratio, 'less', 'more')} memory" if best.memory_ratio else ""
    macs = times_of(best.macs_ratio, "fewer", "more")
    return [f"{best.row.case.operator} takes {macs} MACs{memory} than {record.baseline}."]


def named(standing: Standing, among: Sequence[Standing]) -> str:
    """The operator; with its implementation where another one of it stands beside."""
    case = standing.row.case
    alone = sum(other.row.case.operator == case.operator for other in among) == 1
    return case.operator if alone else f"{case.operator} ({case.implementation})"


def times_of(ratio: float | None, above: str, below: str) -> str:
    """A ratio in words: `616x fewer`, `1.40x more`, `as many`."""
    if ratio is None:
        return "unknown"
    if format_ratio(ratio) == SAME:
        return "as many" if above == "fewer" else "as much"
    return f"{format_ratio(ratio)} {above}" if ratio > 1 else f"{format_ratio(1 / ratio)} {below}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last

"""What is estimated of a time, and how sure it is from run to run: quiet time, typical time, and ratios of them. Pure.

Interference only adds time (Chen and Revels, arXiv:1608.04295), and comes in spells that are longer than many samples,
some longer than a run. So the *quiet time*, what a call takes when nothing disturbs it, is the headline: of each
process its fastest blocks of calls, and of the processes the mean, on logarithms. It is what repeats. The *typical
time*, the median, stands beside it.

Samples of a process are no independent evidence; processes are (Kalibera and Jones, ISMM 2013). So an interval is
Student's t over the processes, widened by what a run cannot see of itself: that the next one is disturbed otherwise.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec.structs import replace

from kaoprof.records.measured import Latency
from kaoprof.stats.medians import Estimate, deviation_of, estimate
from kaoprof.stats.student_t import quantile

QUIET_SHARE = 0.01  # of a process's samples may be faster than its quiet time, beside the fastest
FEWEST_PROCESSES = 3  # with two, Student's t is 12.7: such an interval says nothing
FEWEST_SAMPLES = 6  # where the processes are fewer, for an interval
PARTS = 3  # of one process's samples, in the order of time: they stand in for processes, and differ less
UNSEEN_SPREAD = 0.05  # standard deviation between processes, where fewer than three show it: where memory lies
LEVEL = {"spread": 0.01, "share": 1 / 5}  # between runs, of a time: at least so much; and so much of the way from
RATIO = {"spread": 0.005, "share": 1 / 16}  # quiet to typical time, as runs differ more where neighbours disturb them
NORMAL = 10**6  # degrees of freedom of what is taken as known
OUTER = 0.1  # from this quantile to its counterpart other runs' typical times lie: spells outlast runs
PACE_TOLERANCE = 1.1  # times the reference's best, up to which a moment counts as quiet


def quiet_time(latency: Latency) -> Estimate:
    """The seconds of a call that nothing disturbs, and its interval from run to run.

    Every time that stands for a row, in whatever screen, verdict, fit or ratio, is this one. The interval is None where
    there are too few samples for one.
    """
    return _quiet_time(latency)


@lru_cache(maxsize=512)  # several columns and sentences ask for the same one
def _quiet_time(latency: Latency) -> Estimate:
    levels = [math.log(_quiet(samples)) for samples in by_process(latency).values()]
    error = _error(levels, _parts(latency.samples_s), LEVEL, noise_gap(latency))
    return _sure(levels, error, len(latency.samples_s), slower=_excess(latency))


def quiet_s(latency: Latency) -> float:
    """The quiet time alone, in seconds."""
    return quiet_time(latency).value


def quiet_levels(latency: Latency) -> tuple[list[float], list[float]]:
    """The logarithms of the quiet times of each process; and those of the parts of the run, none of few samples."""
    return [math.log(_quiet(samples)) for samples in by_process(latency).values()], _parts(latency.samples_s)


def unseen_spread(latency: Latency) -> float:
    """The standard deviation, on logarithms, by which a row may be off beside the others of its run, unseen by that."""
    share = max(RATIO["spread"], RATIO["share"] * noise_gap(latency))
    return math.hypot(share, math.log(_excess(latency)) / 2 / quantile(NORMAL))


def typical_time(latency: Latency) -> Estimate:
    """The median seconds of a call; the interval holds the typical times of other runs, disturbed more or less."""
    return _typical(latency.samples_s, _processes_of(latency), OUTER)


def quiet_ratio(numerator: Latency, denominator: Latency) -> Estimate | None:
    """The ratio of two quiet times; None if they have no round in common, so that they cannot be compared.

    Process by process, as where memory lies may concern both; with as many samples as the rounds that hold both.
    """
    first, other = _in_common(numerator, denominator)
    if first is None or other is None:
        return None
    if first.samples_s == other.samples_s:  # of a row to itself nothing is unsure
        return Estimate(value=1.0, low=1.0, high=1.0, samples=len(first.samples_s), processes=len(by_process(first)))
    above, below = by_process(first), by_process(other)
    ratios = [math.log(_quiet(above[process]) / _quiet(below[process])) for process in above]
    parts = [up - down for up, down in zip(_parts(first.samples_s), _parts(other.samples_s), strict=True)]
    error = _error(ratios, parts, RATIO, max(noise_gap(first), noise_gap(other)))
    unlike = math.sqrt(max(_excess(first), _excess(other)))
    return _sure(ratios, error, len(first.samples_s), slower=unlike, faster=unlike)


def typical_ratio(numerator: Latency, denominator: Latency) -> Estimate | None:
    """The median of the ratios from the rounds that hold both, so that the machine's drift cancels; None if none do."""
    first, other = _in_common(numerator, denominator)
    if first is None or other is None:
        return None
    ratios = [up / down for up, down in zip(first.samples_s, other.samples_s, strict=True)]
    return _typical(ratios, _processes_of(first), OUTER)


def by_process(latency: Latency) -> dict[int, list[float]]:
    """The samples of each process; of an older record, which names none, all of one."""
    groups: dict[int, list[float]] = {}
    for process, sample in zip(_processes_of(latency), latency.samples_s, strict=True):
        groups.setdefault(process, []).append(sample)
    return groups


def noise_gap(latency: Latency) -> float:
    """How far the typical time lies above the quiet one, as a logarithm: 0 on a machine that nobody else uses."""
    levels = [math.log(_quiet(samples)) for samples in by_process(latency).values()]
    return math.log(estimate(latency.samples_s).value) - _mean(levels)


def _processes_of(latency: Latency) -> Sequence[int]:
    return latency.launches or (0,) * len(latency.samples_s)


def _quiet(samples: Sequence[float]) -> float:
    """The fastest of up to a hundred samples, the second fastest of up to two hundred, and so on."""
    return sorted(samples)[math.ceil(len(samples) * QUIET_SHARE) - 1]


def _parts(samples: Sequence[float]) -> list[float]:
    """The logarithms of the quiet times of the beginning, the middle and the end; none of few samples."""
    if len(samples) < FEWEST_SAMPLES:
        return []
    edges = [round(len(samples) * part / PARTS) for part in range(PARTS + 1)]
    return [math.log(_quiet(samples[begin:end])) for begin, end in itertools.pairwise(edges)]


def _error(levels: Sequence[float], parts: Sequence[float], runs: Mapping[str, float], gap: float) -> float | None:
    """Half of the interval of the mean of `levels`, on logarithms.

    Where the processes are too few to show how they differ, it is assumed, and what one of them shows is added.
    """
    between_runs = quantile(NORMAL) * max(runs["spread"], runs["share"] * gap)
    if len(levels) >= FEWEST_PROCESSES:
        return math.hypot(_student(levels), between_runs)
    if not parts:
        return None
    unseen = quantile(NORMAL) * UNSEEN_SPREAD / math.sqrt(len(levels))
    return math.hypot(_student(parts), unseen, between_runs)


def _student(levels: Sequence[float]) -> float:
    """Half of the interval of a mean, by Student's t."""
    return quantile(len(levels) - 1) * deviation_of(levels) / math.sqrt(len(levels))


def _sure(
    levels: Sequence[float], error: float | None, samples: int, *, slower: float, faster: float = 1.0
) -> Estimate:
    """The mean of `levels` with its interval; that reaches further where the figure may be `slower` times too large."""
    mean = _mean(levels)
    bare = Estimate(value=math.exp(mean), low=None, high=None, samples=samples, processes=len(levels))
    if error is None:
        return bare
    return replace(bare, low=math.exp(mean - error) / slower, high=math.exp(mean + error) * faster)


def _excess(latency: Latency) -> float:
    """How many times slower than at its best the machine was even in the best moments; 1 where that is not known.

    `paces` tell it: a reference that was timed beside each sample. Of each process's fastest samples the middle one.
    """
    if not latency.paces:
        return 1.0
    fastest = sorted(zip(latency.samples_s, latency.paces, strict=True))[: max(1, len(by_process(latency)))]
    pace = estimate([pace for _, pace in fastest]).value
    return pace if pace > PACE_TOLERANCE else 1.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _typical(values: Sequence[float], processes: Sequence[int], outer: float) -> Estimate:
    """The median; its interval by order statistics, by Student's t over processes, and by the outer quantiles."""
    middle = replace(estimate(values), processes=len(set(processes)))
    if middle.low is None or middle.high is None:
        return middle
    ordered = sorted(values)
    rank = math.floor(outer * len(ordered))
    lows, highs = [middle.low, ordered[rank]], [middle.high, ordered[-1 - rank]]
    groups: dict[int, list[float]] = {}
    for process, value in zip(processes, values, strict=True):
        groups.setdefault(process, []).append(value)
    if len(groups) >= FEWEST_PROCESSES:
        levels = [math.log(estimate(group).value) for group in groups.values()]
        mean, half = _mean(levels), _student(levels)
        lows, highs = [*lows, math.exp(mean - half)], [*highs, math.exp(mean + half)]
    return replace(middle, low=min(lows), high=max(highs))


def _in_common(one: Latency, other: Latency) -> tuple[Latency | None, Latency | None]:
    """Both with the samples of the rounds that hold both, in the same order; None if there are none.

    Of a round all samples are from one process.
    """
    common = sorted(set(one.rounds) & set(other.rounds))
    if not common:
        return None, None
    first, second = _of_rounds(one, common), _of_rounds(other, common)
    launches = first.launches or second.launches
    return replace(first, launches=launches), replace(second, launches=launches)


def _of_rounds(latency: Latency, rounds: Sequence[int]) -> Latency:
    place = {number: index for index, number in enumerate(latency.rounds)}
    chosen = [place[number] for number in rounds]
    return replace(
        latency,
        rounds=tuple(rounds),
        samples_s=tuple(latency.samples_s[index] for index in chosen),
        launches=tuple(latency.launches[index] for index in chosen) if latency.launches else (),
        paces=tuple(latency.paces[index] for index in chosen) if latency.paces else (),
        page_faults=(), system_shares=(),
    )  # fmt: skip

"""What is estimated of a time, and how sure it is from run to run: quiet time, typical time, and ratios of them. Pure.

Interference only adds time (Chen and Revels, arXiv:1608.04295), and comes in spells that are longer than many samples,
some longer than a run. So the *quiet time*, what a call takes when nothing disturbs it, is the headline: of each
process its fastest blocks of calls, less what the reference beside them says that even these were slowed, and of the
processes the mean, on logarithms. It is what repeats. The *typical time*, the median, stands beside it.

Samples of a process are no independent evidence; processes are (Kalibera and Jones, ISMM 2013). So an interval is
Student's t over the processes, their variance moderated by what is expected of it (Smyth, 2004, as three alone hardly
show it), widened by what a run cannot see of itself: that the next one is disturbed otherwise.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from kaoprof.records.measured import Latency
from kaoprof.stats.medians import Estimate, deviation_of, interval_rank, median_of
from kaoprof.stats.student_t import moderated, quantile

QUIET_SHARE = 0.01  # of a process's samples may be faster than its quiet time, beside the fastest
FEWEST_PROCESSES = 3  # with two, Student's t is 12.7: such an interval says nothing
FEWEST_SAMPLES = 6  # where the processes are fewer, for an interval
PARTS = 3  # of one process's samples, in the order of time: they stand in for processes, and differ less
UNSEEN_SPREAD = 0.05  # standard deviation between processes, where fewer than three show it: where memory lies
EXPECTED = {"spread": 0.02, "gap": 1 / 10}  # of processes of one run: at least so much; and so much of the way from
EXPECTED_WEIGHT = 2  # quiet to typical time; as if it had been seen with so many degrees of freedom
NORMAL = 10**6  # degrees of freedom of what is taken as known
OUTER = 0.1  # from this quantile to its counterpart other runs' typical times lie: spells outlast runs
CALM_SHARE = 0.1  # of the moments of a run, its calmest
QUIET_PACE = 1.15  # times the reference's best, up to which a moment counts as quiet
SLOWED = 0.55  # the power of the reference's slowness by which calls are slowed: by 1.35 to 1.6 times where it is twice
SLOWEST = 2.0  # beyond it a core was taken away meanwhile: that tells nothing of calls
NEAR = 3  # of a process's fastest samples: the least slowness beside them counts, as chance only adds to it
KNOWN_WITH = 100  # samples: of fewer, quiet moments are missed more often


class _BetweenRuns(msgspec.Struct, frozen=True, kw_only=True):
    """The standard deviation between runs, on logarithms: the largest of these.

    `spread` at least; `gap` of the way from quiet to typical time, and `pace` of how much slower than ever the
    reference was in the calmest tenth of the run, both for `KNOWN_WITH` samples, and the square root more for fewer;
    where no reference was timed, `blind` of the way from quiet to typical time. Upwards `higher`, or all of the way
    to typical time if that is less: a run that was quiet does not tell that the next one is.
    """

    spread: float = 0.015
    higher: float
    gap: float = 0.08
    pace: float = 0.3
    blind: float


LEVEL = _BetweenRuns(higher=0.035, blind=1 / 5)  # of a time
RATIO = _BetweenRuns(higher=0.0, blind=1 / 16)  # of a ratio


class _Samples(msgspec.Struct, frozen=True, gc=False):
    """Samples in the order of time, and what estimates are made of; `groups`, by process, and `ordered` are sorted.

    `fastest` are the logarithms of the fastest samples of the processes, `levels` of their quiet times, `typical` of
    the median; `calm` is that of the pace that the calmest tenth of the run had, None where nobody looked. A report of
    many rows asks for each of them several times a row.
    """

    samples: Sequence[float]
    processes: Sequence[int]
    groups: list[list[float]]
    ordered: list[float]
    fastest: list[float]
    levels: list[float]
    typical: float
    calm: float | None


def _samples(samples: Sequence[float], processes: Sequence[int], paces: Sequence[float]) -> _Samples:
    groups, ordered = _grouped(samples, processes), sorted(samples)
    fastest = [math.log(_quiet(group)) for group in groups]
    return _Samples(
        samples=samples, processes=processes, groups=groups, ordered=ordered, fastest=fastest,
        levels=[level - slow for level, slow in zip(fastest, _slowed(samples, processes, paces, groups), strict=True)],
        typical=math.log(median_of(ordered)),
        calm=math.log(max(1.0, sorted(paces)[math.floor(CALM_SHARE * len(paces))])) if paces else None,
    )  # fmt: skip


def _slowed(
    samples: Sequence[float], processes: Sequence[int], paces: Sequence[float], groups: Sequence[Sequence[float]]
) -> list[float]:
    """By how much the fastest samples of each process were slowed all the same, as a logarithm: the reference tells."""
    if not paces:
        return [0.0] * len(groups)
    nearly = [group[min(NEAR, len(group)) - 1] for group in groups]
    limits = dict(zip(dict.fromkeys(processes), nearly, strict=True))
    least = dict.fromkeys(limits, SLOWEST)
    for process, sample, pace in zip(processes, samples, paces, strict=True):
        if sample <= limits[process] and pace < least[process]:
            least[process] = pace
    return [SLOWED * math.log(max(1.0, pace)) for pace in least.values()]


@lru_cache(maxsize=512)  # several columns and sentences ask for the same ones
def _samples_of(latency: Latency) -> _Samples:
    return _samples(latency.samples_s, _processes_of(latency), latency.paces)


@lru_cache(maxsize=512)
def quiet_time(latency: Latency) -> Estimate:
    """The seconds of a call that nothing disturbs, and its interval from run to run.

    Every time that stands for a row, in whatever screen, verdict or fit, is this one. The interval is None where there
    are too few samples for one.
    """
    taken = _samples_of(latency)
    errors = _errors(taken.levels, _parts(taken), noise_gap(latency), (taken,), LEVEL)
    return _sure(taken.levels, errors, len(taken.samples))


def quiet_s(latency: Latency) -> float:
    """The quiet time alone, in seconds."""
    return quiet_time(latency).value


def quiet_levels(latency: Latency) -> tuple[dict[int, float], list[float]]:
    """The logarithms of the quiet times by process; and those of the parts of the run, where processes are few."""
    taken = _samples_of(latency)
    return dict(zip(dict.fromkeys(taken.processes), taken.levels, strict=True)), _parts(taken)


def unseen_spread(latency: Latency) -> float:
    """The standard deviation, on logarithms, by which a quiet time may be off, unseen by its own run."""
    return _between_runs(noise_gap(latency), (_samples_of(latency),), LEVEL)


def typical_time(latency: Latency) -> Estimate:
    """The median seconds of a call; the interval holds the typical times of other runs, disturbed more or less."""
    taken = _samples_of(latency)
    return _typical(taken.ordered, taken.groups, OUTER)


def quiet_ratio(numerator: Latency, denominator: Latency) -> Estimate | None:
    """The ratio of two quiet times; None if they have no round in common, so that they cannot be compared.

    Process by process, as where memory lies may concern both; with as many samples as the rounds that hold both. What
    slows the one slows the other, so that their fastest samples are compared as they are.
    """
    common = _in_common(numerator, denominator)
    if common is None:
        return None
    first, other = common
    number = len(first.samples)
    if first.samples == other.samples:  # of a row to itself nothing is unsure
        return Estimate(value=1.0, low=1.0, high=1.0, samples=number, processes=len(first.groups))
    ratios = [above - below for above, below in zip(first.fastest, other.fastest, strict=True)]
    parts = [above - below for above, below in zip(_parts(first), _parts(other), strict=True)]
    gap = max(row.typical - _mean(row.fastest) for row in common)
    return _sure(ratios, _errors(ratios, parts, gap, common, RATIO), number)


def typical_ratio(numerator: Latency, denominator: Latency) -> Estimate | None:
    """The median of the ratios from the rounds that hold both, so that the machine's drift cancels; None if none do."""
    common = _in_common(numerator, denominator)
    if common is None:
        return None
    first, other = common
    ratios = [above / below for above, below in zip(first.samples, other.samples, strict=True)]
    return _typical(sorted(ratios), _grouped(ratios, first.processes), OUTER)


def noise_gap(latency: Latency) -> float:
    """How far the typical time lies above the quiet one, as a logarithm: 0 on a machine that nobody else uses."""
    taken = _samples_of(latency)
    return taken.typical - _mean(taken.levels)


def undisturbed(paces: Sequence[float]) -> float | None:
    """The part of the moments with these paces at which the machine was nearly at its best; None of none."""
    return sum(pace <= QUIET_PACE for pace in paces) / len(paces) if paces else None


def _processes_of(latency: Latency) -> Sequence[int]:
    """The process of each sample; of an older record, which names none, one of all."""
    return latency.launches or (0,) * len(latency.samples_s)


def _grouped(samples: Sequence[float], processes: Sequence[int]) -> list[list[float]]:
    """The samples of each process, from the fastest to the slowest."""
    groups: dict[int, list[float]] = {}
    for process, sample in zip(processes, samples, strict=True):
        if process in groups:
            groups[process].append(sample)
        else:
            groups[process] = [sample]
    for group in groups.values():
        group.sort()
    return list(groups.values())


def _quiet(ordered: Sequence[float]) -> float:
    """The fastest of up to a hundred samples, the second fastest of up to two hundred, and so on."""
    return ordered[math.ceil(len(ordered) * QUIET_SHARE) - 1]


def _parts(taken: _Samples) -> list[float]:
    """The logarithms of the fastest of begin, middle and end; none of few samples, nor where processes suffice."""
    samples = taken.samples
    if len(samples) < FEWEST_SAMPLES or len(taken.groups) >= FEWEST_PROCESSES:
        return []
    edges = [round(len(samples) * part / PARTS) for part in range(PARTS + 1)]
    return [math.log(_quiet(sorted(samples[begin:end]))) for begin, end in itertools.pairwise(edges)]


def _errors(
    levels: Sequence[float], parts: Sequence[float], gap: float, rows: Sequence[_Samples], between: _BetweenRuns
) -> tuple[float, float] | None:
    """How far the interval of the mean of `levels` reaches down and up, on logarithms: of one row, or a ratio of two.

    Where the processes are too few to show how they differ, it is assumed, and what the `parts` show is added.
    """
    if len(levels) >= FEWEST_PROCESSES:
        within = _student(levels, gap)
    elif parts:
        within = math.hypot(_student(parts), quantile(NORMAL) * UNSEEN_SPREAD / math.sqrt(len(levels)))
    else:
        return None
    down = _between_runs(gap, rows, between)
    up = max(down, min(between.higher, gap))
    return math.hypot(within, quantile(NORMAL) * down), math.hypot(within, quantile(NORMAL) * up)


def _between_runs(gap: float, rows: Sequence[_Samples], between: _BetweenRuns) -> float:
    """The standard deviation between runs, on logarithms; of the row that is disturbed the most."""
    calm = [row.calm for row in rows if row.calm is not None]
    if len(calm) < len(rows):
        return max(between.spread, between.blind * gap)
    rarely = math.sqrt(KNOWN_WITH / min(len(row.samples) for row in rows))
    return max(between.spread, rarely * between.gap * gap, rarely * between.pace * max(calm))


def _student(levels: Sequence[float], gap: float | None = None) -> float:
    """Half of the interval of a mean, by Student's t; with a `gap`, by the moderated one."""
    known, deviation = len(levels) - 1, deviation_of(levels)
    if gap is not None:
        expected = max(EXPECTED["spread"], EXPECTED["gap"] * gap)
        deviation = math.sqrt(moderated(known * deviation**2, known, expected**2, EXPECTED_WEIGHT))
        known += EXPECTED_WEIGHT
    return quantile(known) * deviation / math.sqrt(len(levels))


def _sure(levels: Sequence[float], errors: tuple[float, float] | None, samples: int) -> Estimate:
    """The mean of `levels` with its interval."""
    mean = _mean(levels)
    low, high = (math.exp(mean - errors[0]), math.exp(mean + errors[1])) if errors else (None, None)
    return Estimate(value=math.exp(mean), low=low, high=high, samples=samples, processes=len(levels))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _typical(ordered: Sequence[float], groups: Sequence[Sequence[float]], outer: float) -> Estimate:
    """The median; its interval by order statistics, by Student's t over processes, and by the outer quantiles."""
    processes = len(groups)
    middle, rank = median_of(ordered), interval_rank(len(ordered))
    if not rank:
        return Estimate(value=middle, low=None, high=None, samples=len(ordered), processes=processes)
    rank = min(rank, math.floor(outer * len(ordered)) + 1)  # whichever reaches further
    low, high = ordered[rank - 1], ordered[-rank]
    if processes >= FEWEST_PROCESSES:
        levels = [math.log(median_of(group)) for group in groups]
        mean, half = _mean(levels), _student(levels)
        low, high = min(low, math.exp(mean - half)), max(high, math.exp(mean + half))
    return Estimate(value=middle, low=low, high=high, samples=len(ordered), processes=processes)


@lru_cache(maxsize=16)  # both ratios of a row ask for the same ones
def _in_common(numerator: Latency, denominator: Latency) -> tuple[_Samples, _Samples] | None:
    """The samples of the rounds that hold both, in the same order; None if there are none.

    Of a round all samples are from one process.
    """
    rounds = numerator.rounds
    alike = rounds == denominator.rounds and numerator.launches == denominator.launches
    if alike and list(rounds) == sorted(rounds):  # nearly always
        return (_samples_of(numerator), _samples_of(denominator)) if rounds else None
    common = sorted(set(rounds) & set(denominator.rounds))
    if not common:
        return None
    told = numerator if numerator.launches else denominator  # one of them may be older, and name none
    processes = dict(zip(told.rounds, _processes_of(told), strict=True))
    return _chosen(numerator, common, processes), _chosen(denominator, common, processes)


def _chosen(latency: Latency, rounds: Sequence[int], processes: Mapping[int, int]) -> _Samples:
    """What is from some rounds, in that order."""
    place = {number: index for index, number in enumerate(latency.rounds)}
    chosen = [place[number] for number in rounds]
    paces = [latency.paces[index] for index in chosen] if latency.paces else ()
    return _samples([latency.samples_s[index] for index in chosen], [processes[number] for number in rounds], paces)

"""Medians, their intervals and paired ratios, from raw samples. Pure; free of assumptions about the noise's shape.

The one exception is what differs between processes, of which there are too few for anything but Student's t.
"""

import math
from collections.abc import Sequence
from functools import cache, lru_cache

import msgspec
from msgspec.structs import replace

from kaoprof.records.measured import Latency
from kaoprof.stats.student_t import CONFIDENCE, quantile

FEWEST_LAUNCHES = 3  # with two, Student's t is 12.7: such an interval says nothing


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A median with its confidence interval; `low` and `high` are None where too few samples allow none."""

    median: float
    low: float | None
    high: float | None
    samples: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends; None where there is no interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def estimate(samples: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The median and its distribution-free interval: the k-th smallest and k-th largest sample.

    k is the largest rank for which a binomial(n, 1/2) argument gives at least `confidence` (Conover, Practical
    Nonparametric Statistics, section 3.2); below 6 samples no rank does, for 95 %.
    """
    ordered = sorted(samples)
    rank = interval_rank(len(ordered), confidence)
    low, high = (ordered[rank - 1], ordered[-rank]) if rank else (None, None)
    return Estimate(median=median_of(ordered), low=low, high=high, samples=len(ordered))


def median_of(ordered: Sequence[float]) -> float:
    """The middle of what is in order, of an even number the mean of both."""
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def deviation_of(values: Sequence[float]) -> float:
    """The standard deviation of two or more samples; in a record of many rows exact fractions would take minutes."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@cache
def interval_rank(n: int, confidence: float = CONFIDENCE) -> int:
    """The largest k such that [k-th smallest, k-th largest] of n samples covers the median; 0 if there is none."""
    tail = 0.0
    rank = 0
    while rank < n // 2:
        tail += math.comb(n, rank) * 0.5**n  # P(fewer than rank + 1 samples lie below the median)
        if 1 - 2 * tail < confidence:
            break
        rank += 1
    return rank


def median_beside(latency: Latency | None, name: str) -> float | None:
    """The median of what was seen beside each sample: its `page_faults` or `system_shares`; None if nothing was."""
    beside = getattr(latency, name, ())
    return median_of(sorted(beside)) if beside else None


@lru_cache(maxsize=256)  # several columns and sentences ask for the same one
def latency_estimate(latency: Latency) -> Estimate:
    """The median seconds of a call; the interval holds what differs within a process, and between processes.

    Every interval of a latency that anything of kaoprof shows is this one.
    """
    return _widened(estimate(latency.samples_s), latency.samples_s, latency.launches)


def median_s(latency: Latency) -> float:
    """The median seconds of a call."""
    return latency_estimate(latency).median


def _widened(within: Estimate, samples: Sequence[float], launches: Sequence[int]) -> Estimate:
    """The estimate with an interval that also holds the processes' differences: where memory lies changes a latency.

    The medians of the processes are the sample, in logarithms: their mean's interval by Student's t, and the one that
    is there already, together. `launches[i]` is the process of `samples[i]`; with fewer than three nothing changes.
    """
    by_launch: dict[int, list[float]] = {}
    for launch, sample in zip(launches, samples, strict=False):  # no launches are known of an older record
        by_launch.setdefault(launch, []).append(sample)
    if len(by_launch) < FEWEST_LAUNCHES or within.low is None or within.high is None:
        return within
    logs = [math.log(median_of(sorted(group))) for group in by_launch.values()]
    mean, half = math.fsum(logs) / len(logs), quantile(len(logs) - 1) * deviation_of(logs) / math.sqrt(len(logs))
    low, high = math.exp(mean - half), math.exp(mean + half)
    return replace(within, low=min(within.low, low), high=max(within.high, high))


def paired_ratio(numerator: Latency, denominator: Latency) -> Estimate | None:
    """The ratio of two latencies from the rounds that hold both, so that a machine's drift cancels; None if none do."""
    by_round = dict(zip(denominator.rounds, denominator.samples_s, strict=True))
    launches = numerator.launches or (0,) * len(numerator.rounds)
    pairs = [
        (sample / by_round[number], launch)
        for number, sample, launch in zip(numerator.rounds, numerator.samples_s, launches, strict=True)
        if number in by_round
    ]
    if not pairs:
        return None
    ratios, of_launch = zip(*pairs, strict=True)
    return _widened(estimate(ratios), ratios, of_launch)


def spread(samples: Sequence[float]) -> float:
    """Interquartile range over median: 0 for a steady machine. Needs two samples; one has no spread to show."""
    ordered = sorted(samples)
    return (_quantile(ordered, 3 / 4) - _quantile(ordered, 1 / 4)) / median_of(ordered)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two samples around it, in proportion (Hyndman and Fan, 1996, definition 7)."""
    place = (len(ordered) - 1) * share
    below = min(int(place), len(ordered) - 2)
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])

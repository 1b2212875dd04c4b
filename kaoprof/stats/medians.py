"""Medians and their order statistics, from samples that are independent of each other. Pure.

Samples of a time are not, as disturbances come in spells: see `timings`, which makes every interval of a time.
"""

import math
from collections.abc import Sequence
from functools import cache

import msgspec

from kaoprof.records.measured import Latency
from kaoprof.stats.student_t import CONFIDENCE


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its 95 % interval; `low` and `high` are None where too few samples allow none.

    `processes` is how many of them the samples are from.
    """

    value: float
    low: float | None
    high: float | None
    samples: int
    processes: int = 1

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends; None where there is no interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def half_width(self) -> float:
        """Half of the interval's length, relative to the figure; infinite where there is none."""
        return math.inf if self.low is None or self.high is None else (self.high - self.low) / 2 / self.value


def estimate(samples: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The median and its distribution-free interval: the k-th smallest and k-th largest sample.

    k is the largest rank for which a binomial(n, 1/2) argument gives at least `confidence` (Conover, Practical
    Nonparametric Statistics, section 3.2); below 6 samples no rank does, for 95 %.
    """
    ordered = sorted(samples)
    rank = interval_rank(len(ordered), confidence)
    low, high = (ordered[rank - 1], ordered[-rank]) if rank else (None, None)
    return Estimate(value=median_of(ordered), low=low, high=high, samples=len(ordered))


def median_of(ordered: Sequence[float]) -> float:
    """The middle of what is in order, of an even number the mean of both."""
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def deviation_of(values: Sequence[float]) -> float:
    """The standard deviation of two or more samples; in a record of many rows exact fractions would take minutes."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum([(value - mean) ** 2 for value in values]) / (len(values) - 1))


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


def spread(samples: Sequence[float]) -> float:
    """Interquartile range over median: 0 for a steady machine. Needs two samples; one has no spread to show."""
    ordered = sorted(samples)
    return (_quantile(ordered, 3 / 4) - _quantile(ordered, 1 / 4)) / median_of(ordered)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two samples around it, in proportion (Hyndman and Fan, 1996, definition 7)."""
    place = (len(ordered) - 1) * share
    below = min(int(place), len(ordered) - 2)
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])

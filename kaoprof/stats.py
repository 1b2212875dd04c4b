"""Medians, their intervals and paired ratios, from raw samples. Pure; free of assumptions about the noise's shape."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kaoprof.records import Latency

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A median with its confidence interval; `low` and `high` are None where too few samples allow none."""

    median: float
    low: float | None
    high: float | None
    samples: int


def estimate(samples: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """The median and its distribution-free interval: the k-th smallest and k-th largest sample.

    k is the largest rank for which a binomial(n, 1/2) argument gives at least `confidence` (Conover, Practical
    Nonparametric Statistics, section 3.2); below 6 samples no rank does, for 95 %.
    """
    import statistics  # opened late: the closed forms need no medians

    ordered = sorted(samples)
    rank = interval_rank(len(ordered), confidence)
    low, high = (ordered[rank - 1], ordered[-rank]) if rank else (None, None)
    return Estimate(median=statistics.median(ordered), low=low, high=high, samples=len(ordered))


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


def paired_ratio(numerator: Latency, denominator: Latency) -> Estimate | None:
    """The ratio of two latencies from the rounds that hold both, so that a machine's drift cancels; None if none do."""
    by_round = dict(zip(denominator.rounds, denominator.samples_s, strict=True))
    ratios = [
        sample / by_round[number]
        for number, sample in zip(numerator.rounds, numerator.samples_s, strict=True)
        if number in by_round
    ]
    return estimate(ratios) if ratios else None


def spread(samples: Sequence[float]) -> float:
    """Interquartile range over median: 0 for a steady machine. Needs two samples; one has no spread to show."""
    import statistics

    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return (high - low) / statistics.median(samples)

"""Student's t distribution, two-sided, for whole degrees of freedom: exact finite sums. Pure."""

import math
from functools import lru_cache

CONFIDENCE = 0.95  # of every interval, unless told otherwise
LARGEST_T = 1e9  # beyond it no interval means anything
NORMAL_FROM = 1000  # degrees of freedom from which on the normal distribution serves: 0.1 % off
STEPS = 200  # of halving an interval: until no float lies between its ends


def probability_within(t: float, freedom: int) -> float:
    """The probability that |T| <= t.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    if freedom >= NORMAL_FROM:
        return math.erf(t / math.sqrt(2))
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


@lru_cache(maxsize=1024)
def quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The t within which T lies with probability `confidence`: 12.7 for 1 degree of freedom and 95 %.

    Raises:
        ValueError: no degree of freedom, or a confidence that is no probability.
    """
    if freedom < 1 or not 0 < confidence < 1:
        raise ValueError(f"no quantile for {freedom} degrees of freedom and confidence {confidence}")
    low, high = 0.0, LARGEST_T
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if probability_within(middle, freedom) < confidence else (low, middle)
    return high


def moderated(squares: float, freedom: int, expected: float, trust: int) -> float:
    """A variance that few deviations hardly show, drawn towards what is expected of it (Smyth, 2004).

    Args:
        squares: the sum of the squared deviations.
        freedom: its degrees of freedom.
        expected: the variance that was expected.
        trust: degrees of freedom with which that counts, as if it had been seen.
    """
    return (squares + trust * expected) / (freedom + trust)

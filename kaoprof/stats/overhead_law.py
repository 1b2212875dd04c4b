"""Time as the overhead of a call plus a power of the size: `t = a + b s^k`, fitted to measured points. Pure.

At small sizes a call's overhead hides the growth, and a line through all points on logarithms is too flat. With the
overhead as a term of its own every point counts only for what it can tell: where the overhead dominates, for the
overhead. Such sizes are named, and the exponent rests on the others.
"""

import math
from collections.abc import Mapping

import msgspec

from kaoprof.stats.power_law import MIN_POINTS, law_through
from kaoprof.stats.student_t import quantile

PARAMETERS = 3  # a, b and k: with fewer than 4 points nothing is left to tell how sure they are
DOMINATES = 0.5  # share of a call's time from which on the overhead hides the growth
LAW_SPREAD = 0.02  # no power law holds more closely than this: caches, blocking, threads
UNKNOWN_SPREAD = 0.10  # of a time that has no interval
TRUST = 4  # degrees of freedom with which the times' own intervals count beside the residuals


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """A time in seconds, and the half width of its 95 % interval relative to it; None where it has none."""

    seconds: float
    half_width: float | None


class OverheadLaw(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds = overhead_s + coefficient * size^exponent`, `margin` being half the exponent's 95 % interval.

    `dominated` are the sizes where the overhead is more than half of the time, `beyond` the others.
    """

    overhead_s: float
    coefficient: float
    exponent: float
    margin: float
    dominated: tuple[int, ...]
    beyond: tuple[int, ...]

    def seconds(self, size: float) -> float:
        """How long a call takes, by the fit."""
        return float(self.overhead_s + self.coefficient * size**self.exponent)


def overhead_law(timed: Mapping[int, Timed]) -> OverheadLaw | None:
    """The law through all points, by weighted least squares on the logarithm of time; None if they are too few.

    Weights come from each time's own interval, and are limited by `LAW_SPREAD`; how sure the exponent is from these and
    from the residuals: four points, through which three parameters are laid, leave one residual, which tells nothing.
    Where an overhead does not make the fit better, there is none in it.
    """
    pure = pure_law(timed)
    if pure is None or len(timed) <= PARAMETERS:
        return pure
    (seconds, weights), sizes = _points(timed), sorted(timed)
    if not _bends_up(pure, seconds, weights):
        return pure
    from kaoprof.stats.overhead_fit import best_fit

    fit = best_fit(seconds, weights, TRUST)
    if fit is None:
        return pure
    overhead_s, coefficient, exponent, margin = fit
    dominated = tuple(size for size in sizes if overhead_s > DOMINATES * (overhead_s + coefficient * size**exponent))
    return OverheadLaw(
        overhead_s=overhead_s, coefficient=coefficient, exponent=exponent, margin=margin, dominated=dominated,
        beyond=tuple(size for size in sizes if size not in dominated),
    )  # fmt: skip


def pure_law(timed: Mapping[int, Timed]) -> OverheadLaw | None:
    """The same without an overhead: a power law through all points; None if they are too few."""
    if len(timed) < MIN_POINTS:
        return None
    law = law_through(*_points(timed), trust=TRUST)
    return OverheadLaw(
        overhead_s=0.0, coefficient=math.exp(law.intercept), exponent=law.exponent, margin=law.margin,
        dominated=(), beyond=tuple(sorted(timed)),
    )  # fmt: skip


def _points(timed: Mapping[int, Timed]) -> tuple[dict[int, float], dict[int, float]]:
    """Seconds and weights by size."""
    seconds = {size: taken.seconds for size, taken in timed.items()}
    return seconds, {size: _weight(taken) for size, taken in timed.items()}


def _weight(taken: Timed) -> float:
    deviation = UNKNOWN_SPREAD if taken.half_width is None else taken.half_width / quantile(10**6)
    return 1 / (deviation**2 + LAW_SPREAD**2)


def _bends_up(pure: OverheadLaw, seconds: Mapping[int, float], weights: Mapping[int, float]) -> bool:
    """Whether a little overhead improves the power law: the slope of the squared residuals at an overhead of 0."""
    slope = sum(
        weights[size] * math.log(taken / pure.seconds(size)) / pure.seconds(size) for size, taken in seconds.items()
    )
    return slope > 0

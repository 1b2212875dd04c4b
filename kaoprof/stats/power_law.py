"""A quantity as a power of a size, by regression on logarithms; and which size takes how long, and how sure that is.

Pure. A power law holds only locally, so `fitted` uses only points near a limit, and trusts it only a little beyond.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

from kaoprof.stats.student_t import moderated, quantile

MIN_POINTS = 3  # a line through two has no residual, so no interval
SPAN = 40.0  # points from limit / SPAN to limit * SPAN in time count as near
MOST_POINTS = 5  # of these, the nearest to the limit
REACH = 2.0  # the largest factor in size beyond the measured sizes that an answer may lie
CONTRADICTED = 4.0  # times the expected variance: residuals that chance hardly makes, one of one in 22
LEAST_EXPONENT = 0.3  # below it, time hardly depends on the size: a call's overhead


class PowerLaw(msgspec.Struct, frozen=True, kw_only=True):
    """`log(seconds) = intercept + exponent * log(size)`, with what its 95 % band needs; or of another quantity.

    Args:
        spread: of the residuals, times Student's t; infinite through two points, which leave none.
        center: mean of the logarithms of the sizes, weighted as the points are.
        width: sum of their squared distances from it, likewise.
        points: how many there are.
        smallest: measured size; `largest` likewise.
    """

    intercept: float
    exponent: float
    spread: float
    center: float
    width: float
    points: int
    smallest: int
    largest: int

    @property
    def margin(self) -> float:
        """Half the exponent's 95 % interval."""
        return self.spread / math.sqrt(self.width)

    def seconds(self, size: float) -> float:
        """How long a call takes, by the fit."""
        return math.exp(self.intercept + self.exponent * math.log(size))

    def size(self, seconds: float) -> float:
        """The size that takes so long, by the fit."""
        return math.exp((math.log(seconds) - self.intercept) / self.exponent)

    def interval(self, seconds: float) -> tuple[float, float]:
        """The sizes between which the one that takes so long lies, 95 %: the fit's uncertainty where it crosses."""
        middle = math.log(self.size(seconds))
        distance = (middle - self.center) ** 2 / self.width
        margin = self.spread * math.sqrt(1 / self.points + distance) / self.exponent
        return math.exp(middle - margin), math.exp(middle + margin)


def fitted(seconds: Mapping[int, float], limit_s: float) -> PowerLaw | None:
    """The power law through the points near the limit; None if there are too few."""
    near = [size for size, taken in seconds.items() if limit_s / SPAN <= taken <= limit_s * SPAN]
    near = sorted(sorted(near, key=lambda size: abs(math.log(seconds[size] / limit_s)))[:MOST_POINTS])
    if len(near) < MIN_POINTS:
        return None
    return law_through({size: seconds[size] for size in near})


def law_through(values: Mapping[int, float], weights: Mapping[int, float] | None = None, trust: int = 0) -> PowerLaw:
    """The power law through points at two or more sizes: weighted least squares on logarithms.

    Args:
        values: size -> what was measured there, above 0.
        weights: size -> the inverse of the relative variance; None: all alike.
        trust: as if the weights had been seen to hold with so many degrees of freedom; 0: the residuals alone tell how
            sure the fit is, and weights count up to a common factor.
    """
    sizes = sorted(values)
    x = [math.log(size) for size in sizes]
    y = [math.log(values[size]) for size in sizes]
    w = relative_weights(sizes, weights)
    center, level = _mean(w, x), _mean(w, y)
    around = [(weight, left - center, right - level) for weight, left, right in zip(w, x, y, strict=True)]
    width = sum(weight * left**2 for weight, left, _ in around)
    exponent = sum(weight * left * right for weight, left, right in around) / width
    intercept = level - exponent * center
    freedom = len(x) - 2
    residual = sum(weight * (right - exponent * left) ** 2 for weight, left, right in around)
    return PowerLaw(
        intercept=intercept,
        exponent=exponent,
        spread=half_interval(residual, freedom, trust, expected_variance(weights)),
        center=center,
        width=width,
        points=len(x),
        smallest=sizes[0],
        largest=sizes[-1],
    )


def half_interval(residual: float, freedom: int, trust: int, expected: float) -> float:
    """Half of a 95 % interval in deviations of one point, from the squared residuals and what was expected of them.

    The variance is moderated, unless the residuals say that points do not lie as was expected: then these alone count.
    """
    if residual > CONTRADICTED * freedom * expected:
        trust = 0
    known = freedom + trust
    return quantile(known) * math.sqrt(moderated(residual, freedom, expected, trust)) if known else math.inf


def expected_variance(weights: Mapping[int, float] | None) -> float:
    """The variance of a point whose relative weight is 1."""
    return len(weights) / math.fsum(weights.values()) if weights else 0.0


def _mean(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / len(values)


def relative_weights(sizes: Sequence[int], weights: Mapping[int, float] | None) -> list[float]:
    """The weight of each size, 1 on average."""
    if weights is None:
        return [1.0] * len(sizes)
    mean = sum(weights[size] for size in sizes) / len(sizes)
    return [weights[size] / mean for size in sizes]


def objection(law: PowerLaw | None, limit_s: float, axis: str) -> str | None:
    """Why the measured points do not say which size takes so long; None if they do."""
    if law is None:
        return f"fewer than {MIN_POINTS} sizes could be measured near the limit"
    if law.exponent < LEAST_EXPONENT:
        return f"between {axis}={law.smallest} and {law.largest} time hardly depends on {axis}: a call's overhead"
    answer = law.size(limit_s)
    beyond, below = answer / law.largest, law.smallest / answer
    if beyond > REACH:
        return f"the answer lies {beyond:.1f}x beyond the largest measured size, {axis}={law.largest}"
    if below > REACH:
        return f"the answer lies {below:.1f}x below the smallest measured size, {axis}={law.smallest}"
    return None

"""Time as a power of a size, fitted to measured points near a limit: which size takes how long, and how sure that is.

Pure. A power law holds only locally, so only points near the limit are used, and it is trusted only a little beyond.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

MIN_POINTS = 3  # a line through two has no residual, so no interval
SPAN = 40.0  # points from limit / SPAN to limit * SPAN in time count as near
MOST_POINTS = 5  # of these, the nearest to the limit
REACH = 2.0  # the largest factor in size beyond the measured sizes that an answer may lie
LEAST_EXPONENT = 0.3  # below it, time hardly depends on the size: a call's overhead
T_95 = (12.71, 4.303, 3.182)  # Student's t, two-sided 95 %, for 1, 2, ... degrees of freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLaw:
    """`log(seconds) = intercept + exponent * log(size)`, with what its 95 % band needs.

    Args:
        spread: of the residuals, times Student's t.
        center: mean of the logarithms of the sizes.
        width: sum of their squared distances from it.
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
    x = [math.log(size) for size in near]
    y = [math.log(seconds[size]) for size in near]
    center, level = sum(x) / len(x), sum(y) / len(y)
    width = sum((value - center) ** 2 for value in x)
    exponent = sum((left - center) * (right - level) for left, right in zip(x, y, strict=True)) / width
    intercept = level - exponent * center
    freedom = len(x) - 2
    residual = sum((right - intercept - exponent * left) ** 2 for left, right in zip(x, y, strict=True))
    return PowerLaw(
        intercept=intercept,
        exponent=exponent,
        spread=T_95[freedom - 1] * math.sqrt(residual / freedom),
        center=center,
        width=width,
        points=len(x),
        smallest=near[0],
        largest=near[-1],
    )


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

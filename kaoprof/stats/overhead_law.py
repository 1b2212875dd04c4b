"""Time as the overhead of a call plus a power of the size: `t = a + b s^k`, fitted to measured points. Pure.

At small sizes a call's overhead hides the growth, and a line through all points on logarithms is too flat. With the
overhead as a term of its own every point counts only for what it can tell: where the overhead dominates, for the
overhead. Such sizes are named, and the exponent rests on the others.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

from kaoprof.stats.power_law import MIN_POINTS, law_through, relative_weights
from kaoprof.stats.student_t import quantile

PARAMETERS = 3  # a, b and k: with fewer than 4 points nothing is left to tell how sure they are
DOMINATES = 0.5  # share of a call's time from which on the overhead hides the growth
LAW_SPREAD = 0.02  # no power law holds more closely than this: caches, blocking, threads
UNKNOWN_SPREAD = 0.10  # of a median that has no interval
FIRST_GUESS = 0.5  # the overhead as a share of the shortest time, to begin with
MOST_STEPS = 60  # of improving the fit
CONVERGED = 1e-7  # relative improvement below which it is at its best
WORST_CONDITION = 1e14  # of equations that still have an answer
DAMPING, MOST_DAMPING = 1e-3, 1e6

Vector = list[float]


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """A median in seconds, and the half width of its 95 % interval relative to it; None where it has none."""

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

    Weights come from each median's own interval, and are limited by `LAW_SPREAD`; the size of the errors from the
    residuals, hence Student's t. Where an overhead does not make the fit better, there is none in it.
    """
    pure = pure_law(timed)
    if pure is None or len(timed) <= PARAMETERS:
        return pure
    seconds, weights, sizes = _seconds(timed), _weights(timed), sorted(timed)
    if not _bends_up(pure, seconds, weights):
        return pure
    fit = _Fit(sizes, [seconds[size] for size in sizes], relative_weights(sizes, weights))
    return fit.law() or pure


def pure_law(timed: Mapping[int, Timed]) -> OverheadLaw | None:
    """The same without an overhead: a power law through all points; None if they are too few."""
    if len(timed) < MIN_POINTS:
        return None
    law = law_through(_seconds(timed), _weights(timed))
    return OverheadLaw(
        overhead_s=0.0, coefficient=math.exp(law.intercept), exponent=law.exponent, margin=law.margin,
        dominated=(), beyond=tuple(sorted(timed)),
    )  # fmt: skip


def _seconds(timed: Mapping[int, Timed]) -> dict[int, float]:
    return {size: one.seconds for size, one in timed.items()}


def _weights(timed: Mapping[int, Timed]) -> dict[int, float]:
    return {size: _weight(one) for size, one in timed.items()}


def _weight(one: Timed) -> float:
    deviation = UNKNOWN_SPREAD if one.half_width is None else one.half_width / quantile(10**6)
    return 1 / (deviation**2 + LAW_SPREAD**2)


def _bends_up(pure: OverheadLaw, seconds: Mapping[int, float], weights: Mapping[int, float]) -> bool:
    """Whether a little overhead improves the power law: the slope of the squared residuals at an overhead of 0."""
    slope = sum(
        weights[size] * math.log(taken / pure.seconds(size)) / pure.seconds(size) for size, taken in seconds.items()
    )
    return slope > 0


class _Fit:
    """Levenberg's and Marquardt's method for `log t = log(a + b s^k)` in the parameters log a, log b, k."""

    def __init__(self, sizes: Sequence[int], seconds: Sequence[float], weights: Sequence[float]) -> None:
        self.sizes = sizes
        self.center = sum(map(math.log, sizes)) / len(sizes)
        self.x = [math.log(size) - self.center for size in sizes]  # b is the time at the middle size: well conditioned
        self.y = [math.log(taken) for taken in seconds]
        self.weights = weights

    def law(self) -> OverheadLaw | None:
        """The best fit; None where the overhead vanishes in it or the points do not determine it."""
        parameters = self._descend(self._start())
        normal, _ = self._normal(parameters)
        a, b, exponent = math.exp(parameters[0]), math.exp(parameters[1]), parameters[2]
        unit = _solved(normal, [0.0, 0.0, 1.0])
        if unit is None or unit[2] <= 0:
            return None
        freedom = len(self.x) - PARAMETERS
        margin = quantile(freedom) * math.sqrt(self._residual(parameters) / freedom * unit[2])
        coefficient = b * math.exp(-exponent * self.center)
        dominated = [size for size in self.sizes if a > DOMINATES * (a + coefficient * size**exponent)]
        return OverheadLaw(
            overhead_s=a, coefficient=coefficient, exponent=exponent, margin=margin,
            dominated=tuple(dominated), beyond=tuple(size for size in self.sizes if size not in dominated),
        )  # fmt: skip

    def _start(self) -> Vector:
        overhead = FIRST_GUESS * math.exp(min(self.y))
        above = {size: math.exp(y) - overhead for size, y in zip(self.sizes, self.y, strict=True)}
        law = law_through(above)
        return [math.log(overhead), law.intercept + law.exponent * self.center, law.exponent]

    def _descend(self, parameters: Vector) -> Vector:
        residual, damping = self._residual(parameters), DAMPING
        for _ in range(MOST_STEPS):
            normal, gradient = self._normal(parameters)
            damped = [
                [value * (1 + damping * (row == column)) for column, value in enumerate(line)]
                for row, line in enumerate(normal)
            ]
            step = _solved(damped, gradient)
            tried = [old + change for old, change in zip(parameters, step or [0.0] * PARAMETERS, strict=True)]
            now = self._residual(tried)
            if now < residual:
                parameters, damping = tried, damping / 10
                if residual - now <= CONVERGED * residual:
                    break
                residual = now
            elif damping > MOST_DAMPING:
                break
            else:
                damping *= 10
        return parameters

    def _parts(self, parameters: Vector) -> tuple[Vector, Vector]:
        """The logarithm of the whole, and the overhead's share, at each size."""
        log_a, log_b, exponent = parameters
        wholes, shares = [], []
        for x in self.x:
            growing = log_b + exponent * x
            top = max(log_a, growing)
            whole = top + math.log(math.exp(log_a - top) + math.exp(growing - top))
            wholes.append(whole)
            shares.append(math.exp(log_a - whole))
        return wholes, shares

    def _residual(self, parameters: Vector) -> float:
        wholes, _ = self._parts(parameters)
        return sum(w * (y - whole) ** 2 for w, y, whole in zip(self.weights, self.y, wholes, strict=True))

    def _normal(self, parameters: Vector) -> tuple[list[Vector], Vector]:
        """The normal equations: derivatives of log t are the share, its rest, and that times log s."""
        wholes, shares = self._parts(parameters)
        normal = [[0.0] * PARAMETERS for _ in range(PARAMETERS)]
        gradient = [0.0] * PARAMETERS
        for w, x, y, whole, share in zip(self.weights, self.x, self.y, wholes, shares, strict=True):
            derivatives = (share, 1 - share, (1 - share) * x)
            for row, left in enumerate(derivatives):
                gradient[row] += w * left * (y - whole)
                for column, right in enumerate(derivatives):
                    normal[row][column] += w * left * right
        return normal, gradient


def _solved(matrix: Sequence[Vector], right: Sequence[float]) -> Vector | None:
    """The solution of linear equations; None if there is not exactly one."""
    import numpy as np  # opened late: a fit needs it, and nothing else here does

    if np.linalg.cond(matrix) > WORST_CONDITION:  # nothing but rounding is left
        return None
    return [float(value) for value in np.linalg.solve(matrix, right)]

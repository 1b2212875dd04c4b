"""Least squares for `log t = log(a + b s^k)`: Levenberg's and Marquardt's method. Opened late: needs numpy."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kaoprof.stats.power_law import expected_variance, half_interval, law_through, relative_weights

FIRST_GUESS = 0.5  # the overhead as a share of the shortest time, to begin with
MOST_STEPS = 60  # of improving the fit
CONVERGED = 1e-7  # relative improvement below which it is at its best
WORST_CONDITION = 1e14  # of equations that still have an answer
DAMPING, MOST_DAMPING = 1e-3, 1e6

Array = np.ndarray[Any, np.dtype[Any]]


def best_fit(
    seconds: Mapping[int, float], weights: Mapping[int, float], trust: int
) -> tuple[float, float, float, float] | None:
    """The overhead a, the coefficient b, the exponent k and half its 95 % interval; arguments as of `law_through`.

    None where the overhead vanishes in the best fit, or the points do not determine it.
    """
    sizes = sorted(seconds)
    center = float(np.log(sizes).mean())  # so b is the time at the middle size
    x, y = np.log(sizes) - center, np.log([seconds[size] for size in sizes])
    w = np.asarray(relative_weights(sizes, weights))
    overhead = FIRST_GUESS * min(seconds.values())
    above = law_through({size: taken - overhead for size, taken in seconds.items()})
    start = np.array([math.log(overhead), above.intercept + above.exponent * center, above.exponent])
    best = _descended(start, x, y, w)
    whole, slopes = _model(best, x)
    unit = _solved(slopes * w @ slopes.T, np.array([0.0, 0.0, 1.0]))
    if unit is None or unit[2] <= 0:
        return None
    freedom = len(x) - len(best)
    residual = float(w @ (y - whole) ** 2)
    margin = half_interval(residual, freedom, trust, expected_variance(weights)) * math.sqrt(unit[2])
    log_a, log_b, exponent = map(float, best)
    return math.exp(log_a), math.exp(log_b) * math.exp(-exponent * center), exponent, margin


def _descended(parameters: Array, x: Array, y: Array, w: Array) -> Array:
    """Better and better parameters log a, log b and k, until they are at their best."""
    damping = DAMPING
    for _ in range(MOST_STEPS):
        whole, slopes = _model(parameters, x)
        residual = w @ (y - whole) ** 2
        normal = slopes * w @ slopes.T
        step = _solved(normal + damping * np.diag(np.diag(normal)), slopes * w @ (y - whole))
        tried = parameters if step is None else parameters + step
        now = w @ (y - _model(tried, x)[0]) ** 2
        if now < residual:
            parameters, damping = tried, damping / 10
            if residual - now <= CONVERGED * residual:
                break
        elif damping > MOST_DAMPING:
            break
        else:
            damping *= 10
    return parameters


def _model(parameters: Array, x: Array) -> tuple[Array, Array]:
    """log t at each size, and its slopes in the parameters: the overhead's share, its rest, and that times log s."""
    log_a, log_b, exponent = parameters
    whole = np.logaddexp(log_a, log_b + exponent * x)
    share = np.exp(log_a - whole)
    return whole, np.stack([share, 1 - share, (1 - share) * x])


def _solved(matrix: Array, right: Array) -> Array | None:
    """The solution of linear equations; None if there is not exactly one."""
    return np.linalg.solve(matrix, right) if np.linalg.cond(matrix) <= WORST_CONDITION else None

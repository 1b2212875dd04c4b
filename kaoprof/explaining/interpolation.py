"""Formulas from concrete counts alone: exact polynomial interpolation, for modules that refuse symbolic sizes.

Counts are integers, so the arithmetic is exact; that the count *is* a polynomial is an assumption. It is tested where
the degree is read off (the next differences must vanish) and again at held-out sizes by `verification`.
"""

import itertools
from collections.abc import Callable, Mapping

import msgspec
import sympy

from kaoprof.errors import KaoprofError
from kaoprof.explaining.expressions import size_symbol
from kaoprof.explaining.validity import Domain

STEPS = (*range(1, 9), 16, 32)  # distances between sizes that are tried: heads, strides and windows need multiples
MOST_DEGREE = 6  # of one size, as N^2 in 3-D; a higher one is taken for no polynomial
VANISHING = 2  # so many further differences must be zero before a degree is believed
MOST_COUNTS = 3000  # concrete counts that an interpolation may take

Count = Callable[[Mapping[str, int]], dict[str, int]]


class NotPolynomialCountError(KaoprofError):
    """The counts follow no polynomial of the sizes."""


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """How one size is sampled: `first + step * k` for k from 0 to the degree."""

    name: str
    first: int
    step: int
    degree: int


class Interpolation(msgspec.Struct, frozen=True, kw_only=True):
    """Formulas by quantity, the sizes for which they were made, and how many concrete counts they took."""

    formulas: dict[str, sympy.Expr]
    domain: Domain
    counts: int


def interpolate(count: Count, hints: Mapping[str, int]) -> Interpolation:
    """The polynomials through concrete counts.

    Args:
        count: the quantities at concrete sizes; raises where the module does not work at them.
        hints: the smallest sizes that are looked at.

    Raises:
        NotPolynomialCountError: the counts follow no polynomial of degree 6 or less in one of the sizes.
    """
    axes = [_axis(count, hints, name) for name in hints]
    grid = list(itertools.product(*(range(axis.degree + 1) for axis in axes)))
    if len(grid) > MOST_COUNTS:
        raise NotPolynomialCountError(f"it would take {len(grid)} counts", hint="give fewer sizes a name")
    counted = {
        point: count({axis.name: axis.first + axis.step * k for axis, k in zip(axes, point, strict=True)})
        for point in grid
    }
    quantities = next(iter(counted.values()))
    return Interpolation(
        formulas={
            quantity: _newton({point: values[quantity] for point, values in counted.items()}, axes)
            for quantity in quantities
        },
        domain=_domain(axes),
        counts=len(grid),
    )


def _axis(count: Count, hints: Mapping[str, int], name: str) -> Axis:
    """The smallest step at which the counts along one size become a polynomial, and its degree."""
    for step in STEPS:
        values: list[dict[str, int]] = []
        try:
            for k in range(MOST_DEGREE + VANISHING + 1):
                values.append(count({**hints, name: hints[name] + step * k}))  # noqa: PERF401 - stops at a failure
        except (KaoprofError, RuntimeError, ValueError, AssertionError):
            continue  # the module does not exist at such sizes: the next step may hit those that it needs
        degrees = [_degree([value[quantity] for value in values]) for quantity in values[0]]
        known = [degree for degree in degrees if degree is not None]
        if len(known) == len(degrees):
            return Axis(name=name, first=hints[name], step=step, degree=max(known))
    raise NotPolynomialCountError(
        f"its costs follow no polynomial in {name}",
        hint=f"if it needs multiples of a number, write for example 12*{name}; else a number instead of the name",
    )


def _degree(values: list[int]) -> int | None:
    """The degree of the polynomial through equidistant values; None if the differences do not vanish in time."""
    differences = values
    for degree in range(-1, len(values) - VANISHING):
        if not any(differences):
            return max(degree, 0)
        differences = [after - before for before, after in itertools.pairwise(differences)]
    return None


def _newton(values: Mapping[tuple[int, ...], int], axes: list[Axis]) -> sympy.Expr:
    """Newton's forward formula on the grid: the sum of differences times binomials of k = (size - first) / step."""
    differences = dict(values)
    for position, axis in enumerate(axes):
        for order in range(1, axis.degree + 1):
            for point in sorted(differences, reverse=True):
                if point[position] >= order:
                    before = (*point[:position], point[position] - 1, *point[position + 1 :])
                    differences[point] -= differences[before]
    counters = [(size_symbol(axis.name) - axis.first) / sympy.Integer(axis.step) for axis in axes]
    terms = (
        difference
        * sympy.Mul(*(sympy.ff(counter, k) / sympy.factorial(k) for counter, k in zip(counters, point, strict=True)))
        for point, difference in differences.items()
        if difference
    )
    return sympy.expand(sympy.expand_func(sympy.Add(*terms)))


def _domain(axes: list[Axis]) -> Domain:
    shifted = [axis for axis in axes if axis.first % axis.step]
    return Domain(
        least={axis.name: axis.first for axis in axes},
        units={axis.name: axis.step for axis in axes if axis.step > 1 and axis not in shifted},
        conditions=tuple(
            sympy.Eq(sympy.Mod(size_symbol(axis.name), axis.step), axis.first % axis.step) for axis in shifted
        ),
    )

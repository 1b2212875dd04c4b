"""Proofs about expressions of sizes, at all sizes at once: equal, at least as large.

Sizes are positive integers. Floors and ceilings are handled exactly: with `h = 2 k + 1` (and `h = 2 k + 2`),
`floor(h / 2)` is a polynomial in k; so a statement is proven if it holds for polynomials in every such residue case.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import sympy
from sympy.polys.rings import PolyElement, PolyRing

MOST_RESIDUE_CASES = 512  # beyond that nothing is decided

Least: TypeAlias = "int | Mapping[sympy.Symbol, int]"  # the smallest size that is looked at: of all, or of each


class NotPolynomialError(Exception):
    """The expression is no polynomial, not even in one residue case."""


def equal(left: sympy.Expr, right: sympy.Expr) -> bool:
    """Whether both are the same number at all positive sizes."""
    difference = left - right
    return bool(difference == 0) or _in_all_cases(difference, 1, lambda polynomial: not polynomial)


def at_least(larger: sympy.Expr, smaller: sympy.Expr, *, least: Least = 1, margin: int = 0) -> bool:
    """Whether `larger >= smaller + margin` is certain at all sizes from `least` on; False if it could not be shown."""
    difference = larger - smaller - margin
    free, least_free = _with_free_atoms(difference, least)
    return _in_all_cases(free, least_free, _no_negative_term) or (
        free != difference and _in_all_cases(difference, least, _no_negative_term)
    )


def _no_negative_term(polynomial: PolyElement) -> bool:
    return all(coefficient >= 0 for _, coefficient in polynomial.terms())


def _with_free_atoms(expression: sympy.Expr, least: Least) -> tuple[sympy.Expr, Least]:
    """Floors and ceilings as sizes of their own, each with its least value: proves most statements, and is quick."""
    first = {symbol: least if isinstance(least, int) else least.get(symbol, 1) for symbol in expression.free_symbols}
    replaced = {}
    for atom in expression.atoms(sympy.floor, sympy.ceiling):
        if all(_grows(term) for term in sympy.Add.make_args(atom.args[0])):
            replaced[atom] = sympy.Dummy(integer=True)
            first[replaced[atom]] = int(atom.subs(first))
    return expression.xreplace(replaced), first


def _grows(term: sympy.Expr) -> bool:
    return bool(term.is_number or (term.is_nonnegative and term.as_coeff_Mul()[1].is_Symbol))


def _in_all_cases(expression: sympy.Expr, least: Least, holds: Callable[[PolyElement], bool]) -> bool:
    try:
        return all(holds(polynomial) for polynomial in _cases(expression, least))
    except NotPolynomialError:
        return False


def _cases(expression: sympy.Expr, least: Least) -> Iterator[PolyElement]:
    """The expression as a polynomial in k, for every way to write each size as `period * k + offset` with k >= 0.

    Together they cover all sizes from `least` on.
    """
    periods = periods_of(expression)
    if math.prod(periods.values()) > MOST_RESIDUE_CASES:
        raise NotPolynomialError(f"more than {MOST_RESIDUE_CASES} residue cases")
    ring = PolyRing([f"k{index}" for index in range(max(1, len(periods)))], sympy.QQ)
    first = {symbol: least if isinstance(least, int) else least.get(symbol, 1) for symbol in periods}
    for offsets in itertools.product(*(range(period) for period in periods.values())):
        yield _polynomial(
            expression,
            {
                symbol: period * counter + (first[symbol] + offset)
                for (symbol, period), counter, offset in zip(periods.items(), ring.gens, offsets, strict=False)
            },
            ring,
        )


def periods_of(expression: sympy.Basic) -> dict[sympy.Symbol, int]:
    """For each size, the period after which every floor, ceiling and remainder is a polynomial again."""
    periods: dict[sympy.Symbol, int] = dict.fromkeys(sorted(expression.free_symbols, key=str), 1)
    for atom in expression.atoms(sympy.floor, sympy.ceiling, sympy.Mod):
        divisor = int(atom.args[1]) if isinstance(atom, sympy.Mod) and atom.args[1].is_Integer else 1
        period = math.lcm(divisor, *(int(number.q) for number in atom.args[0].atoms(sympy.Rational)))
        for symbol in atom.free_symbols:
            periods[symbol] = math.lcm(periods[symbol], period)
    return periods


def _polynomial(expression: Any, values: Mapping[Any, PolyElement], ring: PolyRing) -> PolyElement:
    if expression.is_Symbol:
        return values[expression]
    if expression.is_Rational:
        return ring(sympy.QQ(expression.p, expression.q))
    if not isinstance(expression, (sympy.Add, sympy.Mul, sympy.Pow, sympy.floor, sympy.ceiling, sympy.Mod)):
        raise NotPolynomialError(str(expression))
    args = [_polynomial(arg, values, ring) for arg in expression.args]
    if isinstance(expression, sympy.Pow):
        return _power(args[0], expression.exp)
    if isinstance(expression, sympy.Mod):
        return args[0] - args[1] * _rounded(args[0] / _number(args[1]), math.floor)
    if isinstance(expression, (sympy.floor, sympy.ceiling)):
        return _rounded(args[0], math.floor if isinstance(expression, sympy.floor) else math.ceil)
    return sum(args, ring(0)) if isinstance(expression, sympy.Add) else math.prod(args, start=ring(1))


def _power(base: PolyElement, exponent: sympy.Expr) -> PolyElement:
    if not exponent.is_Integer or exponent < 0:
        raise NotPolynomialError(str(exponent))
    return base ** int(exponent)


def _number(polynomial: PolyElement) -> Any:
    if not polynomial.is_ground or not polynomial:
        raise NotPolynomialError(str(polynomial))
    return polynomial.LC


def _rounded(polynomial: PolyElement, rounding: Any) -> PolyElement:
    """Floor or ceiling: the terms with a k are whole in this residue case, the constant is rounded."""
    constant = polynomial.const()
    rest = polynomial - constant
    if any(coefficient.denominator != 1 for _, coefficient in rest.terms()):
        raise NotPolynomialError(str(polynomial))
    return rest + rounding(constant)

"""Proofs about expressions of sizes, at all sizes at once: equal, at least as large.

Sizes are positive integers. Floors and ceilings are handled exactly: with `h = 2 k + 1` (and `h = 2 k + 2`),
`floor(h / 2)` is a polynomial in k; so a statement is proven if it holds for polynomials in every such residue case.
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import sympy
from sympy.polys.rings import PolyElement, PolyRing

MOST_RESIDUE_CASES = 512  # beyond that nothing is decided

Least: TypeAlias = "int | Mapping[sympy.Symbol, int]"  # the smallest size that is looked at: of all, or of each


class NotPolynomialError(Exception):
    """The expression is no polynomial, not even in one residue case."""


def equal(left: sympy.Expr, right: sympy.Expr, *, least: Least = 1) -> bool:
    """Whether both are the same number at all sizes from `least` on."""
    return bool(left == right) or _certain(left, right, least, lambda difference: not difference)


def differ(left: sympy.Expr, right: sympy.Expr, *, least: Least = 1) -> bool:
    """Whether both certainly differ, by one or more, at all sizes from `least` on; False if it could not be shown."""
    return _certain(
        left, right, least, lambda difference: _no_negative_term(difference - 1) or _no_negative_term(-difference - 1)
    )


def at_least(larger: sympy.Expr, smaller: sympy.Expr, *, least: Least = 1, margin: int = 0) -> bool:
    """Whether `larger >= smaller + margin` is certain at all sizes from `least` on; False if it could not be shown."""
    return _certain(larger, smaller, least, lambda difference: _no_negative_term(difference - margin))


def _certain(left: sympy.Expr, right: sympy.Expr, least: Least, holds: Callable[[PolyElement], bool]) -> bool:
    """Whether `holds` of the difference: first with rounded parts as sizes of their own, then in all residue cases."""
    first = {
        symbol: least if isinstance(least, int) else least.get(symbol, 1)
        for symbol in sorted(left.free_symbols | right.free_symbols, key=str)
    }
    free = _free_atoms((left, right), first)
    for apart in (free, {}) if free else ({},):
        try:
            if all(holds(case.of(left) - case.of(right)) for case in _cases((left, right), first, apart)):
                return True
        except NotPolynomialError:
            continue
    return False


def _no_negative_term(polynomial: PolyElement) -> bool:
    return all(coefficient >= 0 for coefficient in polynomial.values())


def _free_atoms(expressions: Iterable[sympy.Expr], first: Mapping[Any, int]) -> dict[Any, int]:
    """Floors and ceilings that grow with the sizes, each with its least value: proves most statements, and is quick."""
    atoms = sorted(
        {atom for expression in expressions for atom in expression.atoms(sympy.floor, sympy.ceiling)}, key=str
    )
    least = {}
    for atom in atoms:
        terms = [term.as_coeff_Mul() for term in sympy.Add.make_args(atom.args[0])]
        if all((part.is_Symbol and number >= 0) or part == 1 for number, part in terms):
            value = sum((number * first.get(part, 1) for number, part in terms), sympy.Integer(0))
            least[atom] = int(sympy.floor(value) if isinstance(atom, sympy.floor) else sympy.ceiling(value))
    return least


def _cases(
    expressions: tuple[sympy.Expr, ...], first: Mapping[Any, int], free: Mapping[Any, int]
) -> Iterator["PolynomialCase"]:
    """Every way to write each size as `period * k + offset` with k >= 0; together they cover all sizes from `first`."""
    periods = dict.fromkeys(first, 1)
    for expression in expressions:
        for symbol, period in periods_of(expression, apart=free).items():
            periods[symbol] = math.lcm(periods[symbol], period)
    if math.prod(periods.values()) > MOST_RESIDUE_CASES:
        raise NotPolynomialError(f"more than {MOST_RESIDUE_CASES} residue cases")
    ring = PolyRing([f"k{index}" for index in range(max(1, len(periods) + len(free)))], sympy.QQ)
    apart = {atom: counter + free[atom] for atom, counter in zip(free, ring.gens[len(periods) :], strict=False)}
    for offsets in itertools.product(*(range(period) for period in periods.values())):
        values = {
            symbol: period * counter + (first[symbol] + offset)
            for (symbol, period), counter, offset in zip(periods.items(), ring.gens, offsets, strict=False)
        }
        yield PolynomialCase(ring, values | apart)


def periods_of(expression: sympy.Basic, *, apart: Collection[Any] = ()) -> dict[sympy.Symbol, int]:
    """For each size, the period after which every floor, ceiling and remainder is a polynomial again.

    Parts that are in `apart` are not looked into.
    """
    periods: dict[sympy.Symbol, int] = dict.fromkeys(sorted(expression.free_symbols, key=str), 1)
    walk = sympy.preorder_traversal(expression)
    for atom in walk:
        if atom in apart:
            walk.skip()
        elif isinstance(atom, (sympy.floor, sympy.ceiling, sympy.Mod)):
            divisor = int(atom.args[1]) if isinstance(atom, sympy.Mod) and atom.args[1].is_Integer else 1
            period = math.lcm(divisor, *(int(number.q) for number in atom.args[0].atoms(sympy.Rational)))
            for symbol in atom.free_symbols:
                periods[symbol] = math.lcm(periods[symbol], period)
    return periods


class PolynomialCase:
    """One residue case: what each size is there as a polynomial in the counters, and so every expression of sizes."""

    def __init__(self, ring: PolyRing, values: dict[Any, PolyElement]) -> None:
        self._ring = ring
        self._known = values

    def of(self, expression: Any) -> PolyElement:
        """The expression as a polynomial in the counters, which are 0 or more.

        Raises:
            NotPolynomialError: it is none.
        """
        known = self._known.get(expression)
        if known is None:
            known = self._known[expression] = self._computed(expression)
        return known

    def _computed(self, expression: Any) -> PolyElement:
        if expression.is_Rational:
            return self._ring(sympy.QQ(expression.p, expression.q))
        compute = COMPUTED.get(type(expression))
        if compute is None:
            raise NotPolynomialError(str(expression))
        return compute(self, *expression.args)

    def multiplied(self, *factors: Any) -> PolyElement:
        """Of a product; also of quotients that leave no remainder, such as `(h + 1) * (w + 1) / (h w + h + w + 1)`."""
        divisors = [factor for factor in factors if factor.is_Pow and factor.exp.is_Integer and factor.exp < 0]
        product = math.prod((self.of(factor) for factor in factors if factor not in divisors), start=self._ring(1))
        for divisor in divisors:
            product, remainder = divmod(product, self.of(divisor.base**-divisor.exp))
            if remainder:
                raise NotPolynomialError(str(divisor))
        return product

    def raised(self, base: Any, exponent: Any) -> PolyElement:
        """Of a whole power from 0 on."""
        if not exponent.is_Integer or exponent < 0:
            raise NotPolynomialError(str(exponent))
        return self.of(base) ** int(exponent)

    def remainder(self, left: Any, right: Any) -> PolyElement:
        """`x mod y` is x where 0 <= x < y at all sizes."""
        dividend, divisor = self.of(left), self.of(right)
        if _no_negative_term(dividend) and _no_negative_term(divisor - dividend - 1):
            return dividend
        if not divisor.is_ground or not divisor:
            raise NotPolynomialError(str(right))
        return dividend - divisor * _rounded(dividend / divisor.LC, math.floor)

    def greatest(self, *candidates: Any) -> PolyElement:
        """`Max(1, x)` is x where x >= 1 at all sizes."""
        polynomials = [self.of(candidate) for candidate in candidates]
        for polynomial in polynomials:
            if all(_no_negative_term(polynomial - other) for other in polynomials):
                return polynomial
        raise NotPolynomialError(f"Max{candidates}")


COMPUTED: dict[type, Callable[..., PolyElement]] = {
    sympy.Add: lambda case, *terms: sum(map(case.of, terms)),
    sympy.Mul: PolynomialCase.multiplied,
    sympy.Pow: PolynomialCase.raised,
    sympy.Mod: PolynomialCase.remainder,
    sympy.Max: PolynomialCase.greatest,
    sympy.floor: lambda case, inside: _rounded(case.of(inside), math.floor),
    sympy.ceiling: lambda case, inside: _rounded(case.of(inside), math.ceil),
}


def _rounded(polynomial: PolyElement, rounding: Callable[[Any], int]) -> PolyElement:
    """Floor or ceiling: the terms with a k are whole in this residue case, the constant is rounded."""
    constant = polynomial.const()
    rest = polynomial - constant
    if any(coefficient.denominator != 1 for coefficient in rest.values()):
        raise NotPolynomialError(str(polynomial))
    return rest + rounding(constant)

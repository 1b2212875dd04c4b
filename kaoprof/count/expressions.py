"""Exact expressions of named sizes: from torch's symbols to plain sympy, equality, proof of conditions, growth, text.

Sizes are positive integers, so floor and ceiling are handled exactly by looking at every residue of the sizes in them.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import sympy
from torch.utils._sympy import functions as torch_sympy

MOST_RESIDUE_CASES = 512  # beyond that, equality and dominance are not decided by cases

Least: TypeAlias = "int | Mapping[sympy.Symbol, int]"  # the smallest size that is looked at: of all, or of each


@lru_cache(maxsize=None)
def size_symbol(name: str) -> sympy.Symbol:
    """The symbol of a size: a positive integer."""
    return sympy.Symbol(name, integer=True, positive=True)


def floor_div(numerator: sympy.Expr, divisor: sympy.Expr) -> sympy.Expr:
    """`floor(numerator / divisor)`; a floor inside a floor becomes one: `floor((floor(y) + k) / m) = floor((y + k) / m)`."""
    terms = sympy.Add.make_args(sympy.expand(numerator))
    if divisor.is_integer and divisor.is_positive and all(term.is_integer for term in terms):
        numerator = sympy.Add(*(term.args[0] if isinstance(term, sympy.floor) else term for term in terms))
    return sympy.floor(sympy.expand(numerator / divisor))


def _modulo(left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
    return sympy.Mod(left, right)


PLAIN: dict[type, Callable[..., sympy.Expr]] = {
    torch_sympy.FloorDiv: floor_div,
    torch_sympy.CleanDiv: floor_div,
    torch_sympy.CeilDiv: lambda left, right: -floor_div(-left, right),
    torch_sympy.Mod: _modulo,
    torch_sympy.PythonMod: _modulo,
    torch_sympy.Max: sympy.Max,
    torch_sympy.Min: sympy.Min,
    torch_sympy.IntTrueDiv: lambda left, right: left / right,
    torch_sympy.FloatTrueDiv: lambda left, right: left / right,
    torch_sympy.PowByNatural: lambda base, power: base**power,
    torch_sympy.FloatPow: lambda base, power: base**power,
    torch_sympy.FloorToInt: sympy.floor,
    torch_sympy.CeilToInt: sympy.ceiling,
    torch_sympy.TruncToInt: sympy.floor,  # sizes are positive
    torch_sympy.TruncToFloat: sympy.floor,
    torch_sympy.ToFloat: lambda value: value,
    torch_sympy.Identity: lambda value: value,
}


def plain(expression: Any, names: Mapping[Any, sympy.Symbol]) -> Any:
    """torch's own sympy functions and symbols as sympy's, in the named sizes."""
    if not expression.args:
        return names.get(expression, expression)
    args = [plain(arg, names) for arg in expression.args]
    rewrite = PLAIN.get(type(expression))
    return rewrite(*args) if rewrite else expression.func(*args)


def periods_of(*expressions: sympy.Basic) -> dict[sympy.Symbol, int]:
    """For each size, the period after which every floor, ceiling and remainder in the expressions is a polynomial again."""
    symbols = sorted(set().union(*(expression.free_symbols for expression in expressions)), key=str)
    periods: dict[sympy.Symbol, int] = dict.fromkeys(symbols, 1)
    for atom in itertools.chain(*(expression.atoms(sympy.floor, sympy.ceiling, sympy.Mod) for expression in expressions)):
        divisor = int(atom.args[1]) if isinstance(atom, sympy.Mod) and atom.args[1].is_Integer else 1
        period = math.lcm(divisor, *(int(number.q) for number in atom.args[0].atoms(sympy.Rational)))
        for symbol in atom.free_symbols:
            periods[symbol] = math.lcm(periods[symbol], period)
    return periods


def residue_cases(expression: sympy.Basic, *, least: Least = 1) -> list[dict[sympy.Symbol, sympy.Expr]]:
    """Every way to write each size as `period * k + offset` with k >= 0, together covering all sizes from `least` on.

    In each case floors and ceilings of the expression are polynomials in the k. Empty if there are too many cases.
    """
    periods = periods_of(expression)
    if math.prod(periods.values()) > MOST_RESIDUE_CASES:
        return []
    first = {symbol: least if isinstance(least, int) else least.get(symbol, 1) for symbol in periods}
    counters = {symbol: sympy.Symbol(f"{symbol.name}_", integer=True, nonnegative=True) for symbol in periods}
    return [
        {
            symbol: period * counters[symbol] + first[symbol] + offset
            for (symbol, period), offset in zip(periods.items(), offsets, strict=True)
        }
        for offsets in itertools.product(*(range(period) for period in periods.values()))
    ]


def equal(left: sympy.Expr, right: sympy.Expr) -> bool:
    """Whether both are the same number at all positive sizes: as polynomials, in every residue case."""
    difference = sympy.expand(left - right)
    if difference == 0:
        return True
    cases = residue_cases(difference) if periods_of(difference) else []
    return any(cases) and all(sympy.expand(difference.subs(case)) == 0 for case in cases)


def at_least(larger: sympy.Expr, smaller: sympy.Expr, *, least: Least = 1, margin: int = 0) -> bool:
    """Whether `larger >= smaller + margin` is certain at all sizes from `least` on (False: not shown, perhaps still so)."""
    difference = larger - smaller - margin
    cases = residue_cases(difference, least=least)
    return bool(cases) and all(_nonnegative(difference.subs(case)) for case in cases)


def _nonnegative(expression: sympy.Expr) -> bool:
    terms = sympy.Add.make_args(sympy.expand(expression))
    return all(term.is_nonnegative is True for term in terms)


def proven(condition: sympy.Basic, *, least: Least) -> bool:
    """Whether a relation is certain at all sizes from `least` on."""
    if not isinstance(condition, sympy.core.relational.Relational):
        return bool(condition == sympy.true)
    left, right = (_without_idle_remainders(side, least) for side in condition.args)
    if isinstance(condition, sympy.Eq):
        return equal(left, right)
    if isinstance(condition, sympy.Ne):
        return at_least(left, right, least=least, margin=1) or at_least(right, left, least=least, margin=1)
    if isinstance(condition, (sympy.StrictLessThan, sympy.LessThan)):
        left, right = right, left
    strict = isinstance(condition, (sympy.StrictLessThan, sympy.StrictGreaterThan))
    return at_least(left, right, least=least, margin=int(strict))


def _without_idle_remainders(expression: sympy.Expr, least: Least) -> sympy.Expr:
    idle = {
        atom: atom.args[0]
        for atom in expression.atoms(sympy.Mod)
        if at_least(atom.args[1], atom.args[0], least=least, margin=1)
    }
    return expression.xreplace(idle)


def with_ceilings(expression: sympy.Expr) -> sympy.Expr:
    """`floor((x - 1) / m) + 1` as people write it: `ceiling(x / m)`."""
    replacements = {}
    for atom in expression.atoms(sympy.floor):
        constant, rest = atom.args[0].as_coeff_Add()
        period = math.lcm(*(int(number.q) for number in atom.args[0].atoms(sympy.Rational)), 1)
        if constant.is_Rational and period > 1 and (constant - sympy.Rational(period - 1, period)).is_Integer:
            replacements[atom] = sympy.ceiling(rest) + constant - sympy.Rational(period - 1, period)
    return expression.xreplace(replacements)

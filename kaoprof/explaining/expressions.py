"""Exact expressions of named sizes: from torch's symbols to plain sympy, equality, proof of conditions, growth, text.

What can be proven about them at all sizes is in `polynomial_proofs`.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import sympy

from kaoprof.explaining.polynomial_proofs import Least, at_least, differ, equal, periods_of
from kaoprof.torch_internals import symbolic_functions

MOST_FACTORED_TERMS = 40  # a longer sum is left as it is: factoring it takes long and rarely shortens it


@cache
def size_symbol(name: str) -> sympy.Symbol:
    """The symbol of a size: a positive integer."""
    return sympy.Symbol(name, integer=True, positive=True)


def floor_div(numerator: sympy.Expr, divisor: sympy.Expr) -> sympy.Expr:
    """`floor(numerator / divisor)`; nested floors become one: `floor((floor(y) + k) / m) = floor((y + k) / m)`."""
    if not divisor.is_number:
        quotient, remainder = sympy.div(numerator, divisor)
        if remainder in {0, -1}:  # -1: the last whole multiple is one less, as in `(4 c - 1) // c`
            return quotient + remainder
    terms = sympy.Add.make_args(sympy.expand(numerator))
    if divisor.is_integer and divisor.is_positive and all(term.is_integer for term in terms):
        numerator = sympy.Add(*(term.args[0] if isinstance(term, sympy.floor) else term for term in terms))
    return sympy.floor(sympy.expand(numerator / divisor))


torch_sympy = symbolic_functions()
PLAIN: dict[type, Callable[..., sympy.Expr]] = {
    torch_sympy.FloorDiv: floor_div,
    torch_sympy.CleanDiv: floor_div,
    torch_sympy.CeilDiv: lambda left, right: -floor_div(-left, right),
    torch_sympy.Mod: sympy.Mod,
    torch_sympy.PythonMod: sympy.Mod,
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
    """Torch's own sympy functions and symbols as sympy's, in the named sizes."""
    if not expression.args:
        return names.get(expression, expression)
    args = [plain(arg, names) for arg in expression.args]
    rewrite = PLAIN.get(type(expression))
    return rewrite(*args) if rewrite else expression.func(*args)


def proven(condition: sympy.Basic, *, least: Least) -> bool:
    """Whether a relation is certain at all sizes from `least` on."""
    if not isinstance(condition, sympy.core.relational.Relational):
        return bool(condition == sympy.true)
    left, right = _without_power(*condition.args)
    if isinstance(condition, sympy.Eq):
        return equal(left, right, least=least)
    if isinstance(condition, sympy.Ne):
        return differ(left, right, least=least)
    if isinstance(condition, (sympy.StrictLessThan, sympy.LessThan)):
        left, right = right, left
    strict = isinstance(condition, (sympy.StrictLessThan, sympy.StrictGreaterThan))
    return at_least(left, right, least=least, margin=int(strict))


def _without_power(left: sympy.Expr, right: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """`x ** -0.5 = 1` is `x = 1`: how a scale is compared with one."""
    power = right.is_number and float(right) == 1 and isinstance(left, sympy.Pow) and left.exp.is_number
    return (left.base, sympy.Integer(1)) if power else (left, right)


def greatest(candidates: Iterable[sympy.Expr], *, least: Least) -> sympy.Expr:
    """The maximum, exactly; candidates that another one reaches at all sizes from `least` on are left out."""
    kept: list[sympy.Expr] = []
    for candidate in sorted(dict.fromkeys(map(sympy.expand, candidates)), key=_rough_size, reverse=True):
        if any(at_least(other, candidate, least=least) for other in kept):
            continue
        kept = [other for other in kept if not at_least(candidate, other, least=least)] + [candidate]
    return sympy.Max(*kept, evaluate=False) if len(kept) > 1 else sympy.Add(*kept)


def _rough_size(expression: sympy.Expr) -> Fraction:
    return value_at(expression, {symbol.name: 64 for symbol in expression.free_symbols})


def value_at(expression: sympy.Expr, sizes: Mapping[str, int]) -> Fraction:
    """The expression's exact value, quicker than by substitution in sympy.

    Raises:
        TypeError: it holds a function that is no arithmetic of sizes.
    """
    if expression.is_Symbol:
        return Fraction(sizes[expression.name])
    if expression.is_Rational:
        return Fraction(int(expression.p), int(expression.q))
    if isinstance(expression, sympy.Piecewise):
        return value_at(next(value for value, condition in expression.args if _holds(condition, sizes)), sizes)
    if type(expression) not in EVALUATED:
        raise TypeError(f"{expression} is no arithmetic of sizes")
    return EVALUATED[type(expression)](*(value_at(arg, sizes) for arg in expression.args))


def _holds(condition: Any, sizes: Mapping[str, int]) -> bool:
    return bool(condition.subs({size_symbol(name): size for name, size in sizes.items()}))


EVALUATED: dict[type, Callable[..., Fraction]] = {
    sympy.Add: lambda *terms: sum(terms, Fraction(0)),
    sympy.Mul: lambda *factors: math.prod(factors, start=Fraction(1)),
    sympy.Pow: lambda base, power: Fraction(base**power),
    sympy.Mod: lambda left, right: left % right,
    sympy.floor: lambda value: Fraction(math.floor(value)),
    sympy.ceiling: lambda value: Fraction(math.ceil(value)),
    sympy.Max: lambda *values: max(values),
    sympy.Min: lambda *values: min(values),
}


def readable(expression: sympy.Expr) -> sympy.Expr:
    """The expression as people write it: with ceilings, factored where that makes it shorter; `Max` by candidates."""
    if isinstance(expression, sympy.Max):
        return sympy.Max(*map(readable, expression.args), evaluate=False)
    expanded = sympy.expand(with_ceilings(expression))
    rounded = {atom: sympy.Dummy() for atom in expanded.atoms(sympy.floor, sympy.ceiling, sympy.Min, sympy.Piecewise)}
    if len(sympy.Add.make_args(expanded)) > MOST_FACTORED_TERMS:
        return expanded
    factored = sympy.factor(expanded.xreplace(rounded)).xreplace({dummy: atom for atom, dummy in rounded.items()})
    return min(expanded, factored, key=sympy.count_ops)


def on_multiples(expression: sympy.Expr) -> tuple[sympy.Expr, dict[str, int]]:
    """The expression where every size is a multiple of its divisor, so that nothing rounds; and these divisors."""
    divisors = {symbol: period for symbol, period in periods_of(expression).items() if period > 1}
    units = {symbol: period * symbol for symbol, period in divisors.items()}
    back = {symbol: symbol / period for symbol, period in divisors.items()}
    candidates = [candidate.xreplace(units).xreplace(back) for candidate in candidates_of(expression)]
    return greatest(candidates, least=divisors), {symbol.name: period for symbol, period in divisors.items()}


def expanded(expression: sympy.Expr) -> sympy.Expr:
    """As a sum of products, with ceilings; of a maximum, each candidate."""
    terms = [sympy.expand(with_ceilings(candidate)) for candidate in candidates_of(expression)]
    return sympy.Max(*terms, evaluate=False) if len(terms) > 1 else terms[0]


def settled(expression: sympy.Expr, sizes: Mapping[str, int]) -> sympy.Expr:
    """What the expression is at these sizes: no choice is left, and no rounding where the sizes need none."""
    if isinstance(expression, sympy.Piecewise):
        return settled(next(value for value, condition in expression.args if _holds(condition, sizes)), sizes)
    if isinstance(expression, (sympy.Max, sympy.Min)):
        best = max if isinstance(expression, sympy.Max) else min
        return settled(best(expression.args, key=lambda candidate: value_at(candidate, sizes)), sizes)
    if isinstance(expression, sympy.Add | sympy.Mul | sympy.Pow) and expression.has(sympy.Max, sympy.Min):
        return expression.func(*(settled(arg, sizes) for arg in expression.args))
    simple, divisors = on_multiples(expression)
    return simple if all(sizes[name] % divisor == 0 for name, divisor in divisors.items()) else expression


def candidates_of(expression: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """The arguments of a maximum, else the expression itself. Sympy compares them anew whenever it builds a maximum."""
    return expression.args if isinstance(expression, sympy.Max) else (expression,)


def as_text(expression: sympy.Expr) -> str:
    """As papers write it in plain text: `2 b c (h + w)^2`."""
    return str(sympy.sstr(expression)).replace("**", "^").replace("*", " ")


def as_latex(expression: sympy.Expr) -> str:
    r"""For LaTeX's math mode, in one line: `\frac{1}{4} b \left(c + h w\right)`, not a tall fraction."""
    return str(sympy.latex(expression, fold_short_frac=True, long_frac_ratio=2))


def with_ceilings(expression: sympy.Expr) -> sympy.Expr:
    """Rounding as people write it: `ceiling(x / m)` for `floor((x - 1) / m) + 1`; no negative number inside a floor."""
    replacements = {}
    for atom in expression.atoms(sympy.floor):
        constant, rest = atom.args[0].as_coeff_Add()
        period = math.lcm(*(int(number.q) for number in atom.args[0].atoms(sympy.Rational)), 1)
        last = sympy.Rational(period - 1, period)
        if period > 1 and (constant - last).is_Integer:
            replacements[atom] = sympy.ceiling(rest) + constant - last
        elif constant.is_Rational and constant < 0:
            whole = sympy.floor(constant)
            replacements[atom] = sympy.floor(rest + constant - whole, evaluate=False) + whole
    return expression.xreplace(replacements)

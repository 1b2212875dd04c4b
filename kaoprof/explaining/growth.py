"""How an expression grows: its order when the image grows, its degree in each size, and the share of its parts."""

import itertools
from collections.abc import Sequence

import sympy

from kaoprof.dims import SPATIAL_AXES
from kaoprof.explaining.expressions import size_symbol

SPATIAL = frozenset(itertools.chain(*SPATIAL_AXES.values()))  # an order says how the cost grows with the image
BATCH = "b"
NOT_GROWING = (BATCH, "c")  # where no name is spatial, all sizes but these grow together


def order(expression: sympy.Expr, names: Sequence[str]) -> str:
    """The order such as `O(h^4 c)`: the spatial sizes grow together, and their highest power wins.

    Rounding does not matter to an order: `ceiling(h / 2)` counts as h. The batch is left out: an order is per sample.
    """
    growing = growing_sizes(names)
    if not expression.free_symbols:
        return "O(1)"
    batch = {size_symbol(name): 1 for name in names if name.lower() == BATCH}
    smooth = _smooth(expression).subs(batch)
    if not growing:
        return f"O({_leading(smooth, [])})"
    size = size_symbol(next((name for name in growing if name.lower() == "h"), growing[0]))
    return f"O({_leading(smooth.subs({size_symbol(name): size for name in growing}), [size])})"


def growing_sizes(names: Sequence[str]) -> tuple[str, ...]:
    """The sizes that an order lets grow together: `h`, `w`, `t` and `n`; all but `b` and `c` where none is so called.

    Small and capital letters mean the same.
    """
    spatial = tuple(name for name in names if name.lower() in SPATIAL)
    return spatial or tuple(name for name in names if name.lower() not in NOT_GROWING)


def degrees(expression: sympy.Expr, names: Sequence[str]) -> dict[str, int]:
    """The degree in each size while the others stay: `{"b": 1, "c": 1, "h": 2, "w": 2}`."""
    terms = [term for term in _terms(_smooth(expression)) if term != 0]  # sympy's degree of nothing is minus infinity
    return {name: max((int(sympy.degree(term, size_symbol(name))) for term in terms), default=0) for name in names}


def _smooth(expression: sympy.Expr) -> sympy.Expr:
    """Without rounding and without the choices that kernels make: for all sizes large, up to a factor."""
    if isinstance(expression, (sympy.Min, sympy.Piecewise, sympy.Mod)):
        return sympy.Integer(1)  # a kernel's block: bounded for large sizes
    if not expression.args:
        return expression
    args = [_smooth(arg) for arg in expression.args]
    if isinstance(expression, (sympy.floor, sympy.ceiling)):
        return args[0]
    return sympy.Add(*args) if isinstance(expression, sympy.Max) else expression.func(*args)


def _terms(expression: sympy.Expr) -> tuple[sympy.Expr, ...]:
    return sympy.Add.make_args(sympy.expand(expression))  # type: ignore[no-any-return]


def _leading(expression: sympy.Expr, first: list[sympy.Symbol]) -> str:
    """The leading terms without their factors: by the degree in `first`, then those that no other one contains."""
    terms = list(_terms(expression))
    for symbol in first:
        highest = max(sympy.degree(term, symbol) for term in terms)
        terms = [term for term in terms if sympy.degree(term, symbol) == highest]
    monomials = {term.as_coeff_Mul()[1] for term in terms}
    kept = [
        left for left in monomials if not any(left != right and (right / left).is_polynomial() for right in monomials)
    ]
    return " + ".join(sorted(_text(monomial, first) for monomial in kept)) or "1"


def _text(monomial: sympy.Expr, first: list[sympy.Symbol]) -> str:
    powers = monomial.as_powers_dict()
    ordered = [*first, *sorted((base for base in powers if base not in first and base != 1), key=str)]
    factors = [f"{base}^{powers[base]}" if powers[base] != 1 else str(base) for base in ordered if powers[base] != 0]
    return " ".join(factors) or "1"

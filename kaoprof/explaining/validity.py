"""For which sizes a formula holds: the decisions of a symbolic run, reduced to the least that a reader must know."""

import bisect
import math
from collections.abc import Mapping

import msgspec
import sympy

from kaoprof.explaining.expressions import as_text, proven, size_symbol, with_ceilings

LEAST_SIZE = 2  # torch treats 0 and 1 as special (broadcasting, layouts); a symbol stands for 2 units and more
SIGNS = {sympy.Eq: "=", sympy.Ne: "!=", sympy.Le: "<=", sympy.Lt: "<", sympy.Ge: ">=", sympy.Gt: ">"}
MOST_LEAST_SIZE = 4096  # a bound such as `h > 700` is looked for up to here


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes for which a formula was derived.

    Args:
        least: the smallest size of each name.
        units: names whose size must be a multiple of a number.
        conditions: what else must hold, as relations of the sizes.
    """

    least: dict[str, int]
    units: dict[str, int]
    conditions: tuple[sympy.Basic, ...] = ()

    def __contains__(self, sizes: object) -> bool:
        if not isinstance(sizes, Mapping):
            return False
        values = {size_symbol(name): size for name, size in sizes.items()}
        return (
            all(sizes[name] >= least for name, least in self.least.items())
            and all(sizes[name] % unit == 0 for name, unit in self.units.items())
            and all(bool(condition.subs(values)) for condition in self.conditions)
        )

    def __and__(self, other: "Domain") -> "Domain":
        """The sizes that both allow."""
        return Domain(
            least={name: max(least, other.least.get(name, least)) for name, least in self.least.items()},
            units={
                name: math.lcm(self.units.get(name, 1), other.units.get(name, 1))
                for name in dict.fromkeys((*self.units, *other.units))
            },
            conditions=tuple(dict.fromkeys((*self.conditions, *other.conditions))),
        )

    @property
    def least_of_symbols(self) -> dict[sympy.Symbol, int]:
        """`least`, by symbol."""
        return {size_symbol(name): least for name, least in self.least.items()}

    def fixed(self) -> dict[str, int]:
        """Names that a condition ties to one value."""
        return {
            condition.lhs.name: int(condition.rhs)
            for condition in self.conditions
            if isinstance(condition, sympy.Eq) and condition.lhs.is_Symbol and condition.rhs.is_Integer
        }

    def lines(self) -> tuple[str, ...]:
        """One text for each thing to know: `c is a multiple of 2`, `h >= 3`."""
        units = [f"{name} is a multiple of {unit}" for name, unit in self.units.items() if unit > 1]
        bounds = [f"{name} >= {least}" for name, least in self.least.items() if name not in self.fixed()]
        return (*units, *bounds, *map(_as_text, self.conditions))


def _as_text(condition: sympy.Basic) -> str:
    """What is positive on the left, what is negative on the right: `h w >= 3`, with ceilings."""
    sign = SIGNS.get(type(condition))
    if sign is None:
        return as_text(condition)
    left, right = (with_ceilings(side) for side in condition.args)
    terms = sympy.Add.make_args(sympy.expand(left - right))
    negative = [term for term in terms if term.as_coeff_Mul()[0] < 0]
    sides = sympy.Add(*(term for term in terms if term not in negative)), -sympy.Add(*negative)
    return f"{as_text(sides[0])} {sign} {as_text(sides[1])}"


def settle(decided: tuple[sympy.Basic, ...], symbols: tuple[sympy.Symbol, ...], units: Mapping[str, int]) -> Domain:
    """What remains of the decisions: a least size for each symbol, and the relations that do not follow from it."""
    least = dict.fromkeys(symbols, LEAST_SIZE)
    single = [part for condition in decided for part in sympy.And.make_args(condition)]
    open_questions = [condition for condition in single if not proven(condition, least=least)]
    for condition in open_questions:
        for symbol in condition.free_symbols & set(symbols):
            if len(condition.free_symbols) == 1:
                least[symbol] = max(least[symbol], _bound(condition, symbol) or LEAST_SIZE)
    remaining = [condition for condition in open_questions if not proven(condition, least=least)]
    in_sizes = {size_symbol(name): size_symbol(name) / unit for name, unit in units.items()}
    return Domain(
        least={symbol.name: bound * units.get(symbol.name, 1) for symbol, bound in least.items()},
        units=dict(units),
        conditions=tuple(condition.subs(in_sizes) for condition in remaining),
    )


def _bound(condition: sympy.Basic, symbol: sympy.Symbol) -> int | None:
    """The least size from which on the condition is certain; None if there is none in sight."""

    def certain(bound: int) -> bool:
        return proven(condition, least={symbol: bound})

    bound = LEAST_SIZE + 1
    while bound <= MOST_LEAST_SIZE:
        if certain(bound):
            sizes = range(max(LEAST_SIZE, math.ceil(bound / 2)), bound)
            return sizes.start + bisect.bisect_left(sizes, True, key=certain)
        bound *= 2
    return None

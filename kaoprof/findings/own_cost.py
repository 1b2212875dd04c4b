"""What the closed form of somebody's own module gives at a size: exact, and without sympy, which derived it."""

import ast
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.costs.cost import Cost
from kaoprof.dims import Dims
from kaoprof.errors import RecordError
from kaoprof.records.own import OwnForm

MOST_POWER = Fraction(99)  # beyond it no size could be told any more: only a changed file holds it
OPERATIONS: dict[type, Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Pow: lambda left, right: Fraction(left ** min(right, MOST_POWER)),
    ast.Mod: lambda left, right: left % right,
}
FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "floor": lambda value: Fraction(math.floor(value)),
    "ceiling": lambda value: Fraction(math.ceil(value)),
    "Max": max,
    "Min": min,
    "Mod": lambda left, right: left % right,
}


def cost_of(form: OwnForm, dims: Dims) -> Cost:
    """The cost of one sample, `elementwise` being all FLOPs that are no contraction's; what has no formula counts as 0.

    Raises:
        RecordError: the form holds something that is no arithmetic of the sizes.
    """
    sizes = {"c": dims.c, **dict(zip(dims.axes, dims.spatial, strict=True))}
    macs = value_of(form.macs, sizes)
    return Cost(
        macs=macs,
        elementwise=value_of(form.flops_all, sizes) - FLOPS_PER_MAC * macs if form.flops_all else 0,
        params=value_of(form.params, sizes),
        map_entries=value_of(form.map_entries, sizes) if form.map_entries else 0,
    )


def value_of(text: str, sizes: Mapping[str, int]) -> int:
    """The value of a formula.

    Raises:
        RecordError: it holds something that is no arithmetic of these sizes, or is no whole number.
    """
    try:
        value = _value(_parsed(text), sizes)
    except (KeyError, TypeError, SyntaxError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise RecordError(f"{text[:60]!r} is no formula of {', '.join(sizes)}") from error
    if value.denominator != 1:
        raise RecordError(f"{text[:60]!r} gives no whole number")
    return value.numerator


@lru_cache(maxsize=256)
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _value(node: ast.expr, sizes: Mapping[str, int]) -> Fraction:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    if isinstance(node, ast.Name):
        return Fraction(sizes[node.id])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, sizes)
    if isinstance(node, ast.BinOp):
        return OPERATIONS[type(node.op)](_value(node.left, sizes), _value(node.right, sizes))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return FUNCTIONS[node.func.id](*(_value(argument, sizes) for argument in node.args))
    raise TypeError(type(node).__name__)

"""Holds a derivation against the closed form of the catalog: the same polynomial, or the difference."""

from collections.abc import Mapping

import msgspec
import sympy

from kaoprof.catalog import find_operator
from kaoprof.costs.arithmetic import TRAIN_FACTOR
from kaoprof.costs.cost import Cost
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.explaining.expressions import size_symbol
from kaoprof.explaining.polynomial_proofs import equal
from kaoprof.explaining.target import Target


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity: by the closed form, and as derived. `difference` is derived minus formula; 0 is the proof."""

    quantity: str
    formula: sympy.Expr
    derived: sympy.Expr

    @property
    def proven(self) -> bool:
        """Whether both are the same at all sizes."""
        return equal(self.formula, self.derived)

    @property
    def difference(self) -> sympy.Expr:
        """Derived minus formula."""
        return sympy.Integer(0) if self.proven else sympy.expand(self.derived - self.formula)


def closed_form(name: str, axes: tuple[str, ...], options: AttentionOptions) -> Cost:
    """The catalog's formula of one sample, in the symbols of `axes`, such as `("b", "c", "h", "w")`."""
    batch, channels, *spatial = (size_symbol(axis) for axis in axes)
    return find_operator(name).cost(Dims(b=batch, c=channels, spatial=tuple(spatial)), options)


def compare_with_formula(
    derived: Mapping[str, sympy.Expr], target: Target, name: str, options: AttentionOptions
) -> tuple[Comparison, ...]:
    """MACs and parameters, and forward also all FLOPs, against the closed form of operator `name`, for the whole batch.

    Training takes three times the forward's MACs: each contraction has two inputs, and both need gradients. FLOPs of
    training have no closed form.
    """
    axes = target.inputs[0]
    cost = closed_form(name, axes, options)
    batch = size_symbol(axes[0])
    times = TRAIN_FACTOR if target.mode == "train" else 1
    compared = [
        Comparison(quantity="macs", formula=times * batch * cost.macs, derived=derived["macs"]),
        Comparison(quantity="params", formula=sympy.sympify(cost.params), derived=derived["params"]),
    ]
    if target.mode == "forward":
        compared.append(Comparison(quantity="flops_all", formula=batch * cost.flops_all, derived=derived["flops_all"]))
    return tuple(compared)

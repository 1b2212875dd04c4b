"""Holds a derivation against the closed form of the catalog: the same polynomial, or the difference."""

from collections.abc import Mapping

import sympy

from kaoprof.catalog import find_operator
from kaoprof.costs.cost import Cost
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.explaining.expressions import as_text, readable, size_symbol
from kaoprof.explaining.polynomial_proofs import equal
from kaoprof.explaining.target import Target
from kaoprof.records.explain import ProofLine


def closed_form(name: str, axes: tuple[str, ...], options: AttentionOptions) -> Cost:
    """The catalog's formula of one sample, in the symbols of `axes`, such as `("b", "c", "h", "w")`."""
    batch, channels, *spatial = (size_symbol(axis) for axis in axes)
    return find_operator(name).cost(Dims(b=batch, c=channels, spatial=tuple(spatial)), options)


def compare_with_formula(
    derived: Mapping[str, sympy.Expr], target: Target, name: str, options: AttentionOptions
) -> tuple[ProofLine, ...]:
    """MACs and parameters, and forward also all FLOPs, against the closed form of operator `name`, for the whole batch.

    FLOPs of training have no closed form.
    """
    axes = target.inputs[0]
    cost = closed_form(name, axes, options)
    batch = size_symbol(axes[0])
    macs = cost.macs_trained if target.mode == "train" else cost.macs
    formulas = {"macs": batch * macs, "params": sympy.sympify(cost.params)}
    if target.mode == "forward":
        formulas["flops_all"] = batch * cost.flops_all
    return tuple(_compared(quantity, formula, derived[quantity]) for quantity, formula in formulas.items())


def _compared(quantity: str, formula: sympy.Expr, derived: sympy.Expr) -> ProofLine:
    proven = equal(formula, derived)
    return ProofLine(
        quantity=quantity,
        formula=as_text(readable(formula)),
        derived=as_text(readable(derived)),
        difference="0" if proven else as_text(readable(sympy.expand(derived - formula))),
        proven=proven,
    )

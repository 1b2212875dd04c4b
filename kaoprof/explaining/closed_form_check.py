"""Holds a derivation against the closed form of the catalog: the same polynomial, or the difference."""

from collections.abc import Mapping

import sympy

from kaoprof.catalog import find_operator
from kaoprof.costs.cost import Cost
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.explaining.expressions import as_text, readable, size_symbol
from kaoprof.explaining.polynomial_proofs import equal
from kaoprof.explaining.target import Target
from kaoprof.explaining.validity import Domain
from kaoprof.records.explain import ProofLine


def closed_form(name: str, axes: tuple[str, ...], options: AttentionOptions) -> Cost:
    """The catalog's formula of one sample, in the symbols of `axes`, such as `("b", "c", "h", "w")`."""
    batch, channels, *spatial = (size_symbol(axis) for axis in axes)
    return find_operator(name).cost(Dims(b=batch, c=channels, spatial=tuple(spatial)), options)


def compare_with_formula(
    derived: Mapping[str, sympy.Expr], target: Target, name: str, options: AttentionOptions, domain: Domain
) -> tuple[ProofLine, ...]:
    """MACs and parameters, and forward also all FLOPs, against the closed form of operator `name`, for the whole batch.

    They are held against each other at the sizes for which the derivation holds. FLOPs of training have no closed form.
    """
    axes = target.inputs[0]
    cost = closed_form(name, axes, options)
    batch = size_symbol(axes[0])
    macs = cost.macs_trained if target.mode == "train" else cost.macs
    formulas = {"macs": batch * macs, "params": sympy.sympify(cost.params)}
    if target.mode == "forward":
        formulas["flops_all"] = batch * cost.flops_all
    return tuple(_compared(quantity, formula, derived[quantity], domain) for quantity, formula in formulas.items())


def _compared(quantity: str, formula: sympy.Expr, derived: sympy.Expr, domain: Domain) -> ProofLine:
    proven = equal_within(formula, derived, domain)
    return ProofLine(
        quantity=quantity,
        formula=as_text(readable(formula)),
        derived=as_text(readable(derived)),
        difference="0" if proven else as_text(readable(sympy.expand(derived - formula))),
        proven=proven,
    )


def equal_within(left: sympy.Expr, right: sympy.Expr, domain: Domain) -> bool:
    """Whether both are the same number at all sizes of the domain: from its least ones on, and in its units.

    So `c // 16` is `c / 16` where c has to be a multiple of 16.
    """
    units = {size_symbol(name): unit * size_symbol(name) for name, unit in domain.units.items()}
    least = {size_symbol(name): -(-size // domain.units.get(name, 1)) for name, size in domain.least.items()}
    return equal(left.subs(units, simultaneous=True), right.subs(units, simultaneous=True), least=least)

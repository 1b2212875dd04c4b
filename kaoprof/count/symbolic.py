"""Derives what a module costs as formulas: runs the real module once on tensors whose sizes are symbols.

Nothing is allocated or fitted: the expressions are what torch's dispatcher itself did with the sizes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from kaoprof.build import Workload, build_module, step_of, torch_dtype
from kaoprof.count.domain import Domain
from kaoprof.count.expressions import with_ceilings
from kaoprof.count.itemised import Item, ItemisedCounting
from kaoprof.count.sizes import DivisibilityNeeded, NamedSizes, Specialisation, floats_of_sizes
from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.targets import Target

MOST_RESTARTS = 16  # each finds one more divisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """The cost of one call, for the whole batch, as exact expressions of the named sizes.

    Args:
        macs: contractions. In `train` mode forward and backward.
        flops_all: all arithmetic, 1 MAC = 2 FLOPs.
        params: numbers in the parameters.
        largest_intermediate: elements of the largest tensor that an operation makes.
        items: the same, operation by operation, in the order of execution.
        uncounted: operations that no rule covers, and their calls.
        domain: the sizes for which this holds.
        specialisations: sizes that the module fixed, and why: the formulas hold for these values only.
    """

    macs: sympy.Expr
    flops_all: sympy.Expr
    params: sympy.Expr
    largest_intermediate: sympy.Expr
    items: tuple[Item, ...]
    uncounted: dict[str, int]
    domain: Domain
    specialisations: tuple[Specialisation, ...]


def derive(target: Target) -> Derivation:
    """Formulas of MACs, FLOPs, parameters and the largest intermediate.

    Channels are symbols from the constructor on, so weights have symbolic shapes; where the module needs a size to be
    divisible (`c` by its heads), the derivation starts again with that size as a multiple.
    """
    return restarted(target.sizes, lambda sizes: _derived(target, sizes))


def restarted(hints: Mapping[str, int], run: Any) -> Any:
    """`run(NamedSizes)`, with the units that it turns out to need."""
    units: dict[str, int] = {}
    for _ in range(MOST_RESTARTS):
        try:
            return run(NamedSizes(hints, units))
        except DivisibilityNeeded as needed:
            units[needed.name] = units.get(needed.name, 1) * needed.divisor
    return run(NamedSizes(hints, units))


def _derived(target: Target, sizes: NamedSizes) -> Derivation:
    workload = target.at(sizes.sizes)
    with FakeTensorMode(shape_env=sizes), floats_of_sizes():
        module = build_module(workload, device="meta")
        step = step_of(workload, module, symbolic_inputs(workload, device="meta"))
        counting = ItemisedCounting(module)
        with torch.inference_mode(workload.mode == "forward"), counting:
            step()
    items = tuple(call.item(sizes) for call in counting.calls)
    macs = sympy.Add(*(item.macs for item in items))
    elementwise = sympy.Add(*(item.elementwise for item in items))
    return Derivation(
        macs=macs,
        flops_all=FLOPS_PER_MAC * macs + elementwise,
        params=sympy.Add(*(sizes.expression(parameter.numel()) for parameter in module.parameters())),
        largest_intermediate=largest([item.elements for item in items]),
        items=items,
        uncounted=dict(counting.uncounted),
        domain=sizes.domain(),
        specialisations=sizes.specialisations(),
    )

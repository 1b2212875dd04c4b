"""Derives what a module costs as formulas: runs the real module once on tensors whose sizes are symbols.

Nothing is allocated or fitted: the expressions are what torch's dispatcher itself did with the sizes.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
import sympy
import torch
from torch import Tensor

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.explaining.expressions import greatest
from kaoprof.explaining.itemised_count import Item, ItemisedCounting, SubmoduleTrail
from kaoprof.explaining.symbolic_sizes import DivisibilityNeeded, NamedSizes, Specialisation, fake_tensors
from kaoprof.explaining.target import Target
from kaoprof.explaining.validity import LEAST_SIZE, Domain
from kaoprof.memory.dry_module import build_dry_module
from kaoprof.workload.building import step_of, torch_dtype
from kaoprof.workload.layer_hooks import watched
from kaoprof.workload.workload import FLOAT_DTYPES, Workload

T = TypeVar("T")
MOST_RESTARTS = 16  # each finds one more divisor


class Derivation(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of one call, for the whole batch, as exact expressions of the named sizes.

    Args:
        formulas: the totals that a concrete count gives as well: `macs`, in `train` mode forward and backward,
            `flops_all` and `params`.
        largest_intermediate: elements of the largest tensor that an operation makes.
        items: the same, operation by operation, in the order of execution.
        uncounted: operations that no rule covers, and their calls.
        domain: the sizes for which this holds.
        specialisations: sizes that the module fixed, and why: the formulas hold for these values only.
    """

    formulas: dict[str, sympy.Expr]
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
    return with_units(target.sizes, lambda sizes: _derived(target, sizes))


def with_units(hints: Mapping[str, int], run: Callable[[NamedSizes], T]) -> T:
    """`run` with symbols for the sizes, in the units that it turns out to need."""
    units: dict[str, int] = {}
    for _ in range(MOST_RESTARTS):
        try:
            return run(NamedSizes(distinct(hints, units), units))
        except DivisibilityNeeded as needed:
            units[needed.name] = units.get(needed.name, 1) * needed.divisor
    return run(NamedSizes(distinct(hints, units), units))


def distinct(hints: Mapping[str, int], units: Mapping[str, int]) -> dict[str, int]:
    """The hints, at least two units each and pairwise different, so that no two sizes look alike by accident."""
    chosen: dict[str, int] = {}
    for name, hint in hints.items():
        unit = units.get(name, 1)
        size = max(LEAST_SIZE, -(-hint // unit)) * unit
        while size in chosen.values():
            size += unit
        chosen[name] = size
    return chosen


def symbolic_inputs(workload: Workload, *, device: str) -> tuple[Tensor, ...]:
    """Empty inputs, since drawn ones cannot have symbolic sizes; in `train` mode floats require gradients."""
    training = workload.mode == "train"
    return tuple(
        torch.empty(
            spec.shape,
            device=device,
            dtype=torch_dtype(spec.dtype),
            requires_grad=training and workload.input_grad and spec.dtype in FLOAT_DTYPES,
        )
        for spec in workload.inputs
    )


def _derived(target: Target, sizes: NamedSizes) -> Derivation:
    workload = target.at(sizes.sizes)
    trail = SubmoduleTrail()
    counting = ItemisedCounting(trail, sizes.expression)
    with fake_tensors(sizes):
        module = build_dry_module(workload, device="meta")
        sizes.constructing = False
        step = step_of(workload, module, symbolic_inputs(workload, device="meta"))
        following = watched(dict(module.named_modules()), trail, failed_too=True)
        with following, torch.inference_mode(workload.mode == "forward"), counting:
            step()
        params = sum(parameter.numel() for parameter in module.parameters())
    domain = sizes.domain()
    made = [elements for item in counting.items for elements in item.elements]
    macs = sympy.Add(*(item.macs for item in counting.items))
    elementwise = sympy.Add(*(item.elementwise for item in counting.items))
    return Derivation(
        formulas={"macs": macs, "flops_all": FLOPS_PER_MAC * macs + elementwise, "params": sizes.expression(params)},
        largest_intermediate=greatest(made, least=domain.least_of_symbols),
        items=tuple(counting.items),
        uncounted=dict(counting.uncounted),
        domain=domain,
        specialisations=sizes.specialisations(),
    )

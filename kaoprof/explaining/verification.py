"""Holds formulas against concrete counts at randomly drawn sizes; one disagreement is an error."""

import random
from collections.abc import Mapping

import msgspec
import sympy

from kaoprof.counting.dispatcher import CountingMode, count_on_meta
from kaoprof.errors import KaoprofError
from kaoprof.explaining.expressions import value_at
from kaoprof.explaining.target import Target
from kaoprof.explaining.validity import Domain
from kaoprof.memory.live_bytes import predict_peak_bytes
from kaoprof.workload.building import build_module
from kaoprof.workload.workload import Workload

CHECKS = 5  # size tuples at which every formula is counted again
LARGEST_FACTOR = 3  # sizes are drawn up to so many times the hint
MOST_DRAWS = 2000  # before it is said that no sizes satisfy the conditions

Quantities = dict[str, int]  # macs, flops_all, params, and peak_bytes where asked for


class FormulaError(KaoprofError):
    """A formula disagrees with what was counted at concrete sizes."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """Where peak memory is predicted for: `cpu` or `cuda`, and how many threads its kernels would use."""

    name: str = "cpu"
    threads: int = 1


def counted_at(target: Target, sizes: Mapping[str, int], device: Device | None) -> Quantities:
    """MACs, FLOPs and parameters, counted on meta at concrete sizes; with a `device` also the predicted peak."""
    workload = target.at(sizes)
    quantities = quantities_of(workload, count_on_meta(workload))
    if device is not None:
        quantities["peak_bytes"] = predict_peak_bytes(workload, device=device.name, threads=device.threads)
    return quantities


def quantities_of(workload: Workload, counting: CountingMode) -> Quantities:
    """MACs, FLOPs and parameters of a workload that was counted."""
    parameters = build_module(workload, device="meta").parameters()
    return {
        "macs": int(counting.macs),
        "flops_all": int(counting.flops_all),
        "params": sum(parameter.numel() for parameter in parameters),
    }


def verify(
    formulas: Mapping[str, sympy.Expr], target: Target, domain: Domain, *, device: Device | None, seed: int
) -> tuple[dict[str, int], ...]:
    """Counts again at `CHECKS` drawn size tuples of the domain, and returns them.

    Raises:
        FormulaError: a formula gives another number than the count, or no sizes satisfy the conditions.
    """
    drawn = draw_sizes(target.sizes, domain, seed=seed)
    for sizes in drawn:
        counted = counted_at(target, sizes, device)
        for quantity, formula in formulas.items():
            if value_at(formula, sizes) != counted[quantity]:
                raise FormulaError(
                    f"{quantity} is {counted[quantity]} but its formula gives {value_at(formula, sizes)}",
                    where=", ".join(f"{name}={size}" for name, size in sizes.items()),
                    hint="please report this module: the formula is not shown because it is wrong",
                )
    return drawn


def draw_sizes(hints: Mapping[str, int], domain: Domain, *, seed: int) -> tuple[dict[str, int], ...]:
    """Different size tuples of the domain, pairwise different inside each where the domain allows it.

    Raises:
        FormulaError: none could be found.
    """
    draw = random.Random(seed)  # noqa: S311 - sizes to test at, no secrets
    drawn: list[dict[str, int]] = []
    for _ in range(MOST_DRAWS):
        sizes = {
            name: _drawn(draw, domain.least[name], hint, domain.units.get(name, 1)) for name, hint in hints.items()
        }
        sizes |= domain.fixed()
        if sizes in domain and sizes not in drawn:
            drawn.append(sizes)
        if len(drawn) == CHECKS:
            break
    if not drawn:
        raise FormulaError("no sizes satisfy what the module needs", hint="give the sizes other first values with --at")
    return tuple(drawn)


def _drawn(draw: random.Random, least: int, hint: int, unit: int) -> int:
    return unit * draw.randint(-(-least // unit), max(LARGEST_FACTOR * hint, least + CHECKS * unit) // unit)

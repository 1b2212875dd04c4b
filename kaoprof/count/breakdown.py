"""Where a cost comes from: its parts by operation and by submodule, each with its formula and its share."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import sympy

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.count.expressions import value_at
from kaoprof.count.itemised import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One operation, or all operations of one submodule.

    Args:
        name: such as `1st bmm`, or the submodule's path; empty for what the module itself does.
        module: the submodule.
        backward: whether it belongs to the backward pass.
        macs: of the whole batch.
        flops_all: of the whole batch.
        macs_share: of all MACs at the sizes asked for, 0 to 1.
        flops_share: of all FLOPs there.
    """

    name: str
    module: str
    backward: bool
    macs: sympy.Expr
    flops_all: sympy.Expr
    macs_share: float
    flops_share: float


def by_operation(items: Iterable[Item], sizes: Mapping[str, int]) -> tuple[Part, ...]:
    """Each operation that computes something, in the order of execution."""
    return _parts(items, sizes, lambda item: (item.title, item.module, item.backward))


def by_submodule(items: Iterable[Item], sizes: Mapping[str, int]) -> tuple[Part, ...]:
    """Each submodule with what it does itself, without its own submodules; so the parts add up to the whole."""
    return _parts(items, sizes, lambda item: (item.module, item.module, item.backward))


def _parts(
    items: Iterable[Item], sizes: Mapping[str, int], key: Callable[[Item], tuple[str, str, bool]]
) -> tuple[Part, ...]:
    groups: dict[tuple[str, str, bool], list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    costs = {
        group: (sympy.Add(*(item.macs for item in members)), sympy.Add(*(_flops(item) for item in members)))
        for group, members in groups.items()
    }
    macs_total = sum(value_at(macs, sizes) for macs, _ in costs.values())
    flops_total = sum(value_at(flops, sizes) for _, flops in costs.values())
    return tuple(
        Part(
            name=name,
            module=module,
            backward=backward,
            macs=macs,
            flops_all=flops,
            macs_share=float(value_at(macs, sizes) / macs_total) if macs_total else 0.0,
            flops_share=float(value_at(flops, sizes) / flops_total) if flops_total else 0.0,
        )
        for (name, module, backward), (macs, flops) in costs.items()
        if flops != 0
    )


def _flops(item: Item) -> sympy.Expr:
    return FLOPS_PER_MAC * item.macs + item.elementwise

"""Where a cost comes from: its parts by operation and by submodule, each with its formula and its share."""

from collections.abc import Callable, Iterable, Mapping

import sympy

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.explaining.expressions import as_latex, as_text, readable, value_at
from kaoprof.explaining.growth import order
from kaoprof.explaining.itemised_count import Item
from kaoprof.records.explain import Share

MOST_BLOCKS = 16  # rows that are still read as a table


def by_operation(items: Iterable[Item], sizes: Mapping[str, int]) -> tuple[Share, ...]:
    """Each operation that computes something, in the order of execution."""
    return _parts(items, sizes, lambda item: (item.title, item.module, item.backward))


def by_submodule(items: Iterable[Item], sizes: Mapping[str, int]) -> tuple[Share, ...]:
    """Each submodule with what it does itself, without its own submodules; so the parts add up to the whole."""
    return _parts(items, sizes, lambda item: (item.module, item.module, item.backward))


def by_block(items: Iterable[Item], sizes: Mapping[str, int]) -> tuple[Share, ...]:
    """Each submodule with all that is inside it, at the greatest depth where there are at most `MOST_BLOCKS`."""
    items = tuple(items)
    depth = max((item.module.count(".") + 1 for item in items), default=0)
    names = {level: {_block(item.module, level) for item in items} for level in range(1, depth + 1)}
    few = [level for level, blocks in names.items() if len(blocks) <= MOST_BLOCKS]
    level = max(few, default=1)
    if depth > level and len(names[level]) == 1:
        level += 1  # a single block says nothing
    return _parts(items, sizes, lambda item: (_block(item.module, level), _block(item.module, level), item.backward))


def _block(module: str, level: int) -> str:
    return ".".join(module.split(".")[:level])


def _parts(
    items: Iterable[Item], sizes: Mapping[str, int], key: Callable[[Item], tuple[str, str, bool]]
) -> tuple[Share, ...]:
    groups: dict[tuple[str, str, bool], list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    costs: dict[tuple[str, str, bool], tuple[sympy.Expr, sympy.Expr]] = {}
    for group, members in groups.items():
        macs = sympy.Add(*(item.macs for item in members))
        costs[group] = macs, FLOPS_PER_MAC * macs + sympy.Add(*(item.elementwise for item in members))
    macs_total = sum(value_at(macs, sizes) for macs, _ in costs.values())
    flops_total = sum(value_at(flops, sizes) for _, flops in costs.values())
    return tuple(
        Share(
            name=name,
            module=module,
            backward=backward,
            macs=as_text(readable(macs)),
            macs_latex=as_latex(readable(macs)),
            flops_all=as_text(readable(flops)),
            order=order(flops, tuple(sizes)),
            macs_share=float(value_at(macs, sizes) / macs_total) if macs_total else 0.0,
            flops_share=float(value_at(flops, sizes) / flops_total) if flops_total else 0.0,
        )
        for (name, module, backward), (macs, flops) in costs.items()
        if flops != 0
    )

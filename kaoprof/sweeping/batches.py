"""Which cells of a sweep must be together, and which are handed out at once. Pure."""

from collections import deque
from collections.abc import Iterable

from kaoprof.records.sweep import ModelPlan, Plan
from kaoprof.sweeping.cells import Cell

CHUNK = 250  # closed forms that travel together: some milliseconds of work against one of travelling

Batch = list[Cell]  # what is handed out at once
Group = deque[Batch]  # what stays on one node


def groups_of(cells: Iterable[Cell], plan: Plan) -> list[Group]:
    """Cells by where they must be together, each group in batches that are handed out at once.

    Cells of one comparison are measured on one node, one at a time; what is only counted may be anywhere, and closed
    forms travel in chunks.
    """
    cells = list(cells)
    if plan.options.analytic:
        return [deque([cells[start : start + CHUNK]]) for start in range(0, len(cells), CHUNK)]
    if isinstance(plan, ModelPlan) and not plan.measured:
        return [deque([[cell]]) for cell in cells]
    groups: dict[tuple[object, ...], Group] = {}
    for cell in cells:
        groups.setdefault(cell.comparison, deque()).append([cell])
    return list(groups.values())

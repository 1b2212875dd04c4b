"""From which size on is one operator cheaper than another: in MACs, or in predicted peak memory.

Small sizes are asked one by one, larger ones by doubling; where the cheaper one changes between two, by bisection.
"""

import bisect
import itertools
import math
from collections.abc import Callable

from kaoprof.dims import one_of
from kaoprof.fitting.exact import BUDGETS, LARGEST_SIZE, Setting, described, first_steps, needed
from kaoprof.records.fit import CheaperStretch, CrossRow

ONE_BY_ONE = {"macs": 64, "memory": 8}  # steps of the size: where it is small, rounded halves (pooling) matter


def cross(first: str, second: str, axis: str, quantity: str, setting: Setting) -> CrossRow:
    """Compares two operators along `axis`, up to the largest size that there is; `nonlocal:sdpa` names one of two.

    Memory is what must be there: input and parameters, and the predicted peak above them. It is compared at sizes that
    the same kernels serve: at channels of which each head has a multiple of 8.

    Raises:
        UsageError: there is no such operator or axis.
        UnservedError: attention is forced to a backend that cannot serve it.
    """
    one_of("quantity", quantity, BUDGETS)
    named = [name.partition(":")[::2] for name in (first, second)]
    step = math.lcm(*(setting.step(axis, operator) for operator, _ in named))
    if quantity == "memory":
        step *= setting.alignment(axis)
    setting.dims(axis, step)
    needs = [needed(quantity, operator, implementation or None, axis, setting) for operator, implementation in named]
    names = {-1: first, 0: None, 1: second}

    def sign(count: int) -> int | None:
        """-1 where the first is cheaper, 1 where the second is, 0 where both cost the same; None beyond all sizes."""
        costs = [described(need, count * step) for need in needs]
        if None in costs:
            return None
        return (costs[0] > costs[1]) - (costs[0] < costs[1])  # type: ignore[operator]  # None was looked for

    first_of_both = max(first_steps(operator, axis, setting, step) for operator, _ in named)
    signs = _changes(sign, ONE_BY_ONE[quantity], LARGEST_SIZE // step, least=first_of_both)
    ends = [start - 1 for start in list(signs)[1:]]
    stretches = tuple(
        CheaperStretch(start=start * step, end=None if end is None else end * step, cheaper=names[signs[start]])
        for start, end in itertools.zip_longest(signs, ends)
    )
    last = stretches[-1]
    return CrossRow(
        first=first, second=second, quantity=quantity, stretches=stretches, cheaper=last.cheaper, since=last.start
    )


def _changes(sign: Callable[[int], int | None], singly: int, most: int, *, least: int) -> dict[int, int]:
    """Where the sign becomes another one: each such count with its sign, beginning at the least."""
    before, changes = least, {least: sign(least) or 0}
    looked_at = itertools.chain(
        range(least + 1, least + singly), ((least + singly) * 2**power for power in itertools.count())
    )
    for count in itertools.takewhile(lambda count: count <= most, looked_at):
        here = sign(count)
        if here is None:
            break
        if here != sign(before):
            changes[_first_with(here, sign, range(before + 1, count))] = here
        before = count
    return changes


def _first_with(wanted: int, sign: Callable[[int], int | None], between: range) -> int:
    """The first count with that sign: before those that are `between` it is another one, after them it is that."""
    return between.start + bisect.bisect_left(between, True, key=lambda count: sign(count) == wanted)

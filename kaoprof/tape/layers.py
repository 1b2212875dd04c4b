"""What a tape says of arithmetic: MACs, FLOPs and uncounted operations of each module; their sum is the whole."""

from collections import Counter
from typing import NamedTuple

import msgspec
import msgspec.structs

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.counting.rules import counts_of
from kaoprof.tape.entries import Operation, Tape
from kaoprof.tape.traffic import traffic_of
from kaoprof.tape.tree import Work
from kaoprof.workload.operation_names import name_of


class LayerCount(Work, frozen=True, kw_only=True):
    """What one module itself executes; not what the modules inside it do. Each weight belongs to one module.

    Args:
        norm: whether it is a batch norm.
        called: whether it ran.
    """

    norm: bool
    called: bool


class WholeCount(NamedTuple):
    """What a whole run computes: MACs, all arithmetic, and operations without a rule with their calls."""

    macs: int
    flops_all: int
    uncounted: dict[str, int]


def count_whole(tape: Tape) -> WholeCount:
    """The sum over all modules, for the whole batch."""
    macs = elementwise = 0
    uncounted: Counter[str] = Counter()
    for event in tape.events:
        if isinstance(event, Operation):
            counted, others = count_operation(event)
            macs += counted
            elementwise += others or 0
            uncounted[name_of(event.func)] += others is None
    return WholeCount(macs, FLOPS_PER_MAC * macs + elementwise, dict(+uncounted))


def count_layers(tape: Tape) -> dict[str, LayerCount]:
    """Each module of the tape by its path, the whole first."""
    macs: Counter[str] = Counter()
    elementwise: Counter[str] = Counter()
    uncounted: dict[str, Counter[str]] = {}
    for event in tape.events:
        if not isinstance(event, Operation):
            continue
        counted, others = count_operation(event)
        macs[event.layer] += counted
        elementwise[event.layer] += others or 0
        if others is None:
            uncounted.setdefault(event.layer, Counter())[name_of(event.func)] += 1
    traffic = traffic_of(tape)
    holders = {path.rpartition(".")[0] for path in tape.layers if path}
    return {
        path: LayerCount(
            type=facts.type,
            output_shape=facts.output_shape,
            macs=macs[path],
            elementwise=elementwise[path],
            params=facts.params,
            norm=facts.norm,
            uncounted=dict(uncounted.get(path, {})),
            called=facts.called,
            leaf=path not in holders,
            operations=traffic.operations[path],
            moved_bytes=traffic.moved_bytes[path],
        )
        for path, facts in tape.layers.items()
    }


def unwrapped(counts: dict[str, LayerCount], inside: str) -> dict[str, LayerCount]:
    """The counts of the module at the path `inside`, as if it were the whole; what its wrapper did is its own, too."""
    if not inside:
        return counts
    core, wrapper = counts[inside], counts[""]
    uncounted = Counter(core.uncounted) + Counter(wrapper.uncounted)
    both = msgspec.structs.replace(
        core,
        macs=core.macs + wrapper.macs,
        elementwise=core.elementwise + wrapper.elementwise,
        params=core.params + wrapper.params,
        operations=core.operations + wrapper.operations,
        moved_bytes=core.moved_bytes + wrapper.moved_bytes,
        held_bytes=core.held_bytes + wrapper.held_bytes,
        uncounted=dict(uncounted),
    )
    rest = {path.removeprefix(f"{inside}."): count for path, count in counts.items() if path.startswith(f"{inside}.")}
    return {"": both, **rest}


def count_operation(operation: Operation) -> tuple[int, int | None]:
    """MACs of one operation, and its FLOPs outside of contractions; these are None where no rule covers it."""
    if operation.macs is not None:
        return operation.macs, 0
    kwargs = operation.kwargs if operation.visited is None else operation.kwargs | {"visited": operation.visited}
    counted, others = counts_of(operation.func, operation.args, kwargs, operation.out)
    return int(counted), None if others is None else int(others)

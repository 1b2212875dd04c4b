"""torch's operators of control flow as what they mean: branches, loops, maps and scans of Python.

So what they run is recorded, differentiated and attributed as anything else is; torch itself runs them out of sight, or
all branches at once.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from kaoprof.torch_internals import FLEXIBLE_CHECK, control_flow_classes, tree_map
from kaoprof.workload.patching import replaced

Function = Callable[..., Any]


def branch(_: object, condition: Any, if_true: Function, if_false: Function, operands: Sequence[Any] = ()) -> Any:
    """`torch.cond`: the branch that the condition chooses."""
    return if_true(*operands) if condition else if_false(*operands)


def loop(
    _: object, condition: Function, body: Function, carried: Sequence[Any], others: Sequence[Any] = (), **__: object
) -> tuple[Any, ...]:
    """`while_loop`: as long as the condition holds of what is carried."""
    state = tuple(carried)
    while condition(*state, *others):
        state = tuple(body(*state, *others))
    return state


def each(_: object, function: Function, rows: Sequence[Tensor], others: Sequence[Any] = (), **__: object) -> Any:
    """`map`: the function of each row, stacked."""
    results = [function(*(part[position] for part in rows), *others) for position in range(len(rows[0]))]
    return tree_map(lambda *parts: torch.stack(parts), *results)


def running(
    _: object,
    function: Function,
    carried: Sequence[Any],
    rows: Sequence[Tensor],
    others: Sequence[Any] = (),
    **__: object,
) -> tuple[Any, ...]:
    """`scan`: row after row, with what the row before left; that of the last row, and the other results stacked."""
    state, results = list(carried), []
    for position in range(len(rows[0])):
        answer = list(function(*state, *(part[position] for part in rows), *others))
        state, result = answer[: len(state)], answer[len(state) :]
        results.append(result)
    stacked = [torch.stack(parts) if isinstance(parts[0], Tensor) else None for parts in zip(*results, strict=True)]
    return (*state, *stacked)


MEANINGS: dict[str, Function] = {"cond": branch, "while_loop": loop, "map_impl": each, "scan": running}


@contextmanager
def control_flow_in_python() -> Iterator[None]:
    """While active, operators of control flow are what they mean."""
    with ExitStack() as stack:
        for name, kind in control_flow_classes().items():
            stack.enter_context(replaced(kind, "__call__", MEANINGS[name]))
        yield


@contextmanager
def flexible_attention_everywhere() -> Iterator[None]:
    """While active, flexible attention may be differentiated on any device, if only to count it."""
    module, check = FLEXIBLE_CHECK
    if module not in sys.modules:
        yield
        return
    with replaced(sys.modules[module], check, lambda *_: None):
        yield

"""How much of an attention's softmax falls below the smallest normal number.

On CPUs such values cost many times a normal operation, and only explicit attention meets them: a baseline that is slow
for this reason would be a strawman. kaoprof flushes them while it measures, and says how many there would have been.
"""

from typing import Any

import torch
from msgspec.structs import replace
from torch import nn

from kaoprof.torch_internals import TorchDispatchMode
from kaoprof.workload.building import build_inputs
from kaoprof.workload.operation_names import name_of
from kaoprof.workload.workload import Workload


class DenormalCounter(TorchDispatchMode):
    """While active, looks at the output of every softmax."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.denormal = 0
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if name_of(func) in {"_softmax", "softmax"}:
            tiny = torch.finfo(out.dtype).tiny
            self.denormal += int(((out > 0) & (out < tiny)).sum())
            self.seen += out.numel()
        return out


def denormal_fraction(workload: Workload, module: nn.Module, *, device: str) -> float | None:
    """The fraction of softmax outputs that are denormal, for the first sample; None if there is no visible softmax."""
    alone = tuple(replace(spec, shape=(1, *spec.shape[1:])) for spec in workload.inputs)
    inputs = build_inputs(replace(workload, inputs=alone, mode="forward"), device=device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the flag belongs to a thread: only this one's can be cleared
    torch.set_flush_denormal(False)
    try:
        with torch.no_grad(), DenormalCounter() as counter:
            module(*inputs)
    finally:
        torch.set_flush_denormal(True)
        torch.set_num_threads(threads)
    return counter.denormal / counter.seen if counter.seen else None

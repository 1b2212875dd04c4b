"""Counts what torch's dispatcher really executes, operation by operation, on tensors that hold no data."""

from collections import Counter
from typing import Any, TypeVar

import torch

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.counting.one_thread import seen_in_one_thread
from kaoprof.counting.rules import LOGARITHMIC, counts_of, has_rule
from kaoprof.dims import Size
from kaoprof.torch_internals import TorchDispatchMode
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.foreign import foreign
from kaoprof.workload.operation_names import name_of
from kaoprof.workload.workload import Workload


class CountingMode(TorchDispatchMode):
    """While active, adds up MACs and FLOPs of every operation; what no rule covers is named in `uncounted`.

    An operation with a rule of its own counts as one, also if torch could take it apart (a fused attention is one
    attention on every device); composite operations without a rule are taken apart.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs: Size = 0
        self.elementwise: Size = 0
        self.uncounted: Counter[str] = Counter()

    @property
    def flops_all(self) -> Size:
        """All arithmetic seen so far, 1 MAC = 2 FLOPs."""
        return FLOPS_PER_MAC * self.macs + self.elementwise

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not has_rule(func):
            with self:
                taken_apart = foreign(func.decompose, *args, **kwargs)
            if taken_apart is not NotImplemented:
                return taken_apart
        out = foreign(func, *args, **kwargs)
        macs, elementwise = counts_of(func, args, kwargs, out)
        self.note(func, macs, None if name_of(func) in LOGARITHMIC else elementwise, out)
        return out

    def note(self, func: Any, macs: Size, elementwise: Size | None, out: object) -> None:
        """Adds one operation to the totals; `elementwise` is None where no rule covers it."""
        del out
        self.macs += macs
        if elementwise is None:
            self.uncounted[name_of(func)] += 1
        else:
            self.elementwise += elementwise


Counting = TypeVar("Counting", bound=CountingMode)


def count_on_meta(workload: Workload) -> CountingMode:
    """What a run of the workload on the meta device counts, where nothing is computed; raises as `counted`."""
    return counted(workload, CountingMode())


def counted(workload: Workload, counting: Counting) -> Counting:
    """Runs the workload once on the meta device under `counting`, and returns that.

    Never on real CPU tensors: there torch's fast paths hide whole attentions from the dispatcher.

    Raises:
        KaoprofError: modules are called in other threads.
    """
    module = build_module(workload, device="meta")
    step = step_of(workload, module, build_inputs(workload, device="meta"))
    with torch.inference_mode(workload.mode == "forward"), seen_in_one_thread(), counting:
        step()
    return counting

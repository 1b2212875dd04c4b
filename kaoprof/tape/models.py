"""A workload's model, built and recorded."""

import math
from typing import NamedTuple

import psutil
from torch import Tensor, nn

from kaoprof.dims import DTYPE_BYTES
from kaoprof.tape.building import MOST_OF_MEMORY, built, fake_mode, within_memory
from kaoprof.tape.entries import Tape
from kaoprof.tape.keeping import process_kept, seeded
from kaoprof.tape.recording import REAL, Call, record
from kaoprof.workload.attention_backend import forced_attention
from kaoprof.workload.building import build_inputs, default_dtype, in_mode, resolve, torch_dtype
from kaoprof.workload.called import checked_module
from kaoprof.workload.workload import Workload

TOO_LARGE = ("overflow", "too large", "Storage size calculation", "numel")
LARGEST_WIDTH = 8  # bytes of an element that is no real number, at most


class Recording(NamedTuple):
    """A tape, and what ran, as it was before."""

    tape: Tape
    call: Call
    seed: int | None

    @property
    def module(self) -> nn.Module:
        """The model."""
        assert self.call.module is not None  # noqa: S101 - a workload is one of a model
        return self.call.module

    def again(self, kernels: str) -> Tape:
        """The tape of the same step with other kernels; see `record`."""
        return record(self.call, real=self.tape.recorded == REAL, kernels=kernels, seed=self.seed)


def record_workload(workload: Workload) -> Recording:
    """One step of the workload, whose model is built for it: without data if that can be, else for real.

    Raises:
        KaoprofError: the factory is not found or makes no module.
        Exception: whatever the model's own code raises on real tensors.
    """
    fakes = fake_mode()
    with process_kept(workload.seed), forced_attention("auto"):
        module, reason = built(lambda: _made(workload), fakes)
        try:
            return _taped(workload, module, build_inputs(workload, device="cpu", without_data=fakes), real=False)
        except Exception as error:
            if is_too_large(error) or input_bytes(workload) > MOST_OF_MEMORY * psutil.virtual_memory().available:
                raise
        if reason is None:
            seeded(workload.seed)
            with within_memory():
                module = _made(workload)
        return _taped(workload, module, build_inputs(workload, device="cpu"), real=True)


def is_too_large(error: Exception) -> bool:
    """Whether it is torch's word that a tensor would take more bytes than 64 bits can say."""
    return isinstance(error, RuntimeError) and any(word in str(error) for word in TOO_LARGE)


def input_bytes(workload: Workload) -> int:
    """What its inputs take."""
    return sum(math.prod(spec.shape) * DTYPE_BYTES.get(spec.dtype, LARGEST_WIDTH) for spec in workload.inputs)


def runs(workload: Workload) -> bool:
    """Whether the workload's model runs where nobody looks on, on real tensors; within a part of the free memory."""
    with process_kept(workload.seed):
        try:
            with within_memory():
                module = _made(workload)
            Call(module, build_inputs(workload, device="cpu"), train=workload.mode == "train").step(
                lambda tensor: tensor
            )
        except Exception:  # noqa: BLE001 - whatever it is, recording it has told already
            return False
    return True


def _made(workload: Workload) -> nn.Module:
    with default_dtype(torch_dtype(workload.dtype)):
        module = checked_module(resolve(workload.factory)(*workload.args, **workload.kwargs))
    return in_mode(module, train=workload.mode == "train")


def _taped(workload: Workload, module: nn.Module, inputs: tuple[Tensor, ...], *, real: bool) -> Recording:
    call = Call(module, inputs, train=workload.mode == "train")
    return Recording(record(call, real=real, seed=workload.seed), call, workload.seed)

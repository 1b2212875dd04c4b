"""A workload's model, built and recorded."""

from typing import NamedTuple

from torch import nn

from kaoprof.tape.building import built, fake_mode, within_memory
from kaoprof.tape.entries import Tape
from kaoprof.tape.keeping import process_kept, seeded
from kaoprof.tape.recording import Call, record
from kaoprof.workload.building import build_inputs, default_dtype, in_mode, resolve, torch_dtype
from kaoprof.workload.called import checked_module
from kaoprof.workload.workload import Workload


class Recording(NamedTuple):
    """A tape, and the model that ran, as it was before."""

    tape: Tape
    module: nn.Module


def record_workload(workload: Workload, *, fused: bool = False) -> Recording:
    """One step of the workload, whose model is built for it: without data if that can be, else for real.

    Args:
        workload: what runs.
        fused: whether encoder layers run as torch's fused kernels for CPUs do, in evaluation, for their memory.

    Raises:
        KaoprofError: the factory is not found or makes no module.
        Exception: whatever the model's own code raises on real tensors.
    """
    fakes = fake_mode()
    with process_kept(workload.seed):
        module, reason = built(lambda: _made(workload), fakes)
        try:
            return _taped(workload, module, real=False, fused=fused)
        except Exception:
            if reason is not None:
                raise  # it is real already
        seeded(workload.seed)
        with within_memory():
            module = _made(workload)
        return _taped(workload, module, real=True, fused=fused)


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


def _taped(workload: Workload, module: nn.Module, *, real: bool, fused: bool) -> Recording:
    call = Call(module, build_inputs(workload, device="cpu"), train=workload.mode == "train")
    tape = record(call, real=real, fused=fused, seed=workload.seed)
    return Recording(tape, module)

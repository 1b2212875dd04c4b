"""The child's workbench: the device and its meters, the subjects that stand ready, what is set back between them."""

import gc
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor, nn

from kaoprof.bench.caches import Flusher
from kaoprof.bench.energy import EnergyMeter, energy_meter
from kaoprof.bench.environment import environment_of
from kaoprof.bench.failures import end_if_broken, forget_frames, is_out_of_memory
from kaoprof.bench.flags import Flags
from kaoprof.bench.meters import CpuMeters, CudaMeters
from kaoprof.bench.reference import Reference
from kaoprof.bench.shared_inputs import SharedInputs
from kaoprof.bench.variants import CannotRun, captured, compile_now, compiled
from kaoprof.errors import encodable, first_line
from kaoprof.measuring.messages import Failed, Load, Loaded, Prepare, Prepared
from kaoprof.workload.attention_backend import forced_attention, is_refusal, refusal_of
from kaoprof.workload.building import build_module, step_of
from kaoprof.workload.misfits import in_a_line
from kaoprof.workload.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable


class Subject(msgspec.Struct, frozen=True):
    """A module that is ready, its inputs, one step of it, how it is run (`eager`, `compile`, `graph`), its switches."""

    workload: Workload
    module: nn.Module
    inputs: tuple[Tensor, ...]
    step: "Callable[[], object]"
    variant: str
    flags: Flags


class Bench:
    """What the handlers of requests work with; see `handlers`."""

    def __init__(self) -> None:
        self.device = "cpu"
        self.meters: CpuMeters | CudaMeters = CpuMeters()
        self.energy_meter: EnergyMeter | None = None
        self.forced = ExitStack()  # a context for as long as this process lives
        self.sdpa = "auto"
        self.flags = Flags()
        self.threads = torch.get_num_threads()
        self.subjects: dict[int, Subject] = {}
        self.inputs: dict[str, SharedInputs] = {}
        self.last: int | None = None  # the subject whose code ran last
        self.reference: Reference | None = None

    def prepare(self, request: Prepare) -> Prepared:
        """Chooses device, cores, threads and attention, flushes denormals, and describes the environment."""
        self.device, self.sdpa = request.device, request.sdpa
        sys.path.extend(path for path in request.paths if path not in sys.path)
        if request.affinity:
            os.sched_setaffinity(0, request.affinity)  # before the first parallel region: its threads inherit the cores
        if request.threads:
            torch.set_num_threads(request.threads)
        self.threads = torch.get_num_threads()
        flushed = torch.set_flush_denormal(True)  # before the first parallel region: its threads inherit the mode
        self.forced.close()
        self.forced.enter_context(forced_attention(self.sdpa))
        self.flags = Flags()
        self.meters = self.meters_with(request.cache)
        self.energy_meter = energy_meter(self.device)
        source = self.energy_meter.source if self.energy_meter else None
        flushed = flushed and self.meters.kind == "cpu"  # a GPU keeps denormals, at no cost
        return Prepared(environment=environment_of(self.device, denormals_flushed=flushed, energy_source=source))

    def pace(self) -> float | None:
        """Seconds that a small reference takes at this moment: longer than ever before where something disturbs."""
        if self.meters.kind != "cpu":
            return None
        self.reference = self.reference or Reference()
        return self.reference.seconds()

    def meters_with(self, cache: str) -> CpuMeters | CudaMeters:
        """Meters of the device with caches that are `warm`, or `cold` before every call that is timed."""
        flush = Flusher(self.device) if cache == "cold" else None
        return CudaMeters(self.device, flush) if self.device.startswith("cuda") else CpuMeters(flush)

    def load(self, request: Load) -> Loaded:
        """Builds a subject, and tells of its compilation, if it is to be compiled. Equal inputs are shared.

        On a GPU it also runs once: there a first call loads kernels, and cuDNN compiles its attention, for seconds.
        FlexAttention compiles itself at its first call everywhere.
        """
        workload = request.workload
        self.flags.apply()
        self.choose_precision(workload.dtype)
        module = build_module(workload, device=self.device)
        inputs = self.inputs_for(request.subject, workload).lend()
        loaded, step = Loaded(), step_of(workload, module, inputs)
        try:
            if request.variant == "compile":
                step = step_of(workload, compiled(module), inputs)
                loaded = compile_now(step, self.meters.synchronize)
            elif request.variant == "graph":
                step = captured(step)
            elif self.meters.kind == "cuda" or workload.compiles_itself:
                step()
                self.meters.synchronize()
        finally:
            drop_gradients(module, inputs)
        self.subjects[request.subject] = Subject(workload, module, inputs, step, request.variant, Flags())
        return loaded

    def choose_precision(self, dtype: str) -> None:
        """Lets products of fp32 numbers use tf32 for that dtype, and only for it."""
        if self.device.startswith("cuda"):
            torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
            torch.backends.cudnn.allow_tf32 = dtype == "tf32"

    def subject(self, number: int) -> Subject:
        """A subject that was loaded, in a process that is set up for it."""
        self.restore()
        subject = self.subjects[number]
        subject.flags.apply()
        self.inputs_for(number, subject.workload)
        return subject

    def inputs_for(self, number: int, workload: Workload) -> SharedInputs:
        """The inputs that a subject shares with others, as they were drawn, whatever was done to them since."""
        key = repr((workload.inputs, workload.mode, workload.input_grad, workload.seed))
        if key not in self.inputs:
            self.inputs[key] = SharedInputs(workload, device=self.device)
        self.inputs[key].mend(after_another=number != self.last)
        self.last = number
        return self.inputs[key]

    def restore(self) -> None:
        """Undoes what somebody's code may have set for the whole process: its neighbours must not suffer."""
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        torch.set_flush_denormal(True)
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)

    def clear(self) -> None:
        """Forgets all subjects and their inputs."""
        self.subjects.clear()
        self.inputs.clear()
        gc.collect()  # collections are off while measuring
        self.meters.give_back()

    def failed(self, error: BaseException) -> Failed:
        """An exception as an answer."""
        return Failed(detail=encodable(self.explain(error)), status=self.status_of(error))

    def status_of(self, error: BaseException) -> str:
        """The record's status for an exception.

        Raises:
            SystemExit: the device is of no use any more to this process.
        """
        forget_frames(error)
        end_if_broken(error, self.meters.synchronize)
        if is_out_of_memory(error):
            self.meters.give_back()
            return "oom"
        return "unsupported" if isinstance(error, NotImplementedError) or is_refusal(error) else "error"

    def explain(self, error: BaseException) -> str:
        """The record's detail for an exception."""
        if is_refusal(error):
            return refusal_of(self.sdpa, self.device)
        return first_line(error) if isinstance(error, CannotRun) else in_a_line(error)


def drop_gradients(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Of a module and its inputs: no call may find what another one left."""
    module.zero_grad(set_to_none=True)
    for tensor in inputs:
        tensor.grad = None

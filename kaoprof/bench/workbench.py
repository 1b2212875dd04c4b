"""The child's workbench: holds the subjects, runs them, and reads the allocator and the clock."""

import gc
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from torch import Tensor, nn

from kaoprof.bench.caches import Flusher
from kaoprof.bench.ceilings import copy_seconds, launch_seconds, product_throughput
from kaoprof.bench.conditions import conditions_of
from kaoprof.bench.denormals import denormal_fraction
from kaoprof.bench.deviation import deviation_of, is_random
from kaoprof.bench.energy import EnergyMeter, energy_meter, joules_per_call
from kaoprof.bench.environment import environment_of, free_bytes
from kaoprof.bench.failures import end_if_broken, forget_frames, is_out_of_memory
from kaoprof.bench.layer_meter import layer_peaks, layer_seconds, layer_traffic
from kaoprof.bench.meters import CpuMeters, CudaMeters
from kaoprof.bench.smaller import on_one_sample, smallest_seconds
from kaoprof.bench.traffic import trace
from kaoprof.bench.variants import CannotRun, captured, compile_now, compiled
from kaoprof.errors import first_line
from kaoprof.measuring.messages import Request
from kaoprof.measuring.plan import not_compared
from kaoprof.workload.attention_backend import forced_attention, is_refusal, refusal_of
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable


class Loaded(msgspec.Struct, frozen=True):
    """A subject that is ready: its module, one step of it, and how that is run: `eager`, `compile` or `graph`."""

    workload: Workload
    module: nn.Module
    step: "Callable[[], object]"
    variant: str


class Bench:
    """Answers one request after another; see `messages.Request` for what each means."""

    def __init__(self) -> None:
        self.device = "cpu"
        self.meters: CpuMeters | CudaMeters = CpuMeters()
        self.energy_meter: EnergyMeter | None = None
        self.forced = ExitStack()  # a context for as long as this process lives
        self.sdpa = "auto"
        self.threads = torch.get_num_threads()
        self.subjects: dict[int, Loaded] = {}
        self.inputs: dict[str, tuple[Tensor, ...]] = {}

    def prepare(self, request: Request) -> dict[str, Any]:
        """Chooses device, cores, threads and attention, flushes denormals, and describes the environment."""
        self.device, self.sdpa = request.device or "cpu", request.sdpa
        sys.path.extend(path for path in request.paths if path not in sys.path)
        if request.affinity:
            os.sched_setaffinity(0, request.affinity)  # before the first parallel region: its threads inherit the cores
        if request.threads:
            torch.set_num_threads(request.threads)
        self.threads = torch.get_num_threads()
        flushed = torch.set_flush_denormal(True)  # before the first parallel region: its threads inherit the mode
        self.forced.close()
        self.forced.enter_context(forced_attention(self.sdpa))
        self.meters = self._meters(request.cache)
        self.energy_meter = energy_meter(self.device)
        source = self.energy_meter.source if self.energy_meter else None
        flushed = flushed and self.meters.kind == "cpu"  # a GPU keeps denormals, at no cost
        return environment_of(self.device, denormals_flushed=flushed) | {"energy_source": source}

    def _meters(self, cache: str) -> CpuMeters | CudaMeters:
        flush = Flusher(self.device) if cache == "cold" else None
        return CudaMeters(self.device, flush) if self.device.startswith("cuda") else CpuMeters(flush)

    def load(self, request: Request) -> dict[str, Any] | None:
        """Builds a subject, and tells of its compilation, if it is to be compiled. Equal inputs are shared.

        On a GPU it also runs once: there a first call loads kernels, and cuDNN compiles its attention, for seconds.
        """
        workload, subject = _wanted(request.workload), _wanted(request.subject)
        self._choose_precision(workload.dtype)
        module = build_module(workload, device=self.device)
        key = _inputs_key(workload)
        if key not in self.inputs:
            self.inputs[key] = build_inputs(workload, device=self.device)
        compilation = None
        step = step_of(workload, module, self.inputs[key])
        try:
            if request.variant == "compile":
                step = step_of(workload, compiled(module), self.inputs[key])
                compilation = compile_now(step, self.meters.synchronize)
            elif request.variant == "graph":
                step = captured(step)
            elif self.meters.kind == "cuda":
                step()
                self.meters.synchronize()
        finally:
            self._drop_gradients(module)
        self.subjects[subject] = Loaded(workload, module, step, request.variant)
        return compilation

    def _choose_precision(self, dtype: str) -> None:
        """Lets products of fp32 numbers use tf32 for that dtype, and only for it."""
        if self.device.startswith("cuda"):
            torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
            torch.backends.cudnn.allow_tf32 = dtype == "tf32"

    def peak(self, request: Request) -> dict[str, int | None]:
        """Peak bytes of one call, above what is resident."""
        subject = self._subject(request)
        if subject.variant == "graph":  # it allocated when it was captured; replaying it allocates nothing
            return {"allocated": None, "reserved": None}
        try:
            return self.meters.peak(subject.step)
        finally:
            self._drop_gradients(subject.module)

    def time(self, request: Request) -> dict[str, float]:
        """Mean seconds per call over `calls` calls in a row, after `warm_calls` that are not timed.

        On a CPU also what the system did for a call.
        """
        subject = self._subject(request)
        try:
            seconds = self.meters.seconds(subject.step, calls=request.calls, warm_calls=request.warm_calls)
            return {"seconds": seconds} | self.meters.system_work(request.calls)
        finally:
            self._drop_gradients(subject.module)

    def layers(self, request: Request) -> dict[str, dict[str, Any]]:
        """Seconds, peak bytes and traffic of each named layer; memory only where the allocator tells it over time."""
        subject = self._subject(request)
        step, module = subject.step, subject.module
        try:
            seconds = layer_seconds(step, module, request.layers, device=self.device)
            peaks = layer_peaks(step, module, request.layers) if self.device == "cpu" else {}
            traffic = layer_traffic(step, module, request.layers)
        finally:
            self._drop_gradients(module)
        return {"seconds": seconds, "peak_bytes": dict(peaks), "traffic": traffic}

    def denormals(self, request: Request) -> float | None:
        """The fraction of softmax outputs that would be denormal, on the first sample of the batch."""
        subject = self._subject(request)
        return denormal_fraction(subject.workload, subject.module, device=self.device)

    def traffic(self, request: Request) -> dict[str, Any]:
        """Operations, bytes moved and the attention backend of one call; its seconds on the smallest input."""
        subject = self._subject(request)
        workload, module = subject.workload, subject.module
        samples, step, inputs = 1, subject.step, self._inputs(subject)
        if request.alone:
            samples = workload.inputs[0].shape[0]
            step, inputs = on_one_sample(workload, module, device=self.device)
        try:
            found = trace(step, module, inputs, trained=workload.mode == "train")
            return found | {
                "moved_bytes": samples * found["moved_bytes"],
                "compulsory_bytes": None if request.alone else found["compulsory_bytes"],  # weights are not per sample
                "launch_s": smallest_seconds(workload, module, self._meters("warm"), device=self.device),
            }
        finally:
            self._drop_gradients(module)

    def deviation(self, request: Request) -> dict[str, Any]:
        """How far the output is from fp64, or why that is not known, which is no fault of the subject."""
        subject = self._subject(request)
        inputs = self._inputs(subject)
        versions = [tensor._version for tensor in inputs]  # noqa: SLF001 - torch's count of changes in place
        try:
            output = subject.step()
            if not isinstance(output, Tensor) or not output.is_floating_point() or not output.numel():
                return not_compared("no single tensor of real numbers")
            if is_random(output, subject.step()):
                return not_compared("another output at every call")
            if versions != [tensor._version for tensor in inputs]:  # noqa: SLF001 - likewise
                return not_compared("it changes its input")
            return deviation_of(output, subject.module, inputs)
        except (MemoryError, RuntimeError, NotImplementedError) as error:
            return not_compared(f"it fails: {first_line(error)}")
        finally:
            self._drop_gradients(subject.module)
            self.meters.give_back()

    def energy(self, request: Request) -> float | None:
        """Joules of a call, over `calls` in a row; None without a meter."""
        if self.energy_meter is None:
            return None
        subject = self._subject(request)

        def run(calls: int) -> None:
            for _ in range(calls):
                subject.step()
            self.meters.synchronize()

        try:
            return joules_per_call(self.energy_meter, run, request.calls)
        finally:
            self._drop_gradients(subject.module)

    def census(self, request: Request) -> Any:
        """Counts a model here, whose code may do anything: its names are `layers`, or all modules without any."""
        from kaoprof.profiling.census import take_census

        names = list(request.layers) or None
        kind = self.device.partition(":")[0]
        return take_census(_wanted(request.workload), names, device=kind, threads=torch.get_num_threads())

    def throughput(self, request: Request) -> float:
        """FLOP/s that a large product reaches on this device."""
        dtype = _wanted(request.dtype)
        self._choose_precision(dtype)
        return product_throughput(self._meters("warm"), self.device, dtype)

    def copies(self, request: Request) -> list[dict[str, float]]:
        """The fastest copy of every size, with caches that are `warm` or `cold`."""
        return copy_seconds(self._meters(request.cache), self.device)

    def launch(self, _: Request) -> float:
        """Seconds of the smallest operation."""
        return launch_seconds(self._meters("warm"), self.device)

    def conditions(self, _: Request) -> dict[str, float | int | None]:
        """Clock, temperature and throttling."""
        return conditions_of(self.device)

    def free(self, _: Request) -> int:
        """Bytes that can still be allocated: also those that the allocator holds in its cache."""
        self.meters.give_back()
        return free_bytes(self.device)

    def clear(self, _: Request) -> None:
        """Forgets all subjects and their inputs."""
        self.subjects.clear()
        self.inputs.clear()
        gc.collect()  # collections are off while measuring
        self.meters.give_back()

    def _subject(self, request: Request) -> Loaded:
        self._restore()
        subject = self.subjects[_wanted(request.subject)]
        self._choose_precision(subject.workload.dtype)
        return subject

    def _restore(self) -> None:
        """Undoes what somebody's code may have set for the whole process: its neighbours must not suffer."""
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        torch.set_flush_denormal(True)
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)

    def _inputs(self, subject: Loaded) -> tuple[Tensor, ...]:
        return self.inputs[_inputs_key(subject.workload)]

    def _drop_gradients(self, module: nn.Module) -> None:
        module.zero_grad(set_to_none=True)
        for tensors in self.inputs.values():
            for tensor in tensors:
                tensor.grad = None

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
        return first_line(error) if isinstance(error, CannotRun) else f"{type(error).__name__}: {first_line(error)}"


def _inputs_key(workload: Workload) -> str:
    """Workloads with the same key may share their inputs."""
    return repr((workload.inputs, workload.mode, workload.seed))


def _wanted(value: Any) -> Any:
    if value is None:
        raise ValueError("the request lacks a field")
    return value

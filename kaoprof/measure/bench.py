"""The child's workbench: holds the subjects, runs them, and reads the allocator and the clock."""

import gc
import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kaoprof.build import Workload, build_inputs, build_module, step_of, torch_dtype
from kaoprof.measure.denormals import denormal_fraction
from kaoprof.measure.environment import environment_of, free_bytes
from kaoprof.measure.layer_meter import layer_peaks, layer_seconds
from kaoprof.measure.messages import Request
from kaoprof.measure.meters import CpuMeters, CudaMeters
from kaoprof.measure.throughput import product_throughput

if TYPE_CHECKING:
    from collections.abc import Callable

OUT_OF_MEMORY_TEXTS = ("can't allocate memory", "out of memory", "not enough memory")


class Bench:
    """Answers one request after another; see `messages.Request` for what each means."""

    def __init__(self) -> None:
        self.device = "cpu"
        self.meters: CpuMeters | CudaMeters = CpuMeters()
        self.subjects: dict[int, tuple[Workload, nn.Module, Callable[[], object]]] = {}
        self.inputs: dict[str, tuple[Tensor, ...]] = {}

    def prepare(self, request: Request) -> dict[str, Any]:
        """Chooses device and threads, flushes denormals, and describes the environment."""
        self.device = request.device or "cpu"
        sys.path.extend(path for path in request.paths if path not in sys.path)
        if request.threads:
            torch.set_num_threads(request.threads)
        flushed = torch.set_flush_denormal(True)  # before the first parallel region: its threads inherit the mode
        self.meters = CudaMeters(self.device) if self.device.startswith("cuda") else CpuMeters()
        return environment_of(self.device, denormals_flushed=flushed)

    def load(self, request: Request) -> None:
        """Builds a subject. Subjects with equal inputs share them."""
        workload, subject = _wanted(request.workload), _wanted(request.subject)
        module = build_module(workload, device=self.device)
        key = repr((workload.inputs, workload.mode, workload.seed))
        if key not in self.inputs:
            self.inputs[key] = build_inputs(workload, device=self.device)
        self.subjects[subject] = (workload, module, step_of(workload, module, self.inputs[key]))

    def peak(self, request: Request) -> dict[str, int | None]:
        """Peak bytes of one call, above what is resident."""
        _, module, step = self.subjects[_wanted(request.subject)]
        try:
            return self.meters.peak(step)
        finally:
            self._drop_gradients(module)

    def time(self, request: Request) -> float:
        """Mean seconds per call over `calls` calls in a row, after `warm_calls` that are not timed."""
        _, module, step = self.subjects[_wanted(request.subject)]
        try:
            return self.meters.seconds(step, calls=request.calls, warm_calls=request.warm_calls)
        finally:
            self._drop_gradients(module)

    def layers(self, request: Request) -> dict[str, dict[str, float]]:
        """Seconds and peak bytes of each named layer; memory only where the allocator tells it over time."""
        _, module, step = self.subjects[_wanted(request.subject)]
        try:
            seconds = layer_seconds(step, module, request.layers, device=self.device)
            peaks = layer_peaks(step, module, request.layers) if self.device == "cpu" else {}
        finally:
            self._drop_gradients(module)
        return {"seconds": seconds, "peak_bytes": dict(peaks)}

    def denormals(self, request: Request) -> float | None:
        """The fraction of softmax outputs that would be denormal, on the first sample of the batch."""
        workload, module, _ = self.subjects[_wanted(request.subject)]
        return denormal_fraction(workload, module, device=self.device)

    def census(self, request: Request) -> Any:
        """Counts a model here, whose code may do anything: its names are `layers`, or all modules without any."""
        from kaoprof.count.model_census import take_census

        names = list(request.layers) or None
        kind = self.device.partition(":")[0]
        return take_census(_wanted(request.workload), names, device=kind, threads=torch.get_num_threads())

    def throughput(self, request: Request) -> float:
        """FLOP/s that a large product reaches on this device."""
        return product_throughput(self.meters, self.device, torch_dtype(_wanted(request.dtype)))

    def free(self, _: Request) -> int:
        """Bytes that can still be allocated."""
        return free_bytes(self.device)

    def clear(self, _: Request) -> None:
        """Forgets all subjects and their inputs."""
        self.subjects.clear()
        self.inputs.clear()
        gc.collect()  # collections are off while measuring
        self.meters.give_back()

    def _drop_gradients(self, module: nn.Module) -> None:
        module.zero_grad(set_to_none=True)
        for tensors in self.inputs.values():
            for tensor in tensors:
                tensor.grad = None

    def status_of(self, error: BaseException) -> str:
        """The record's status for an exception."""
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            self.meters.give_back()
            return "oom"
        if isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY_TEXTS):
            return "oom"
        return "unsupported" if isinstance(error, NotImplementedError) else "error"


def _wanted(value: Any) -> Any:
    if value is None:
        raise ValueError("the request lacks a field")
    return value

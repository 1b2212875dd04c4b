"""Reads a device's allocator and clock around a call, without changing what the call does."""

import time
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

MEMORY_EVENT = "[memory]"  # what torch's profiler calls an allocation (positive bytes) or a release (negative)


class CpuMeters:
    """The allocator's own event stream, which also sees buffers inside kernels; a monotonic clock."""

    def peak(self, step: Callable[[], object]) -> dict[str, int | None]:
        """High-water mark of allocated bytes while `step` runs and its output lives, above what was there before."""
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            output = step()
        del output
        results = profiler.profiler.kineto_results if profiler.profiler else None
        events = [event for event in results.events() if event.name() == MEMORY_EVENT] if results else []
        live = peak = 0
        for event in sorted(events, key=lambda event: event.start_ns()):
            live += event.nbytes()
            peak = max(peak, live)
        return {"allocated": peak, "reserved": None}

    def seconds(self, step: Callable[[], object], *, calls: int, warm_calls: int) -> float:
        """Mean seconds per call."""
        for _ in range(warm_calls):
            step()
        start = time.perf_counter_ns()
        for _ in range(calls):
            step()
        return (time.perf_counter_ns() - start) / calls / 1e9

    def give_back(self) -> None:
        """The CPU allocator keeps no cache to give back."""


class CudaMeters:
    """The caching allocator's statistics; events on the current stream. Within a sample the L2 cache is warm."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        torch.cuda.set_device(self.device)

    def peak(self, step: Callable[[], object]) -> dict[str, int | None]:
        """High-water mark of allocated and of reserved bytes, above what was allocated before."""
        torch.cuda.synchronize(self.device)
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        output = step()
        torch.cuda.synchronize(self.device)
        del output
        return {
            "allocated": torch.cuda.max_memory_allocated(self.device) - before,
            "reserved": torch.cuda.max_memory_reserved(self.device),
        }

    def seconds(self, step: Callable[[], object], *, calls: int, warm_calls: int) -> float:
        """Mean seconds per call, between two events on the stream."""
        for _ in range(warm_calls):
            step()
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize(self.device)
        start.record()
        for _ in range(calls):
            step()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / calls / 1e3

    def give_back(self) -> None:
        """Returns the allocator's cache to the device."""
        torch.cuda.empty_cache()

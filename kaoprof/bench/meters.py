"""Reads a device's allocator and clock around a call, without changing what the call does."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from kaoprof.bench.system_work import NOTHING, usage

Step = Callable[[], object]
REQUESTED, ALLOCATED, RESERVED = "requested_bytes", "allocated_bytes", "reserved_bytes"  # in the caching allocator
MEMORY_EVENT = "[memory]"  # what torch's profiler calls an allocation (positive bytes) or a release (negative)


def mean_seconds(
    block: Callable[[Step, int], float], step: Step, flush: Callable[[], None] | None, *, calls: int, warm_calls: int
) -> float:
    """Of a call: in one block after `warm_calls`; with a `flush` before each, each is a block of its own."""
    for _ in range(warm_calls):
        step()
    if flush is None:
        return block(step, calls)
    total = 0.0
    for _ in range(calls):
        flush()
        total += block(step, 1)
    return total / calls


def profiled(step: Step) -> list[Any]:
    """What torch's profiler tells of the CPU while `step` runs and its output lives, allocations among it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        output = step()
    del output
    results = profiler.profiler.kineto_results if profiler.profiler else None
    return list(results.events()) if results else []


class CpuMeters:
    """The allocator's own event stream, which also sees buffers inside kernels; a monotonic clock.

    With a `flush` the caches are emptied before every call that is timed, outside the timed region.
    """

    kind = "cpu"

    def __init__(self, flush: Callable[[], None] | None = None) -> None:
        self.flush = flush
        self.spent = NOTHING

    def peak(self, step: Step) -> dict[str, int | None]:
        """High-water mark of allocated bytes while `step` runs and its output lives, above what was there before."""
        events = [event for event in profiled(step) if event.name() == MEMORY_EVENT]
        live = peak = 0
        for event in sorted(events, key=lambda event: event.start_ns()):
            live += event.nbytes()
            peak = max(peak, live)
        return {"allocated": peak, "reserved": None}

    def seconds(self, step: Step, *, calls: int, warm_calls: int) -> float:
        """Mean seconds per call."""
        self.spent = NOTHING
        return mean_seconds(self._block, step, self.flush, calls=calls, warm_calls=warm_calls)

    def _block(self, step: Step, calls: int) -> float:
        before = usage()
        start = time.perf_counter_ns()
        for _ in range(calls):
            step()
        seconds = (time.perf_counter_ns() - start) / calls / 1e9
        self.spent = self.spent.and_between(before, usage())
        return seconds

    def system_work(self, calls: int) -> dict[str, float]:
        """What the system did for each of the `calls` calls that were timed last."""
        return self.spent.of_one(calls)

    def synchronize(self) -> None:
        """A call on the CPU is done when it returns."""

    def give_back(self) -> None:
        """The CPU allocator keeps no cache to give back."""


class CudaMeters:
    """The caching allocator's statistics; events on the current stream.

    Allocated bytes are those that tensors and kernels asked for, as everywhere in kaoprof. The allocator hands out
    blocks that are larger, by up to 511 bytes or, from 1 MiB on, by up to 1 MiB: `max_memory_allocated` is that much
    above. What it takes from the device for its blocks is in the reserved bytes.

    With a `flush` the L2 cache is emptied before every call that is timed, and the device is idle when it starts, so
    that the time holds the launches as it does in a block of calls.
    """

    kind = "cuda"

    def __init__(self, device: str, flush: Callable[[], None] | None = None) -> None:
        self.device = torch.device(device)
        self.flush = flush
        torch.cuda.set_device(self.device)

    def peak(self, step: Step) -> dict[str, int | None]:
        """High-water mark of allocated and of reserved bytes, above what was allocated before."""
        self.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_stats(self.device)
        output = step()
        self.synchronize()
        del output
        after = torch.cuda.memory_stats(self.device)
        counted = REQUESTED if after.get(f"{REQUESTED}.all.peak") else ALLOCATED  # cudaMallocAsync knows no requests
        return {
            "allocated": after[f"{counted}.all.peak"] - before[f"{counted}.all.current"],
            "reserved": after[f"{RESERVED}.all.peak"] - before[f"{ALLOCATED}.all.current"],
        }

    def seconds(self, step: Step, *, calls: int, warm_calls: int) -> float:
        """Mean seconds per call, between events on the stream."""
        return mean_seconds(self._block, step, self.flush, calls=calls, warm_calls=warm_calls)

    def _block(self, step: Step, calls: int) -> float:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        self.synchronize()
        start.record()
        for _ in range(calls):
            step()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / calls / 1e3

    def system_work(self, calls: int) -> dict[str, float]:
        """What the system does, it does not do for the device."""
        del calls
        return {}

    def synchronize(self) -> None:
        """Waits until the device is idle."""
        torch.cuda.synchronize(self.device)

    def give_back(self) -> None:
        """Returns the allocator's cache to the device."""
        torch.cuda.empty_cache()

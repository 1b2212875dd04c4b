"""Time, memory and traffic of each layer, in runs of their own: whoever looks at layers must not touch the total."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import nn
from torch.profiler import record_function

from kaoprof.bench.meters import MEMORY_EVENT, profiled
from kaoprof.bench.traffic import TrafficMode, compulsory_bytes, tensors_in
from kaoprof.records.measured import Traffic
from kaoprof.records.profile import TIMED_RUNS
from kaoprof.workload.layer_hooks import watched

PREFIX = "kaoprof layer "


class Stopwatch:
    """Adds up the seconds that each layer spends itself, without the layers inside it.

    On a GPU it waits for the device at every boundary.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self.running: list[str] = []
        self.since = 0.0
        self.seconds: dict[str, float] = {}

    def charge(self) -> None:
        """Gives the time since the last boundary to the layer that was running."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        if self.running:
            name = self.running[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self.since
        self.since = time.perf_counter()

    def enter(self, name: str, _: object) -> None:
        """A layer starts to run."""
        self.charge()
        self.running.append(name)

    def leave(self, name: str, _: object) -> None:
        """It has run."""
        self.charge()
        self.running.remove(name)


class Ranges:
    """Marks each layer's range in the profiler's stream of events."""

    def __init__(self) -> None:
        self.open: dict[str, record_function] = {}

    def enter(self, name: str, _: object) -> None:
        """A layer starts to run."""
        self.open[name] = record_function(PREFIX + name)
        self.open[name].__enter__()

    def leave(self, name: str, _: object) -> None:
        """It has run."""
        self.open.pop(name).__exit__(None, None, None)


class Boundaries:
    """Reads off what was launched and moved between the start of each layer and its end, what is inside included."""

    def __init__(self, traffic: TrafficMode, modules: Mapping[str, nn.Module]) -> None:
        self.traffic = traffic
        self.modules = modules
        self.open: dict[str, tuple[int, int, int, object]] = {}
        self.counts: dict[str, Counter[str]] = {}

    def enter(self, name: str, inputs: object) -> None:
        """A layer starts to run."""
        traffic = self.traffic
        self.open[name] = traffic.operations, traffic.moved_bytes, len(traffic.read), inputs

    def leave(self, name: str, output: object) -> None:
        """It has run."""
        operations, moved_bytes, n_read, inputs = self.open.pop(name)
        weights, read = self.modules[name].parameters(), self.traffic.read[n_read:]
        counts = self.counts.setdefault(name, Counter())
        counts["operations"] += self.traffic.operations - operations
        counts["moved_bytes"] += self.traffic.moved_bytes - moved_bytes
        counts["compulsory_bytes"] += compulsory_bytes(tensors_in(inputs), output, weights, read, trained=False)


def layer_seconds(
    step: Callable[[], object], module: nn.Module, names: Collection[str], *, device: str
) -> dict[str, float]:
    """Median seconds that each named layer spends itself in a forward pass."""
    modules = {name: part for name, part in module.named_modules() if name in names}
    samples: dict[str, list[float]] = {name: [] for name in modules}
    step()  # the caches are warm, as in the runs without timers
    for _ in range(TIMED_RUNS):
        watch = Stopwatch(device)
        with watched(modules, watch):
            step()
        for name in modules:
            samples[name].append(watch.seconds.get(name, 0.0))
    return {name: statistics.median(seconds) for name, seconds in samples.items()}


def layer_traffic(
    step: Callable[[], object], module: nn.Module, names: Collection[str]
) -> tuple[dict[str, Traffic], dict[str, int]]:
    """What each named layer launches and moves in a forward pass, and the bytes that it must move."""
    modules = {name: part for name, part in module.named_modules() if name in names}
    with TrafficMode() as traffic:
        boundaries = Boundaries(traffic, modules)
        with watched(modules, boundaries):
            step()
    launched = {
        name: Traffic(operations=counts["operations"], moved_bytes=counts["moved_bytes"])
        for name, counts in boundaries.counts.items()
    }
    return launched, {name: counts["compulsory_bytes"] for name, counts in boundaries.counts.items()}


def layer_peaks(step: Callable[[], object], module: nn.Module, names: Collection[str]) -> dict[str, int]:
    """The most that is allocated on the CPU while each named layer runs, above what was there before the step."""
    modules = {name: part for name, part in module.named_modules() if name in names}
    with watched(modules, Ranges()):
        return _peaks_within(profiled(step))


def _peaks_within(events: list[Any]) -> dict[str, int]:
    """A sweep over time: allocations move the running sum, and every open range keeps the largest it saw."""
    moments: list[tuple[int, int, str, int]] = []
    for event in events:
        if event.name() == MEMORY_EVENT:
            moments.append((event.start_ns(), 1, "", event.nbytes()))
        elif event.name().startswith(PREFIX):
            name = event.name().removeprefix(PREFIX)
            moments.append((event.start_ns(), 0, name, 1))
            moments.append((event.start_ns() + event.duration_ns(), 2, name, -1))
    live, open_ranges, peaks = 0, dict[str, int](), dict[str, int]()
    for _, kind, name, change in sorted(moments):
        if kind == 1:
            live += change
        elif change > 0:
            open_ranges[name] = open_ranges.get(name, 0) + 1
            peaks.setdefault(name, live)
        else:
            open_ranges[name] -= 1
        for running, depth in open_ranges.items():
            if depth > 0:
                peaks[running] = max(peaks[running], live)
    return peaks

"""Predicts, for each layer of a model, the most that is alive while it runs."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import msgspec
from torch import Tensor, nn

from kaoprof.memory.live_bytes import LiveBytesMode, dry_run
from kaoprof.workload.layer_hooks import watched
from kaoprof.workload.workload import Workload


class LayerBytesMode(LiveBytesMode):
    """A `LiveBytesMode` that also keeps the own peak of each layer in `names` while it runs."""

    def __init__(self, resident: list[Tensor], *, names: Collection[str], device: str, threads: int) -> None:
        super().__init__(resident, device=device, threads=threads)
        self.names = names
        self.running: list[str] = []
        self.peaks: dict[str, int] = {}
        self.changed_by_watching = False

    def watching(self, module: nn.Module) -> AbstractContextManager[Any]:
        """The named layers tell when they begin and end; an encoder layer that is watched is not fused."""
        self.changed_by_watching = any(isinstance(part, nn.TransformerEncoderLayer) for part in module.modules())
        return watched({name: part for name, part in module.named_modules() if name in self.names}, self)

    def note(self, func: object, args: object, kwargs: object, out: object) -> None:
        """As for the whole, and for every layer that is running."""
        before, self.peak_bytes = self.peak_bytes, 0
        super().note(func, args, kwargs, out)
        here, self.peak_bytes = self.peak_bytes, max(before, self.peak_bytes)
        for name in self.running:
            self.peaks[name] = max(self.peaks.get(name, 0), here)

    def enter(self, name: str, _: object) -> None:
        """A layer starts to run."""
        self.running.append(name)

    def leave(self, name: str, _: object) -> None:
        """It has run."""
        self.running.remove(name)


class LayerPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """The peak of the whole, that of each layer while it runs, and what might raise them, as `LiveBytesMode` says."""

    peak_bytes: int
    peaks: dict[str, int]
    unmodelled: tuple[str, ...]


def predict_layer_bytes(
    workload: Workload, names: Collection[str], *, device: str, threads: int, sdpa: str = "auto"
) -> LayerPrediction:
    """The predicted peak of the whole, and of each named layer while it runs (forward); see `predict_peak_bytes`."""
    run = partial(dry_run, workload, device=device, threads=threads, sdpa=sdpa)
    live = run(partial(LayerBytesMode, names=names))
    whole = run(LiveBytesMode) if live.changed_by_watching else live
    return LayerPrediction(peak_bytes=int(whole.peak_bytes), peaks=dict(live.peaks), unmodelled=whole.unmodelled)

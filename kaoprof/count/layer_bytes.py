"""Predicts, for each layer of a model, the most that is alive while it runs."""

from collections.abc import Collection

from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from kaoprof.build import Workload, build_inputs, step_of
from kaoprof.count.dry_module import build_dry_module
from kaoprof.count.live_bytes import LiveBytesMode, without_fused_encoders
from kaoprof.watching import watched


class LayerBytesMode(LiveBytesMode):
    """A `LiveBytesMode` that also keeps each running layer's own peak."""

    def __init__(self, resident: list[Tensor], *, device: str, threads: int) -> None:
        super().__init__(resident, device=device, threads=threads)
        self.running: list[str] = []
        self.peaks: dict[str, int] = {}

    def note(self, func: object, args: object, kwargs: object) -> None:
        """As for the whole, and for every layer that is running."""
        before, self.peak_bytes = self.peak_bytes, 0
        super().note(func, args, kwargs)
        here, self.peak_bytes = self.peak_bytes, max(before, self.peak_bytes)
        for name in self.running:
            self.peaks[name] = max(self.peaks.get(name, 0), here)

    def enter(self, name: str, _: object) -> None:
        """A layer starts to run."""
        self.running.append(name)

    def leave(self, name: str, _: object) -> None:
        """It has run."""
        self.running.remove(name)


def predict_layer_bytes(
    workload: Workload, names: Collection[str], *, device: str, threads: int
) -> tuple[int, dict[str, int]]:
    """The predicted peak of the whole, and of each named layer while it runs (forward); see `predict_peak_bytes`."""
    on = "cpu" if device == "cpu" else "meta"
    with FakeTensorMode(), without_fused_encoders():
        module, inputs = build_dry_module(workload, device=on), build_inputs(workload, device=on)
        step = step_of(workload, module, inputs)
        live = LayerBytesMode([*inputs, *module.parameters(), *module.buffers()], device=device, threads=threads)
        chosen = {name: part for name, part in module.named_modules() if name in names}
        with watched(chosen, live), live:
            output = step()
        del output
    return int(live.peak_bytes), dict(live.peaks)

"""Everything that can be known of a whole model without running it, as a tree of layers."""

from collections.abc import Collection, Sequence

import msgspec

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.counting.fvcore_count import count_modules_with_fvcore
from kaoprof.counting.layers import LayerCount, count_layers
from kaoprof.memory.layer_bytes import predict_layer_bytes
from kaoprof.records.profile import OWN
from kaoprof.torch_internals import batch_norm_class
from kaoprof.workload.building import build_module
from kaoprof.workload.workload import Workload


class LayerCensus(msgspec.Struct, frozen=True, kw_only=True):
    """One layer for the whole batch; of one that holds others, their sum. The whole model is called ""."""

    layer: str
    type: str
    depth: int
    leaf: bool
    output_shape: tuple[int, ...] | None
    params: int
    params_norm: int
    macs: int
    elementwise: int
    macs_fvcore: int | None
    uncounted: dict[str, int]
    peak_bytes: int | None

    @property
    def flops_all(self) -> int:
        """All arithmetic, with 1 MAC = 2 FLOPs."""
        return FLOPS_PER_MAC * self.macs + self.elementwise


class ModelCensus(msgspec.Struct, frozen=True, kw_only=True):
    """A model's layers in the order in which they are written, the whole first.

    `unmodelled` names operations whose kernels might raise the peak above the predicted one.
    """

    layers: tuple[LayerCensus, ...]
    unmodelled: tuple[str, ...] = ()


def take_census(
    workload: Workload, names: Sequence[str] | None, *, device: str, threads: int, sdpa: str = "auto"
) -> ModelCensus:
    """Counts every layer, asks fvcore, and predicts every peak.

    Args:
        workload: the model.
        names: the layers to tell apart, "" for the whole, such as those of a network's closed form; None: all modules.
        device: `cpu` or `cuda`, for the peak.
        threads: of the CPU kernels.
        sdpa: the one backend that fused attention may use, or `auto`.

    Raises:
        UnservedError: that backend cannot serve the attention in it.
    """
    counts = count_layers(workload, _innermost(names))
    if names is None:
        names = _with_own_work(counts)
    opinion = count_modules_with_fvcore(workload)
    prediction = predict_layer_bytes(workload, names, device=device, threads=threads, sdpa=sdpa)
    norms = _norm_layers(workload)
    peaks = prediction.peaks | {"": prediction.peak_bytes}
    layers = tuple(_layer(name, names, counts, norms, opinion, peaks) for name in names)
    return ModelCensus(layers=layers, unmodelled=prediction.unmodelled)


def _innermost(names: Sequence[str] | None) -> Collection[str] | None:
    """Operations belong to the layers that hold no others; what holds some is their sum."""
    return None if names is None else [name for name in names if not _inside(name, names)]


def _inside(name: str, names: Collection[str]) -> list[str]:
    prefix = f"{name}." if name else ""
    return [other for other in names if other.startswith(prefix) and other != name]


def _with_own_work(counts: dict[str, LayerCount]) -> list[str]:
    """All modules that ran, and a layer of its own for what a module with others inside computes itself."""
    found = []
    for name, count in counts.items():
        if name and count.output_shape is None and not (count.macs or count.elementwise or _inside(name, counts)):
            continue  # never called, and nothing in it was
        found.append(name)
        if not count.leaf and (count.macs or count.elementwise or count.params or count.uncounted):
            found.append(f"{name}.{OWN}" if name else OWN)
    return found


def _layer(
    name: str,
    names: Collection[str],
    counts: dict[str, LayerCount],
    norms: dict[str, int],
    opinion: dict[str, int] | None,
    peaks: dict[str, int],
) -> LayerCensus:
    holder = name.removesuffix(OWN).removesuffix(".")
    own = name.endswith(OWN)
    inside = _inside(name, names)
    parts = [counts[holder]] if own or not inside else [
        counts[part] for part in counts if part == name or part.startswith(f"{name}." if name else "")
    ]  # fmt: skip
    uncounted: dict[str, int] = {}
    for part in parts:
        for operation, calls in part.uncounted.items():
            uncounted[operation] = uncounted.get(operation, 0) + calls
    normed = 0 if own else sum(
        count for part, count in norms.items() if part == name or part.startswith(f"{name}." if name else "")
    )  # fmt: skip
    return LayerCensus(
        layer=name,
        type="own operations" if own else (counts[name].type if name in counts else "layers"),
        depth=sum(name in _inside(other, names) for other in names),
        leaf=own or not inside,
        output_shape=None if own or name not in counts else counts[name].output_shape,
        params=sum(part.params for part in parts) - normed,
        params_norm=normed,
        macs=sum(part.macs for part in parts),
        elementwise=sum(part.elementwise for part in parts),
        macs_fvcore=None if opinion is None or own else opinion.get(name),
        uncounted=uncounted,
        peak_bytes=peaks.get(name),
    )


def _norm_layers(workload: Workload) -> dict[str, int]:
    """The trainable numbers of each batch norm."""
    module = build_module(workload, device="meta")
    return {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name, part in module.named_modules()
        if isinstance(part, batch_norm_class())
    }

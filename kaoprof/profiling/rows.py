"""The rows of a profile: from closed forms, from a census, from a measurement. Nothing runs here."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from kaoprof.costs.layer_tree import LayerCost
from kaoprof.costs.training import training_macs
from kaoprof.measuring.plan import Measurement
from kaoprof.networks import network_cost
from kaoprof.records.measured import EAGER, VARIANT
from kaoprof.records.profile import OWN, LayerRow, ModelProfile
from kaoprof.specs import Document
from kaoprof.specs.code import input_tensors
from kaoprof.specs.documents import CodeSpec
from kaoprof.workload.workload import Workload

if TYPE_CHECKING:
    from kaoprof.profiling.census import ModelCensus
    from kaoprof.tape.tree import CountedLayer


def analytic_profile(
    document: Document, mode: str, *, attention: str | None = None, input_grad: bool = False
) -> ModelProfile:
    """A model with the closed form of every layer; code has none, only its place.

    One whose attention was swapped says so in its name: its figures are not those of the model it is called after.
    """
    spec = document.spec
    if isinstance(spec, CodeSpec):
        whole = LayerRow(layer="", type="code", depth=0, leaf=False)
        shapes = tuple(tensor.shape for tensor in input_tensors(spec))
        return ModelProfile(
            model=spec.name, source=spec.source, inside="module", batch=1, input_shapes=shapes, layers=(whole,)
        )
    cost = network_cost(document)
    given = spec.input  # type: ignore[union-attr]  # network_cost refused everything without an input
    forward = {path: layer.macs for path, _, layer in cost.walk()}
    macs = forward if mode == "forward" else training_macs(cost, input_grad=input_grad or document.kind == "operator")
    return ModelProfile(
        model=f"{spec.name} ({attention})" if attention else spec.name,
        source=spec.source,
        batch=given.batch,
        input_shapes=((given.batch, given.channels, *given.size),),
        layers=tuple(_analytic_row(path, depth, layer, macs[path], mode) for path, depth, layer in cost.walk()),
    )


def _analytic_row(path: str, depth: int, layer: LayerCost, macs: int | None, mode: str) -> LayerRow:
    return LayerRow(
        layer=path,
        type=layer.type,
        depth=depth,
        leaf=not layer.children,
        output_shape=layer.output_shape,
        params=layer.params,
        params_norm=layer.params_norm,
        macs_analytic=macs,
        flops_all=layer.flops_all if mode == "forward" else None,
    )


def counted_model(
    model: ModelProfile, census: "ModelCensus", workload: Workload, *, sequence_first: str = ""
) -> ModelProfile:
    """The model with its counts, per sample, shared out so that the leaves sum to the whole, to the nearest whole.

    One that only runs, and cannot be counted, says why. Where the workload knows no batch, counts are of the call, for
    the sake of the layer `sequence_first` if nobody asked for it.
    """
    batch = None if workload.batch_axis is None else workload.batch
    samples = workload.batch
    shapes = tuple(spec.shape for spec in workload.inputs)
    if census.uncountable:
        detail = f"cannot be counted: {census.uncountable}"
        return replace(model, batch=batch, input_shapes=shapes, dtype=workload.dtype, detail=detail)
    known = {row.layer: row for row in model.layers} if not model.inside else {}
    macs = _shared_out(census.layers, [layer.macs for layer in census.layers], samples)
    flops = _shared_out(census.layers, [layer.flops_all for layer in census.layers], samples)
    rows = [
        replace(_counted_row(layer, known.get(layer.layer), samples), macs_counted=macs_each, flops_all=flops_each)
        for layer, macs_each, flops_each in zip(census.layers, macs, flops, strict=True)
    ]
    return replace(
        model,
        batch=batch,
        input_shapes=shapes,
        layers=tuple(rows),
        dtype=workload.dtype,
        unmodelled=census.unmodelled,
        recorded=census.recorded,
        value_reads=census.value_reads,
        written_out=census.written_out,
        sequence_first=sequence_first,
        training_step=census.training_step,
        detail=f"the peak cannot be predicted: {census.unpredicted}" if census.unpredicted else "",
    )


def _counted_row(layer: "CountedLayer", analytic: LayerRow | None, batch: int) -> LayerRow:
    return LayerRow(
        layer=layer.layer,
        type=analytic.type if analytic else layer.type,
        depth=layer.depth,
        leaf=layer.leaf,
        output_shape=layer.output_shape or _batched(analytic, batch),
        params=layer.params,
        params_norm=layer.params_norm,
        macs_analytic=analytic.macs_analytic if analytic else None,
        macs_batch=layer.macs,
        macs_fvcore=None if layer.macs_fvcore is None else round(layer.macs_fvcore / batch),
        uncounted=layer.uncounted,
        peak_bytes_predicted=layer.peak_bytes,
        held_at_peak_bytes=layer.held_bytes or None,
        operations_recorded=layer.operations,
        moved_bytes_recorded=layer.moved_bytes,
    )


def _shared_out(layers: "Sequence[CountedLayer]", counts: Sequence[int], batch: int) -> list[int]:
    """Each layer's part of one sample; a layer that holds others is their sum, and the whole is rounded once.

    What the leaves before it have been given in all is rounded, so no rounding adds up.
    """
    shares = [0] * len(layers)
    around: list[int] = []
    done = given = 0
    for position, layer in enumerate(layers):
        del around[layer.depth :]
        around.append(position)
        if layer.leaf:
            done += counts[position]
            share = round(done / batch) - given
            given += share
            for holder in around:
                shares[holder] += share
    return shares


def _batched(analytic: LayerRow | None, batch: int) -> tuple[int, ...] | None:
    """The shape that the closed form of a layer without a module of its own says, with the batch."""
    return (batch, *analytic.output_shape) if analytic and analytic.output_shape else None


def measured_model(model: ModelProfile, measurement: Measurement | None) -> ModelProfile:
    """The model with what was measured of it."""
    if measurement is None:
        return model
    inside, observed = measurement.layers, measurement.observed
    seconds = layer_seconds(model, inside.seconds if inside else {})
    rows = []
    for row in model.layers:
        name, whole = model.module_name(row.layer), seconds.get("", 0.0)
        share = seconds[row.layer] / whole if whole else None
        timed = replace(row, timed_s=seconds.get(row.layer), latency_share=share)
        if not row.layer:
            must, moved, peak = measurement.compulsory_bytes, observed.traffic, observed.peak_bytes_measured
        elif inside:
            peak = inside.peak_bytes.get(name)
            must, moved = inside.compulsory_bytes.get(name), inside.traffic.get(name)
        else:
            must = moved = peak = None
        rows.append(replace(timed, peak_bytes_measured=peak, compulsory_bytes=must, traffic=moved))
    seen = measurement.for_a_record()
    details = "; ".join(filter(None, (model.detail, str(seen.get("detail") or ""))))
    return replace(model, layers=tuple(rows), **seen | {"detail": details})


def variant_of(model: ModelProfile, variant: str) -> ModelProfile:
    """The model as it is run otherwise than eagerly: what was counted of the whole, and nothing of its layers."""
    return replace(model, model=f"{model.model}{VARIANT}{variant}", layers=model.layers[:1])


def with_common_bytes(models: Sequence[ModelProfile]) -> tuple[ModelProfile, ...]:
    """The models; what is compiled or replayed must move what it must move eagerly, right before it."""
    found: list[ModelProfile] = []
    for model in models:
        if model.variant == EAGER:
            found.append(model)
            needed = model.total.compulsory_bytes
        else:
            found.append(replace(model, layers=(replace(model.total, compulsory_bytes=needed),)))
    return tuple(found)


def layer_seconds(model: ModelProfile, seconds: Mapping[str, float]) -> dict[str, float]:
    """Each leaf's own seconds, and of a layer that holds others their sum. Empty if nothing was timed."""
    if not seconds:
        return {}
    holders = {row.layer: row.layer.removesuffix(OWN).removesuffix(".") for row in model.layers if row.leaf}
    own = {leaf: seconds.get(model.module_name(holder), 0.0) for leaf, holder in holders.items()}
    return {
        row.layer: sum(own[leaf] for leaf in own if leaf == row.layer or leaf.startswith(_prefix(row.layer)))
        for row in model.layers
    }


def _prefix(layer: str) -> str:
    return f"{layer}." if layer else ""

"""What a profile says: totals, where figures disagree, which layer holds the memory, where the time goes. Pure."""

from collections.abc import Callable

import msgspec

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.findings import operators
from kaoprof.findings.operators import DISPATCHER, FORMULA, FVCORE, IMPOSSIBLE
from kaoprof.findings.roofline import Limits, Work, work_limits
from kaoprof.findings.surroundings import competition_warnings, overrun_warnings
from kaoprof.records.measured import EAGER, Latency
from kaoprof.records.profile import LayerRow, ModelProfile, ProfileRecord
from kaoprof.stats.medians import Estimate
from kaoprof.stats.timings import quiet_ratio, quiet_time, typical_time


class ModelStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One model beside the first of its record. Ratios are the first over this one: above 1 this one is better.

    `latency` and `speedup` are of quiet times; `typical` is the median.
    """

    model: ModelProfile
    latency: Estimate | None
    typical: Estimate | None
    speedup: Estimate | None
    macs_ratio: float | None
    memory_ratio: float | None


def layer_limits(record: ProfileRecord, model: ModelProfile, row: LayerRow) -> Limits | None:
    """Floor and bound of a layer by itself: its own input, output and weights. None where too little is known."""
    seconds = seconds_of(model, row)
    return work_limits(_work_of(record, model, row), record.protocol, seconds) if seconds else None


def _work_of(record: ProfileRecord, model: ModelProfile, row: LayerRow) -> Work | None:
    macs = macs_of(row)
    if row.compulsory_bytes is None or macs is None:
        return None
    contractions = FLOPS_PER_MAC * macs * (model.batch or 1)
    return Work(
        dtype=model.dtype or record.dtype,
        contraction_flops=contractions,
        flops=contractions if row.flops_all is None else row.flops_all * (model.batch or 1),
        compulsory_bytes=row.compulsory_bytes,
        working_bytes=row.compulsory_bytes + (peak_of(row) or 0),
        traffic=row.traffic,
        shortest_s=min(model.latency.samples_s) if model.latency and row is model.total else None,
        replayed=model.variant == "graph",
    )


def seconds_of(
    model: ModelProfile, row: LayerRow, estimated: Callable[[Latency], Estimate] = quiet_time
) -> float | None:
    """Seconds of one call: of the whole as `estimated`, of a layer its share of that. None where it is not known.

    The timers' own seconds add up to another total, as they cost time and stand around other calls than those that
    are measured: of them only the shares count. Where the whole was not measured they are all there is.
    """
    whole = estimated(model.latency).value if model.latency else None
    if row is model.total:
        return whole
    if whole is None or row.latency_share is None:
        return row.timed_s
    return row.latency_share * whole


def model_standings(record: ProfileRecord) -> list[ModelStanding]:
    """Every model, seen against the first."""
    first = record.models[0]
    return [
        ModelStanding(
            model=model,
            latency=quiet_time(model.latency) if model.latency else None,
            typical=typical_time(model.latency) if model.latency else None,
            speedup=quiet_ratio(first.latency, model.latency) if first.latency and model.latency else None,
            macs_ratio=_ratio(macs_of(first.total), macs_of(model.total)),
            memory_ratio=_memory_ratio(first, model),
        )
        for model in record.models
    ]


def _ratio(first: int | None, other: int | None) -> float | None:
    return first / other if first is not None and other else None


def _memory_ratio(first: ModelProfile, model: ModelProfile) -> float | None:
    """None if one of them cannot run."""
    totals = first.total, model.total
    if first.status in IMPOSSIBLE or model.status in IMPOSSIBLE:
        return None
    return operators.memory_ratio(
        [total.peak_bytes_measured for total in totals], [total.peak_bytes_predicted for total in totals]
    )


def macs_of(row: LayerRow) -> int | None:
    """Counted MACs, else those of the closed form."""
    return row.macs_counted if row.macs_counted is not None else row.macs_analytic


def peak_of(row: LayerRow) -> int | None:
    """The measured peak, else the predicted one."""
    return row.peak_bytes_measured if row.peak_bytes_measured is not None else row.peak_bytes_predicted


def peak_holder(model: ModelProfile, row: LayerRow) -> LayerRow:
    """Whose peak is the layer's: its own, or, as a list of modules never runs itself, that of the fullest inside."""
    if row.leaf or peak_of(row) is not None:
        return row
    inside = [layer for layer in model.layers if layer.layer.startswith(f"{row.layer}.") and peak_of(layer) is not None]
    return max(inside, key=lambda layer: peak_of(layer) or 0, default=row)


def layer_disagreements(row: LayerRow) -> tuple[str, ...]:
    """Where the closed form, the dispatcher and fvcore do not count the same MACs."""
    counts = {FORMULA: row.macs_analytic, DISPATCHER: row.macs_counted, FVCORE: row.macs_fvcore}
    return operators.differing("MACs", *counts.items())


def slowest_layer(model: ModelProfile) -> LayerRow | None:
    """The outermost layer that takes the largest share of the time; None if that is not known."""
    outer = [row for row in model.layers if row.depth == 1 and row.latency_share is not None]
    return max(outer, key=lambda row: row.latency_share or 0.0, default=None)


def fullest_layer(model: ModelProfile) -> LayerRow | None:
    """The innermost layer that is running when the most memory is allocated; None if that is not known."""
    known = [row for row in model.layers if row.layer and peak_of(row) is not None]
    return max(known, key=lambda row: (peak_of(row) or 0, row.depth), default=None)


def profile_warnings(record: ProfileRecord) -> list[str]:
    """What a careful reader must know before quoting this profile, each a sentence."""
    warnings = [f"{model.model}: {text}" for model in record.models for text in _model_warnings(model)]
    # of whole models: a layer's timers are too coarse to say that a layer is faster than its floor
    limits = ((model.model, layer_limits(record, model, model.total)) for model in record.models)
    beaten = [f"{name} {times:.2f}x" for name, known in limits if known and (times := known.times_floor) and times < 1]
    return [
        *warnings, *operators.ceiling_warnings(", ".join(beaten)),
        *overrun_warnings(((model.model, model) for model in record.models), record.protocol),
        *competition_warnings(record.environment, record.protocol),
    ]  # fmt: skip


def _model_warnings(model: ModelProfile) -> list[str]:
    found = [f"{row.layer or 'TOTAL'}: {text}" for row in model.layers for text in layer_disagreements(row)]
    if model.total.uncounted:
        calls = ", ".join(f"{name} ({times}x)" for name, times in model.total.uncounted.items())
        found.append(f"no rule counts {calls}; MACs and FLOPs are lower bounds")
    if model.written_out and not model.total.macs_counted:
        macs = f"{model.written_out:,} multiply-adds of the batch"
        found.append(f"no MACs, but a contraction that is written out as products and sums: {macs}, among the FLOPs")
    if model.value_reads:
        found.append("values of its input decided what ran and was counted: other input may cost something else")
    found += _peak_warnings(model)
    if model.latency and model.detail:
        found.append(model.detail)
    if model.latency and quiet_time(model.latency).low is None:
        found.append(
            f"{len(model.latency.samples_s)} samples are too few for a 95 % interval, raise --budget or --samples"
        )
    elif model.latency and (noise := operators.noise_of(model.latency)):
        found.append(f"noisy: interquartile range over median: {noise}")
    if part := operators.not_finite(model.deviation):
        found.append(f"not finite: {part}")
    return found


def _peak_warnings(model: ModelProfile) -> list[str]:
    """Only what runs eagerly was predicted."""
    predicted, measured = model.total.peak_bytes_predicted, model.total.peak_bytes_measured
    if predicted is None or model.variant != EAGER:
        return []
    if measured is None:
        unmodelled = ", ".join(model.unmodelled)
        return [f"the predicted peak may be too low, not modelled: {unmodelled}"] if unmodelled else []
    off = operators.misprediction(predicted, measured, model.unmodelled)
    return [f"the predicted peak is off by {off}"] if off else []


def sound_profile(record: ProfileRecord) -> bool:
    """Whether no model failed, no count disagrees and none is incomplete."""
    return all(
        model.status in ("ok", "skipped") and not any(layer_disagreements(row) or row.uncounted for row in model.layers)
        for model in record.models
    )

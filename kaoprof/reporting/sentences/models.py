"""The sentences of a profile: where time and memory go, what binds, how it was timed, what the marks mean."""

from kaoprof.findings.models import fullest_layer, layer_limits, peak_of, slowest_layer
from kaoprof.records.profile import TIMED_RUNS, LayerRow, ModelProfile, ProfileRecord
from kaoprof.reporting.sentences.limits import bound_of, limits_of
from kaoprof.reporting.sentences.protocol import AGREE
from kaoprof.units import format_bytes, format_count, format_percent, format_ratio

NAMED_HOLDERS = 3  # of what is alive at the peak
LEAST_HELD = 0.05
AGREE_ON_CODE = (
    "'=': torch's dispatcher and fvcore count the same MACs; code has no closed form. '!': they do not. '>': some "
    "operations have no rule, so it is more. No mark: fvcore cannot count it."
)
AGREE_ON_SOME_CODE = (
    "'=': torch's dispatcher and fvcore count the same MACs, and so does the closed form of what is not code. '!': "
    "they do not. '>': some operations have no rule, so it is more. No mark: nothing else could count it."
)


def layer_convention(record: ProfileRecord) -> str:
    """What figures are of: one sample, or the call as a whole where nobody said where the samples lie."""
    whole = {model.batch is None for model in record.models}
    of = "one sample" if whole == {False} else "the call as a whole"
    of = "one sample where the batch is known, else for the call" if len(whole) > 1 else of
    return f"1 MAC = 2 FLOPs, counted for {of}; bytes for the whole batch; weights with batch norm; *: predicted."


def passes_note(model: ModelProfile) -> str | None:
    """What each pass computes, where there are several; of a call that is counted as a whole, what it computes."""
    total = model.total
    sums = [(name, count.macs, count.flops_all) for name, count in model.passes.items()]
    if model.batch is None and total.macs_batch is not None and total.flops_all is not None:
        sums.insert(0, ("in all", total.macs_batch, total.flops_all))
    parts = [f"{name} {format_count(macs)} MACs, {format_count(flops)} FLOPs" for name, macs, flops in sums]
    return f"The call: {'; '.join(parts)}." if parts else None


def mode_note(record: ProfileRecord, model: ModelProfile) -> str | None:
    """That a model in hand was in another mode than people think."""
    if model.training and record.mode == "forward":
        return (
            "The model was in training mode, and ran as it was: with dropout, and batch norm over the batch; "
            "model.eval() for inference."
        )
    if model.training is False and record.mode == "train":
        return "The model was in evaluation mode and ran as it was, without dropout; model.train() for training."
    return None


def where_it_goes(record: ProfileRecord, model: ModelProfile, prefix: str = "") -> str | None:
    """Which layers hold the time and the memory, in a sentence; names without a `prefix` that says nothing."""
    slowest, fullest = slowest_layer(model), fullest_layer(model)
    parts = []
    if slowest is not None and slowest.latency_share is not None:
        place = _named(slowest, prefix)
        parts.append(f"{format_percent(slowest.latency_share)} of the time goes to {place}")
    peak, fullest_peak = peak_of(model.total), peak_of(fullest) if fullest else None
    if fullest is not None and peak is not None and fullest_peak is not None:
        place = _named(fullest, prefix)
        beyond = "in the backward pass, before it" if record.mode == "train" else "between its layers,"
        elsewhere = f"{beyond} at {format_bytes(fullest_peak)} in {place}"
        parts.append(f"memory peaks at {format_bytes(peak)} {elsewhere if peak > fullest_peak else f'in {place}'}")
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}." if said else None


def _named(layer: LayerRow, prefix: str) -> str:
    return f"{layer.layer.removeprefix(prefix)} ({layer.type})"


def holders_note(model: ModelProfile) -> str | None:
    """Whose results are alive at the predicted peak: the layers that hold most of it."""
    whole = model.total.held_at_peak_bytes
    leaves = [(row.held_at_peak_bytes or 0, row) for row in model.layers if row.leaf and row is not model.total]
    most = sorted(leaves, key=lambda held: -held[0])[:NAMED_HOLDERS]
    shares = [
        f"{format_percent(size / whole)} is held for {row.layer} ({row.type})"
        for size, row in most
        if whole and size >= LEAST_HELD * whole
    ]
    return f"Of the predicted peak {', '.join(shares)}; the rest for others." if shares else None


def bound_sentences(record: ProfileRecord, model: ModelProfile) -> list[str]:
    """What binds the whole model, and the layer that takes most of its time."""
    slowest = slowest_layer(model)
    named = [(model.model, model.total), *([(slowest.layer, slowest)] if slowest else [])]
    sentences = []
    for name, row in named:
        limits = layer_limits(record, model, row)
        bound = bound_of(limits)
        if limits and limits.times_floor and bound:
            sentences.append(f"{name} takes {format_ratio(limits.times_floor)} its floor and is {bound}.")
    return sentences


def model_notes(record: ProfileRecord, model: ModelProfile) -> list[str]:
    """What stands under a model's table, sentence by sentence."""
    notes = (
        model.detail,
        mode_note(record, model),
        per_call_note(model),
        passes_note(model),
        training_step_note(model),
        where_it_goes(record, model),
        holders_note(model),
        *bound_sentences(record, model),
        timing_note(record, model),
    )
    return [note for note in notes if note]


def model_answers(record: ProfileRecord, model: ModelProfile) -> list[str]:
    """Of the sentences under a model's table those without which its figures would be misread."""
    untimed = None if model.total.latency_share is not None else timing_note(record, model)
    notes = (
        model.detail, mode_note(record, model), per_call_note(model), passes_note(model), training_step_note(model),
        untimed,
    )  # fmt: skip
    return [note for note in notes if note]


def per_call_note(model: ModelProfile) -> str | None:
    """Why counts are of the call as a whole, if nobody asked for that."""
    if not model.sequence_first:
        return None
    return (
        f"{model.sequence_first} takes the sequence first, so the first axis of the input may not be the batch: counts "
        "are of the call as a whole; --batch-axis says where its samples lie."
    )


def training_step_note(model: ModelProfile) -> str | None:
    """What a whole training step holds at its fullest moment, part by part, and what the allocator measured."""
    step = model.training_step
    if step is None:
        return None
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in step.parts.items())
    when = {"optimizer": "while the optimizer steps"}.get(step.fullest_pass, f"in the {step.fullest_pass} pass")
    measured = model.total.peak_bytes_measured
    beside = ""
    if measured is not None:
        whole = step.parameters + measured
        beside = f"; measured {format_bytes(whole)} ({format_percent(whole / step.total - 1, '+.1%')})"
    return (
        f"A step with {step.optimizer} ({step.implementation}) is fullest {when}: {format_bytes(step.total)} = {parts}"
        f"{beside}. Counts are of forward and backward."
    )


def run_notes(record: ProfileRecord) -> list[str]:
    """What is known of all models: attention that ran, errors, energy, compilation."""
    return limits_of([(model.model, model) for model in record.models])


def timing_note(record: ProfileRecord, model: ModelProfile) -> str | None:
    """How the layers' times were obtained, or that there are none beside the model's own."""
    if model.total.latency_share is not None:
        return (
            f"Shares of time: medians of {TIMED_RUNS} runs with timers around layers; the total was measured without "
            "them, and the time of a layer is its share of that total."
        )
    if model.latency is None or len(model.layers) == 1:
        return None
    return "Layers are not timed in training." if record.mode == "train" else "Layers were not timed in this budget."


def agreement_of(record: ProfileRecord) -> list[str]:
    """What the marks behind a profile's MACs mean; nothing where nothing was counted."""
    counted = [model.total for model in record.models if model.total.macs_counted is not None]
    if not counted:
        return []
    if all(total.macs_analytic is None and total.macs_fvcore is None for total in counted):
        return (
            ["'>': some operations have no rule, so it is more."] if any(total.uncounted for total in counted) else []
        )
    formulas = sum(total.macs_analytic is not None for total in counted)
    return [AGREE if formulas == len(counted) else AGREE_ON_SOME_CODE if formulas else AGREE_ON_CODE]

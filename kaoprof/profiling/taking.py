"""Takes a model's census: one recorded run, and what is derived from it; each derivation may fail alone."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from kaoprof.counting.fvcore_count import count_modules_with_fvcore
from kaoprof.counting.installed_rules import load_installed_rules
from kaoprof.errors import KaoprofError, UsageError, encodable
from kaoprof.profiling.census import ModelCensus
from kaoprof.records.profile import StepMemory
from kaoprof.tape.batches import sequence_first
from kaoprof.tape.layers import LayerCount, count_layers, unwrapped
from kaoprof.tape.models import Recording, record_workload, runs
from kaoprof.tape.prediction import Prediction, predicted
from kaoprof.tape.products import has_unused_products, written_out
from kaoprof.tape.training_step import training_step
from kaoprof.tape.tree import CountedLayer, layer_tree
from kaoprof.workload.attention_backend import UnservedError
from kaoprof.workload.misfits import in_a_line
from kaoprof.workload.workload import Workload


def take_census(
    workload: Workload,
    names: Sequence[str] | None,
    *,
    device: str,
    threads: int,
    sdpa: str = "auto",
    inside: str = "",
) -> ModelCensus:
    """Counts every layer, asks fvcore, and predicts every peak.

    Args:
        workload: the model.
        names: the layers to tell apart, "" for the whole, such as those of a network's closed form; None: all modules.
        device: `cpu` or `cuda`, for the peak.
        threads: of the CPU kernels.
        sdpa: the one backend that fused attention may use, or `auto`.
        inside: the path of the model in the module that runs, where that only wraps it.

    Raises:
        UnservedError: that backend cannot serve the attention in it.
        Exception: whatever the model itself raises on real tensors.
    """
    load_installed_rules()
    try:
        recording = record_workload(workload)
    except UsageError:
        raise
    except Exception as error:
        if not runs(workload):
            raise
        return ModelCensus(uncountable=_in_a_line(error))
    counts = unwrapped(count_layers(recording.tape), inside)
    prediction, unpredicted = _predicted(recording, device=device, threads=threads, sdpa=sdpa)
    peaks = {} if prediction is None else {**prediction.peaks, "": prediction.peak_bytes}
    unmodelled = () if prediction is None else prediction.unmodelled
    step = None
    if workload.optimizer:
        step, unpredicted = _training_step(workload, recording, device=device, threads=threads, sdpa=sdpa)
        peaks.pop("", None)  # it was that of forward and backward
        if step is not None:
            peaks[""], unmodelled = step.above_parameters, step.unmodelled
    opinion = _opinion(workload, recording)
    layers = layer_tree(_with_held(counts, prediction, inside), names)
    return ModelCensus(
        layers=tuple(_with_opinions(layer, inside, opinion, peaks) for layer in layers),
        unmodelled=unmodelled,
        recorded=recording.tape.recorded,
        value_reads=recording.tape.value_reads,
        written_out=written_out(recording.tape) if workload.mode == "forward" else 0,
        unpredicted=unpredicted,
        training_step=step,
        sequence_first=sequence_first(recording.module, recording.tape, workload, inside=inside),
    )


def _with_held(
    counts: Mapping[str, LayerCount], prediction: Prediction | None, inside: str
) -> Mapping[str, LayerCount]:
    """The counts, with what each module holds at the peak; what the wrapper of a model holds is the model's own."""
    if prediction is None:
        return counts
    held: Counter[str] = Counter()
    for path, size in prediction.held.items():
        within = path == inside or path.startswith(f"{inside}.") or not inside
        held[path.removeprefix(inside).removeprefix(".") if within else ""] += size
    return {path: replace(count, held_bytes=held[path]) for path, count in counts.items()}


def _training_step(
    workload: Workload, recording: Recording, *, device: str, threads: int, sdpa: str
) -> tuple[StepMemory | None, str]:
    """The memory of a whole step; or why it is not known."""
    try:
        return training_step(workload, recording, device=device, threads=threads, sdpa=sdpa), ""
    except (UnservedError, UsageError):
        raise
    except Exception as error:  # noqa: BLE001 - as above
        return None, _in_a_line(error)


def _in_a_line(error: Exception) -> str:
    return error.message if isinstance(error, KaoprofError) else in_a_line(error)


def _opinion(workload: Workload, recording: Recording) -> Mapping[str, int]:
    """fvcore's count of each module; of none where it is known to be wrong, or to take the process with it."""
    if has_unused_products(recording.tape):  # it leaves out what is not used
        return {}
    if recording.tape.failures:  # its tracer crashes where an exception is caught
        return {}
    return count_modules_with_fvcore(workload, recording.module) or {}


def _with_opinions(
    layer: CountedLayer, inside: str, opinion: Mapping[str, int], peaks: Mapping[str, int]
) -> CountedLayer:
    """The layer with fvcore's count and its peak, under a name that is text: half a character is none."""
    module = ".".join(filter(None, (inside, layer.layer)))
    peak = peaks.get(module if layer.layer else "")
    name, kind = map(encodable, (layer.layer, layer.type))
    return replace(layer, layer=name, type=kind, macs_fvcore=opinion.get(module), peak_bytes=peak)


def _predicted(recording: Recording, *, device: str, threads: int, sdpa: str) -> tuple[Prediction | None, str]:
    """The peaks; or why they are not known."""
    try:
        return predicted(recording, device=device, threads=threads, sdpa=sdpa, held=True), ""
    except UnservedError:
        raise
    except Exception as error:  # noqa: BLE001 - a prediction that fails leaves the counts
        return None, _in_a_line(error)

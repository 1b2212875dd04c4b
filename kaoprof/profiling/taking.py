"""Takes a model's census: one recorded run, and what is derived from it; each derivation may fail alone."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kaoprof.counting.fvcore_count import count_modules_with_fvcore
from kaoprof.counting.installed_rules import load_installed_rules
from kaoprof.errors import KaoprofError, UsageError
from kaoprof.memory.layer_bytes import predict_layer_bytes
from kaoprof.profiling.census import ModelCensus
from kaoprof.tape.batches import sequence_first
from kaoprof.tape.layers import LayerCount, count_layers, unwrapped
from kaoprof.tape.models import Recording, record_workload, runs
from kaoprof.tape.peak import predict_peak
from kaoprof.tape.products import has_unused_products, written_out
from kaoprof.tape.tree import CountedLayer, layer_tree
from kaoprof.workload.attention_backend import UnservedError, served_by
from kaoprof.workload.misfits import in_a_line
from kaoprof.workload.workload import Workload


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The peak of the whole, called "", and of each layer; what might raise it; or why it is not known."""

    peaks: Mapping[str, int] = {}
    unmodelled: tuple[str, ...] = ()
    failure: str = ""


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
    with served_by(sdpa if device == "cpu" else "auto", "cpu"):
        try:
            recording = record_workload(workload)
        except UsageError:
            raise
        except Exception as error:
            if not runs(workload):
                raise
            return ModelCensus(uncountable=_in_a_line(error))
    counts = unwrapped(count_layers(recording.tape), inside)
    prediction = _predicted(workload, recording, counts, device=device, threads=threads, sdpa=sdpa)
    opinion = _opinion(workload, recording)
    layers = layer_tree(counts, names)
    return ModelCensus(
        layers=tuple(_with_opinions(layer, inside, opinion, prediction.peaks) for layer in layers),
        unmodelled=prediction.unmodelled,
        recorded=recording.tape.recorded,
        value_reads=recording.tape.value_reads,
        written_out=written_out(recording.tape) if workload.mode == "forward" else 0,
        unpredicted=prediction.failure,
        sequence_first=sequence_first(recording.module, recording.tape, workload, inside=inside),
    )


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
    peak = peaks.get("") if not layer.layer else peaks.get(module)
    name, kind = (text.encode(errors="backslashreplace").decode() for text in (layer.layer, layer.type))
    return replace(layer, layer=name, type=kind, macs_fvcore=opinion.get(module), peak_bytes=peak)


def _predicted(
    workload: Workload, recording: Recording, counts: Mapping[str, LayerCount], *, device: str, threads: int, sdpa: str
) -> Prediction:
    """The peaks, by the tape on a CPU; on a GPU by a run of its own, whose operations differ."""
    try:
        if device == "cpu":
            return _by_tape(workload, recording, threads)
        found = predict_layer_bytes(workload, list(counts), device=device, threads=threads, sdpa=sdpa)
        return Prediction(peaks=found.peaks | {"": found.peak_bytes}, unmodelled=found.unmodelled)
    except UnservedError:
        raise
    except Exception as error:  # noqa: BLE001 - a prediction that fails leaves the counts
        return Prediction(failure=_in_a_line(error))


def _by_tape(workload: Workload, recording: Recording, threads: int) -> Prediction:
    peak = predict_peak(recording.tape, device="cpu", threads=threads)
    whole = peak
    if recording.tape.hides_encoders and workload.mode == "forward":
        fused = record_workload(workload, fused=True).tape
        whole = predict_peak(fused, device="cpu", threads=threads)
    return Prediction(peaks=peak.peaks | {"": whole.peak_bytes}, unmodelled=whole.unmodelled)

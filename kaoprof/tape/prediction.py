"""The predicted peak of a recorded workload on any device, and how many bytes must be there for one to run."""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from kaoprof.tape.models import Recording, input_bytes, is_too_large, record_workload
from kaoprof.tape.peak import held_at_peak, predict_peak
from kaoprof.tape.recording import CUDA, FUSED, SHOWN
from kaoprof.torch_internals import FAKE_TENSOR_LOGGER
from kaoprof.workload.attention_backend import served_by
from kaoprof.workload.workload import Workload

ENCODER_GAP = "fused encoder layers"  # on a GPU: what they hold was not read off; their plain form holds more


class Prediction(NamedTuple):
    """What one step allocates at most, above inputs and parameters, output included.

    Args:
        peak_bytes: of the whole.
        peaks: of each module while it runs, by its path; of the whole, called "", as its layers run one by one.
        unmodelled: operations whose kernels are not modelled, and might raise the peak.
        held: what each module made of what is alive at the peak, by its path, where that was asked for; of encoder
            layers that torch fuses, at that of the layers one by one.
    """

    peak_bytes: int
    peaks: Mapping[str, int]
    unmodelled: tuple[str, ...]
    held: Mapping[str, int] = MappingProxyType({})


def predicted(recording: Recording, *, device: str, threads: int, sdpa: str = "auto", held: bool = False) -> Prediction:
    """The peak on `device`: from the tape, if that holds the very operations of the device; else recorded with those.

    Args:
        recording: of a workload.
        device: `cpu` or `cuda`; it need not be there, since nothing is allocated.
        threads: how many threads the CPU kernels would use; some keep a buffer for each.
        sdpa: the one backend that fused attention may use, or `auto`.
        held: whether to find out, too, who holds the peak.

    Raises:
        UnservedError: that backend cannot serve the attention in it.
    """
    shown, kernels = recording.tape, SHOWN if device == "cpu" else CUDA
    fuses = shown.hides_encoders and not recording.call.train
    fused = None
    with served_by(sdpa, device):
        if sdpa != "auto" or kernels == CUDA:
            shown = recording.again(kernels)
        if kernels == SHOWN and fuses:
            fused = recording.again(FUSED)
    by_layer = predict_peak(shown, device=device, threads=threads)
    whole = by_layer if fused is None else predict_peak(fused, device=device, threads=threads)
    gaps = (ENCODER_GAP,) if kernels == CUDA and fuses else ()
    holding = held_at_peak(shown, by_layer) if held else {}
    return Prediction(whole.peak_bytes, by_layer.peaks, (*gaps, *whole.unmodelled), holding)


def predict_peak_bytes(workload: Workload, *, device: str, threads: int, sdpa: str = "auto") -> int:
    """The peak of a workload that was not recorded yet; see `predicted`."""
    return predicted(record_workload(workload), device=device, threads=threads, sdpa=sdpa).peak_bytes


class Needed(NamedTuple):
    """Bytes of the inputs, parameters and buffers, and the predicted peak above them."""

    resident: int
    peak: int


def memory_needed(workload: Workload, *, device: str, threads: int, sdpa: str = "auto") -> Needed:
    """How many bytes must be there for the workload to run; see `predicted`.

    Raises:
        OverflowError: a tensor would be larger than 64 bits can say.
        UnservedError: attention is forced to the backend `sdpa`, which cannot serve this.
    """
    level = FAKE_TENSOR_LOGGER.level
    FAKE_TENSOR_LOGGER.setLevel(logging.CRITICAL)  # it prints a traceback of the overflow that is expected here
    try:
        recording = record_workload(workload)
        peak = predicted(recording, device=device, threads=threads, sdpa=sdpa).peak_bytes
    except RuntimeError as error:
        if is_too_large(error):
            raise OverflowError(str(error)) from error
        raise
    finally:
        FAKE_TENSOR_LOGGER.setLevel(level)
    held = [*recording.module.parameters(), *recording.module.buffers()]
    resident = input_bytes(workload) + sum(tensor.numel() * tensor.element_size() for tensor in held)
    return Needed(resident=resident, peak=peak)

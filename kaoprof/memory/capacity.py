"""How many bytes must be there for a workload to run: what is resident before, and the predicted peak above it."""

import logging
import math

from kaoprof.dims import DTYPE_BYTES
from kaoprof.memory.live_bytes import predict_peak_bytes
from kaoprof.torch_internals import FAKE_TENSOR_LOGGER
from kaoprof.workload.building import build_module
from kaoprof.workload.workload import Workload

TOO_LARGE = ("overflow", "too large", "Storage size calculation", "numel")


def bytes_in_all(workload: Workload, *, device: str, threads: int, sdpa: str = "auto") -> int:
    """Inputs, parameters, buffers, and the peak above them.

    Raises:
        OverflowError: a tensor would be larger than 64 bits can say.
        UnservedError: attention is forced to the backend `sdpa`, which cannot serve this.
    """
    return resident_bytes(workload) + _peak(workload, device, threads, sdpa)


def resident_bytes(workload: Workload) -> int:
    """Bytes of the inputs, the parameters and the buffers."""
    module = build_module(workload, device="meta")
    held = [*module.parameters(), *module.buffers()]
    inputs = sum(math.prod(spec.shape) * DTYPE_BYTES[spec.dtype] for spec in workload.inputs)
    return inputs + sum(tensor.numel() * tensor.element_size() for tensor in held)


def _peak(workload: Workload, device: str, threads: int, sdpa: str) -> int:
    level = FAKE_TENSOR_LOGGER.level
    FAKE_TENSOR_LOGGER.setLevel(logging.CRITICAL)  # it prints a traceback of the overflow that is expected here
    try:
        return predict_peak_bytes(workload, device=device, threads=threads, sdpa=sdpa)
    except RuntimeError as error:
        if any(word in str(error) for word in TOO_LARGE):
            raise OverflowError(str(error)) from error
        raise
    finally:
        FAKE_TENSOR_LOGGER.setLevel(level)

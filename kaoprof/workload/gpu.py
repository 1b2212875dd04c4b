"""The GPU that a prediction is for: the one that is there, or an H100 where there is none."""

import os
from functools import cache

import msgspec
import torch

DEPRIORITIZED = "TORCH_CUDNN_SDPA_DEPRIORITIZED"  # torch's own switch: flash attention goes before cuDNN's
FLAGGED = ("1", "ON", "on", "TRUE", "true", "YES", "yes", "Y", "y")  # what torch takes for set: c10/util/env.cpp
PREFERRED_BY = (9, 10)  # compute capabilities, major: Hopper and Blackwell for data centres
PREFERRED_FROM = 91500  # cuDNN's version, above which torch lets it go first


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """What decides which kernels serve, and what they hold. `is_there` is False of one that is only assumed."""

    capability: tuple[int, int] = (9, 0)
    multiprocessors: int = 132
    threads_of_a_multiprocessor: int = 2048
    cudnn: int = 91900
    is_there: bool = False

    @property
    def prefers_cudnn(self) -> bool:
        """Whether torch asks cuDNN first for attention. Source: `sdp_utils.cpp`, `check_prefer_cudnn_attention`."""
        if os.environ.get(DEPRIORITIZED) in FLAGGED:
            return False
        return self.capability[0] in PREFERRED_BY and self.cudnn > PREFERRED_FROM


@cache
def this_gpu() -> Gpu:
    """The current CUDA device; an H100 with torch's own cuDNN where there is none."""
    cudnn = torch.backends.cudnn.version() or Gpu().cudnn
    if not torch.cuda.is_available():
        return Gpu(cudnn=cudnn)
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return Gpu(
        capability=(properties.major, properties.minor), multiprocessors=properties.multi_processor_count,
        threads_of_a_multiprocessor=properties.max_threads_per_multi_processor, cudnn=cudnn,
        is_there=True,
    )  # fmt: skip

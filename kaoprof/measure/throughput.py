"""How fast this device multiplies: from it follows a floor under every operator's time."""

import torch

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.measure.meters import CpuMeters, CudaMeters

PRODUCT_SIZES = {"cpu": 1024, "cuda": 8192}  # large enough to be bound by arithmetic, small enough to be done at once
ATTEMPTS = 7  # the fastest counts: a floor must not be raised by noise


def product_throughput(meters: CpuMeters | CudaMeters, device: str, dtype: torch.dtype) -> float:
    """FLOP/s of the fastest of a few `(s s) @ (s s)` products in `dtype`."""
    size = PRODUCT_SIZES[device.partition(":")[0]]
    factor = torch.ones(size, size, device=device, dtype=dtype)
    seconds = min(meters.seconds(lambda: factor @ factor, calls=1, warm_calls=1) for _ in range(ATTEMPTS))
    return FLOPS_PER_MAC * size**3 / seconds

"""What numbers and tensors take."""

import torch
from torch import Tensor

from kaoprof.dims import Size

SINGLE_BYTES = 4
REDUCED = (torch.float16, torch.bfloat16)


def bytes_of(x: Tensor) -> Size:
    """Of all its elements; torch's own `nbytes` knows no symbolic sizes."""
    return x.numel() * x.element_size()

"""What numbers and tensors take."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from kaoprof.dims import Size

SINGLE_BYTES = 4
REDUCED = (torch.float16, torch.bfloat16)


def touched(shape: Iterable[int], strides: Iterable[int], width: int) -> int:
    """Of memory behind a tensor with elements of `width` bytes: an expanded axis is read over and over, but is one."""
    sizes = zip(shape, strides, strict=True)
    return width * math.prod(size for size, stride in sizes if stride or not size)


def bytes_of(x: Tensor) -> Size:
    """Of all its elements; torch's own `nbytes` knows no symbolic sizes."""
    return x.numel() * x.element_size()

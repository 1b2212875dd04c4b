"""Copies that CPU kernels make inside of tensors that do not lie in memory, or are not of the dtype, as they want.

Each was read off the kernel, and is checked against the allocator's own events by a test.
"""

import math

import torch
from torch import Tensor

from kaoprof.dims import Size
from kaoprof.memory.kernels.onednn import takes_reduced
from kaoprof.workload.tensor_bytes import REDUCED, SINGLE_BYTES, bytes_of

IMAGES = 4  # axes


def copy_of_first(x: Tensor, *_: object, **__: object) -> Size:
    """A kernel that works on a contiguous tensor copies one that is not, as after a transposition."""
    return 0 if x.is_contiguous() else bytes_of(x)


def is_innermost(x: Tensor) -> bool:
    """Whether it lies in memory as one whose channels lie innermost, be it only because there is but one of them."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.ndim in formats and x.is_contiguous(memory_format=formats[x.ndim])


def copies_of_two(x: Tensor, y: Tensor, *_: object, **__: object) -> Size:
    """The same of its first two tensors."""
    return copy_of_first(x) + copy_of_first(y)


def half_precision_mean(x: Tensor, axes: list[int] | None = None, *_: object, **__: object) -> Size:
    """A mean in half precision is taken in single precision: of a copy, into a result of its own."""
    if x.dtype not in REDUCED:
        return 0
    averaged = math.prod(x.shape[axis] for axis in axes) if axes else x.numel()
    return SINGLE_BYTES * (x.numel() + x.numel() // averaged)


def sum_in_other_dtype(x: Tensor, *_: object, dtype: torch.dtype | None = None, **__: object) -> Size:
    """A sum in another dtype than its input's is taken of a copy in that dtype; that of whole numbers in int64."""
    summed = dtype or (x.dtype if x.is_floating_point() or x.is_complex() else torch.int64)
    return 0 if summed == x.dtype else x.numel() * summed.itemsize


def safe_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None, **_: object) -> Size:
    """Attention's plain form looks for rows that are masked whole: a bit per element as a byte, one per row, a zero."""
    rows = math.prod(size for axis, size in enumerate(x.shape) if axis != dim % x.ndim)
    return x.numel() + rows + (dtype or x.dtype).itemsize


def gelu_backward(grad: Tensor, x: Tensor, *, approximate: str = "none", **_: object) -> Size:
    """oneDNN reorders a gradient that lies otherwise than its input, and likewise its result."""
    exact = approximate == "none" and (
        x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and takes_reduced(x.dtype))
    )
    if not exact or not x.is_contiguous() or grad.is_contiguous():
        return 0
    return bytes_of(grad) if 0 in grad.stride() else 2 * bytes_of(grad)


def batch_norm(x: Tensor, *_: object, **__: object) -> Size:
    """Means in half precision of what lies in no order are taken of a copy in single precision."""
    return SINGLE_BYTES * x.numel() if x.dtype in REDUCED and not _lies_in_order(x) else 0


def batch_norm_backward(grad: Tensor, x: Tensor, *_: object, **__: object) -> Size:
    """The gradient of what lies in order is allocated twice; else as in the forward pass."""
    return bytes_of(x) if _lies_in_order(grad) and _lies_in_order(x) else batch_norm(x)


def _lies_in_order(x: Tensor) -> bool:
    """Contiguous, or with its channels innermost."""
    return x.is_contiguous() or (x.ndim == IMAGES and x.is_contiguous(memory_format=torch.channels_last))

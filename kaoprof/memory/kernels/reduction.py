"""What torch's own CPU kernels hold for themselves where dtypes meet, or where sums are taken in another precision.

Read off `ReduceOps.cpp`, `TensorIterator.cpp`, `UnaryOps.cpp` and `Loss.cpp` of torch, and checked against the
allocator's own events by a test.
"""

import math
from typing import Any

import torch
from torch import Tensor

from kaoprof.dims import Size
from kaoprof.memory.kernels.layout_copies import copies_of_two, copy_of_first, half_precision_mean, sum_in_other_dtype
from kaoprof.workload.tensor_bytes import REDUCED, SINGLE_BYTES, bytes_of

NO_REDUCTION = 0  # torch's number for a loss that is not averaged
AVERAGED = 1


def summed(x: Tensor, dims: list[int] | None = None, *rest: Any, dtype: torch.dtype | None = None, **_: Any) -> Size:
    """A sum in half precision over axes that do not lie together is one of a copy in single precision."""
    del rest
    copied = sum_in_other_dtype(x, dtype=dtype)
    if copied or x.dtype not in REDUCED or not _lie_apart(x, dims or range(x.ndim)):
        return copied
    kept = math.prod(size for axis, size in enumerate(x.shape) if axis not in _axes(x, dims or range(x.ndim)))
    return SINGLE_BYTES * (x.numel() + kept)


def greatest_of_all(x: Tensor, *axis: object, **_: object) -> Size:
    """The greatest or least of all numbers is looked for in a contiguous copy; along an axis none is made."""
    return 0 if axis else copy_of_first(x)


def _axes(x: Tensor, dims: Any) -> list[int]:
    return [dim % x.ndim for dim in dims]


def _lie_apart(x: Tensor, dims: Any) -> bool:
    """Whether the axes that are summed over are more than one to torch's iterator, which joins what lies together."""
    axes = _sorted([(x.stride(axis), x.shape[axis]) for axis in reversed(range(x.ndim)) if axis in _axes(x, dims)])
    joined = axes[:1]
    for stride, size in axes[1:]:
        inner_stride, inner_size = joined[-1]
        if inner_size == 1 or size == 1 or inner_size * inner_stride == stride:
            joined[-1] = (stride if inner_size == 1 else inner_stride, inner_size * size)
        else:
            joined.append((stride, size))
    return len(joined) > 1


def _sorted(axes: list[tuple[Size, Size]]) -> list[tuple[Size, Size]]:
    """By strides, those of equal ones by sizes; an axis that repeats itself stays where it meets another.

    Source: `TensorIteratorBase::reorder_dimensions`.
    """
    axes = list(axes)
    for last in range(1, len(axes)):
        place = last
        for before in range(last - 1, -1, -1):
            if 0 in (axes[before][0], axes[place][0]):
                continue
            if axes[before] > axes[place]:
                axes[before], axes[place] = axes[place], axes[before]
                place = before
            elif axes[before][0] < axes[place][0]:
                break
    return axes


def log_sum_exp(x: Tensor, dims: list[int], *_: Any, **__: Any) -> Size:
    """The exponentials, and the maxima that were subtracted."""
    reduced = math.prod(x.shape[axis] for axis in _axes(x, dims))
    return bytes_of(x) + x.numel() // reduced * x.element_size()


def magnitude(x: Tensor, *_: Any, **__: Any) -> Size:
    """That of complex numbers is computed as if it were complex, too."""
    return bytes_of(x) if x.is_complex() else 0


def averaged_loss(x: Tensor, target: Tensor, reduction: int = AVERAGED, *_: Any, **__: Any) -> Size:
    """The loss of each element, and what averaging it takes."""
    del target
    if reduction == NO_REDUCTION:
        return 0
    return bytes_of(x) + (half_precision_mean(x) if reduction == AVERAGED else 0)


def kept_by_loss(x: Tensor, target: Tensor, reduction: int = AVERAGED, *_: Any, **__: Any) -> Size:
    """The result of such a loss was made for all elements, and keeps its storage."""
    del target
    return 0 if reduction == NO_REDUCTION else bytes_of(x)


def promoted(*args: Any, **_: Any) -> Size:
    """Where dtypes meet, what has not their common one is copied into it."""
    tensors = [arg for arg in args[-2:] if isinstance(arg, Tensor)]
    if len(args) < 2 or not tensors or not all(isinstance(arg, (Tensor, int, float, complex)) for arg in args[-2:]):  # noqa: PLR2004 - two meet
        return 0
    common = torch.result_type(*args[-2:])
    return sum(tensor.numel() * common.itemsize for tensor in tensors if tensor.dtype != common and tensor.ndim > 0)


def divided(x: Any, divisor: Any, *_: Any, rounding_mode: str | None = None, **__: Any) -> Size:
    """Likewise; whole numbers are divided as fractions."""
    dtype = torch.result_type(x, divisor)
    if rounding_mode is not None or dtype.is_floating_point or dtype.is_complex:
        return promoted(x, divisor)
    return sum(
        SINGLE_BYTES * number.numel() for number in (x, divisor) if isinstance(number, Tensor) and number.ndim > 0
    )


def layer_norm_gradient(
    grad: Tensor, x: Tensor, normalised: list[int], *statistics_and_mask: Any, threads: int, **_: Any
) -> Size:
    """Copies of two that lie in no order, and each thread's sums of the gradients of weights and bias."""
    copied = copies_of_two(grad, x)
    if not any(statistics_and_mask[-1][1:]):
        return copied
    return copied + 2 * threads * math.prod(normalised) * x.element_size()

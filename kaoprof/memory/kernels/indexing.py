"""What a CPU kernel holds for itself while it moves elements to other places, or adds them up there.

Read off `ScatterGatherKernel.cpp`, `TensorAdvancedIndexing.cpp` and `TensorTransformations.cpp` of torch, and checked
against the allocator's own events by a test.
"""

from typing import Any

from torch import Tensor

from kaoprof.dims import Size
from kaoprof.memory.kernels.layout_copies import copy_of_first
from kaoprof.workload.tensor_bytes import REDUCED, SINGLE_BYTES, bytes_of

EXPANDED_ROW = 16  # elements that share one index: from so many on they are added together


def gathered(x: Tensor, dim: int, index: Tensor, *_: Any, **__: Any) -> Size:
    """In half precision the result, which is as large as the index, is put together in single precision."""
    return 0 if x.dtype not in REDUCED or _moves_rows(dim, index, x) else SINGLE_BYTES * index.numel()


def scattered(x: Tensor, dim: int, *_: Any, **__: Any) -> Size:
    """Likewise what is scattered into."""
    del dim
    return SINGLE_BYTES * x.numel() if x.dtype in REDUCED else 0


def scattered_sum(x: Tensor, dim: int, index: Tensor, added: Tensor, *_: Any, threads: int, **__: Any) -> Size:
    """Likewise, unless whole rows are added: then each thread has one of them."""
    if x.dtype in REDUCED and _moves_rows(dim, index, added) and _row(index) >= EXPANDED_ROW:
        return threads * SINGLE_BYTES * _row(index)
    return scattered(x, dim)


def added_rows_gap(x: Tensor, dim: int, index: Tensor, added: Tensor, *_: Any) -> str | None:
    """`index_add` in half precision copies, in a way that is not modelled, what does not lie plainly in memory."""
    del dim, index
    plain = x.is_contiguous() and added.is_contiguous()
    return None if plain or x.dtype not in REDUCED else "index_add"


def _moves_rows(dim: int, index: Tensor, moved: Tensor) -> bool:
    """Whether a column of indices was expanded, so that each of them stands for a row of what is moved."""
    if dim != 0 or index.ndim < 2 or index.shape[1:] != moved.shape[1:]:  # noqa: PLR2004 - a column
        return False
    return bool(index.stride(0) == 1 and all(step <= 1 for step in index.stride()))


def _row(index: Tensor) -> Size:
    return index.numel() // index.shape[0]


def rolled(x: Tensor, shifts: list[int], dims: list[int] | None = None, **_: Any) -> Size:
    """Axes are rolled one after the other, each into a tensor of its own; without axes, all in a row."""
    return (len(shifts) - 1) * bytes_of(x) if dims else copy_of_first(x)


def triangle(x: Tensor, *_: Any, **__: Any) -> Size:
    """Matrices of a batch that do not follow each other in order are copied."""
    return 0 if x.ndim <= 2 or x.mT.is_contiguous() else copy_of_first(x)  # noqa: PLR2004 - one matrix

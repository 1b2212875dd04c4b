"""What torch's own kernels hold for themselves on an NVIDIA GPU, attention apart: copies of what lies in no order.

Read off torch's sources, and compared with the requests that its host code makes of the allocator, launching nothing;
the tests marked `gpu` compare with a device.
"""

import math
from typing import Any

import torch
from torch import Tensor

from kaoprof.dims import Size, ceil_div
from kaoprof.memory.kernels import indexing, layout_copies, resampling
from kaoprof.memory.kernels.layout_copies import (
    copies_of_two,
    copy_of_first,
    is_innermost,
    safe_softmax,
    sum_in_other_dtype,
)
from kaoprof.memory.kernels.products import MATRIX
from kaoprof.memory.kernels.reduction import AVERAGED, NO_REDUCTION
from kaoprof.torch_internals import suggest_memory_format
from kaoprof.workload.tensor_bytes import REDUCED, SINGLE_BYTES, bytes_of

CONVOLUTION_GAP = "convolution by cuDNN"  # its workspace depends on the algorithm that it chooses
BATCH_NORM_GAP = "batch norm by cuDNN"
SORTED_WHOLE = 4096  # elements of an axis: up to so many are sorted by one block of threads
SELECTED_WHOLE = 1024  # likewise, of which the largest are taken; more may be shared among blocks
LOOKED_UP = 3072  # indices: the gradients of more are sorted by them
ROWS_OF_ONE_PASS = 2**16  # of a layer norm; of more, gradients of the weights are summed up in parts
ROWS_OF_A_PART = 32
INDEX_BYTES = 8


def softmax_gradient(grad: Tensor, output: Tensor, *_: object, **__: object) -> Size:
    """The gradient times the output, and copies of that and of the output; not so for log-softmax.

    The product lies as the gradient does, if that is dense. Source: `SoftMax.cu`, `softmax_backward_cuda_out`.
    """
    return bytes_of(grad) + (copy_of_first(grad) if _is_dense(grad) else 0) + copy_of_first(output)


def _is_dense(x: Tensor) -> bool:
    """Whether its elements lie side by side, in whatever order."""
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(x.stride(), x.shape, strict=True) if size != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def attention_weights(x: Tensor, dim: int, *dtype: Any, **kwargs: Any) -> Size:
    """Attention's plain form: a copy for the softmax, later what tells rows that are masked whole."""
    return max(copy_of_first(x), safe_softmax(x, dim, *dtype, **kwargs))


def statistics(x: Tensor, normalised: list[int], *_: Any, **__: Any) -> Size:
    """Mean and deviation of each row are kept in single precision, also where the rows are not."""
    return SINGLE_BYTES * (x.numel() // math.prod(normalised)) if x.dtype in REDUCED else 0


def layer_norm_gradient(grad: Tensor, x: Tensor, normalised: list[int], *_: Any, **__: Any) -> Size:
    """Copies, and of very many rows the parts of the gradients of weights and bias."""
    width = math.prod(normalised)
    rows = x.numel() // width
    parts = 2 * ceil_div(rows, ROWS_OF_A_PART) * width * x.element_size() if rows > ROWS_OF_ONE_PASS else 0
    return copies_of_two(grad, x) + parts


def group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, batch: Size, channels: Size, *_: Any, **__: Any
) -> Size:
    """A copy; with weights also a factor and a summand for each channel of each sample."""
    del bias
    return copy_of_first(x) + (0 if weight is None else 2 * SINGLE_BYTES * batch * channels)


def group_norm_gradient(
    grad: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor | None, batch: Size, channels: Size,
    pixels: Size, groups: int, *_: Any, **__: Any,
) -> Size:  # fmt: skip
    """Two or three sums for each channel of each sample, and two for each group."""
    del mean, rstd, pixels
    sums = (2 if weight is None else 3) * batch * channels + 2 * batch * groups
    return copies_of_two(grad, x) + SINGLE_BYTES * sums


def batch_norm_gradient(grad: Tensor, x: Tensor, *_: Any, **__: Any) -> Size:
    """Copies of what lies neither in order nor with its channels innermost."""
    in_order = all(tensor.is_contiguous() or is_innermost(tensor) or 0 in tensor.stride() for tensor in (grad, x))
    return 0 if in_order else bytes_of(grad) + bytes_of(x)


def product(left: Tensor, right: Tensor, *_: Any, **__: Any) -> Size:
    """Copies of matrices, also of a batch, neither whose rows nor whose columns lie together.

    Source: `Blas.cpp`, `prepare_matrix_for_cublas`, `prepare_batch_matrix_for_cublas`.
    """
    return sum(bytes_of(x) for x in (left, right) if x.ndim >= MATRIX and not _has_a_leading_axis(x))


def added_product(bias: Tensor, left: Tensor, right: Tensor, *_: Any, **__: Any) -> Size:
    """The same with `addmm`, `baddbmm` and `addmv`."""
    del bias
    return product(left, right)


def _has_a_leading_axis(matrix: Tensor) -> bool:
    (rows, columns), (down, across) = matrix.shape[-2:], matrix.stride()[-2:]
    return bool((across == 1 and down >= max(1, columns)) or (down == 1 and across >= max(1, rows)))


def batch_norm(x: Tensor, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, *_: Any, **__: Any) -> Size:
    """While it is trained, a copy in single precision, as on a CPU."""
    del weight, bias, mean, variance
    return layout_copies.batch_norm(x) if training else 0


def running_sum(x: Tensor, *_: Any, dtype: torch.dtype | None = None, **__: Any) -> Size:
    """A copy in the dtype of the sum, and one of that in order."""
    converted = sum_in_other_dtype(x, dtype=dtype)
    return converted + (0 if x.is_contiguous() else converted or bytes_of(x))


def rolled(x: Tensor, shifts: list[int], dims: list[int] | None = None, **_: Any) -> Size:
    """Axes are rolled one after the other; one alone is rolled in a copy that lies in order."""
    return max(indexing.rolled(x, shifts, dims), copy_of_first(x))


def pooling_gradient(grad: Tensor, x: Tensor, *rest: Any, **__: Any) -> Size:
    """Copies of what lies in no order, and of indices of a maximum that lie otherwise than the gradient."""
    order = suggest_memory_format(grad)
    indices = [tensor for tensor in rest if isinstance(tensor, Tensor)]
    copied = sum(bytes_of(tensor) for tensor in indices if not tensor.is_contiguous(memory_format=order))
    return resampling.unless_in_order(grad) + resampling.unless_in_order(x) + copied


def averaged_loss(x: Tensor, target: Tensor, reduction: int = AVERAGED, *_: Any, **__: Any) -> Size:
    """The loss of each element."""
    del target
    return 0 if reduction == NO_REDUCTION else bytes_of(x)


def sort(x: Tensor, *rest: Any, dim: int | None = None, **__: Any) -> Size:
    """One row of positions."""
    return INDEX_BYTES * _sorted_size(x, rest, dim)


def _sorted_size(x: Tensor, rest: tuple[Any, ...], dim: int | None = None) -> Size:
    """Elements of the axis that `sort` was told by position or by name."""
    axis = next((value for value in rest if type(value) is int), -1) if dim is None else dim
    return x.shape[axis] if x.ndim else 1


def sort_gap(x: Tensor, *rest: Any) -> str | None:
    """Long axes are sorted in segments, with buffers of several times the input."""
    return "sort" if _sorted_size(x, rest) > SORTED_WHOLE else None


def topk_gap(x: Tensor, count: int, axis: int = -1, *_: Any) -> str | None:
    """Long axes are shared among blocks of threads."""
    del count
    return "topk" if x.ndim and x.shape[axis] > SELECTED_WHOLE else None


def embedding_gradient_gap(grad: Tensor, indices: Tensor, *_: Any) -> str | None:
    """Many indices are sorted first."""
    del grad
    return "embedding_dense_backward" if indices.numel() > LOOKED_UP else None


def index_put_gap(x: Tensor, indices: Any, values: Tensor, accumulate: bool = False, *_: Any) -> str | None:
    """Where it adds, indices are sorted first."""
    del x, indices, values
    return "index_put" if accumulate else None


def batch_norm_gap(x: Tensor, weight: Tensor | None, bias: Any, mean: Any, variance: Any, training: bool, *_: Any) -> (
    str | None
):  # fmt: skip
    """Where cuDNN serves it, it keeps what its backward pass is to find."""
    del bias, mean, variance
    return BATCH_NORM_GAP if training and weight is not None and x.ndim > MATRIX else None

"""What a product of matrices on a CPU holds for itself: copies of those that lie in no order that a library takes.

What oneDNN holds during products in half precision is found by a search inside of it, anew in each of its versions and
for each processor: it is announced as a gap.
"""

from typing import Any

from torch import Tensor

from kaoprof.counting.trilinear import trilinear_of
from kaoprof.dims import Size
from kaoprof.memory.kernels.onednn import takes_reduced
from kaoprof.workload.tensor_bytes import bytes_of

MATRIX = 2  # axes
PRODUCT_GAP = "product in "
MOST_BLOCKS_BYTES = 2**22  # of a thread: blocks fit its caches; seen were up to 1.2 million


def product_scratch(left: Tensor, right: Tensor, *_: Any, **__: Any) -> Size:
    """Copies of `mm`, `bmm` and `mv`: matrices of no order; of a batch, what is only marked conjugate."""
    if left.ndim == MATRIX and right.ndim == MATRIX:
        return sum(bytes_of(matrix) for matrix in (left, right) if not _has_a_leading_axis(matrix))
    return sum(bytes_of(tensor) for tensor in (left, right) if tensor.ndim > MATRIX and tensor.is_conj())


def added_product_scratch(bias: Tensor, left: Tensor, right: Tensor, *_: Any, **__: Any) -> Size:
    """The same with `addmm`, `baddbmm` and `addmv`."""
    del bias
    return product_scratch(left, right)


def trilinear_scratch(*args: Any, threads: int, **kwargs: Any) -> Size:
    """Of a product of three tensors: a slice's first product, and of that with the third tensor."""
    del threads
    form = trilinear_of(*args, **kwargs)
    result = form.count((form.between | form.third) - form.summed - {form.unrolled})
    held: Size = args[0].element_size() * (form.count(form.between) + result)
    return held


def product_gap(left: Tensor, *_: Any) -> str | None:
    """Which product this is, if it is one whose buffers are not modelled; `left` may be what it is added to."""
    return f"{PRODUCT_GAP}{str(left.dtype).removeprefix('torch.')} by oneDNN" if takes_reduced(left.dtype) else None


def _has_a_leading_axis(matrix: Tensor) -> bool:
    """Whether its rows or its columns lie together, as libraries of linear algebra want them."""
    return _rows_lie_together(matrix) or _rows_lie_together(matrix.mT)


def _rows_lie_together(matrix: Tensor) -> bool:
    return bool(matrix.stride(1) == 1 and matrix.stride(0) >= matrix.shape[1])

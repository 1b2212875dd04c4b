"""What a product of bfloat16 matrices on a CPU holds for itself: the blocks that oneDNN computes in, for each thread.

Where torch hands such a product to oneDNN, each thread copies a block of the right matrix into the order that the
processor's instructions want, likewise of the left one if its columns lie together, and sums up in single precision.
Read off `mkldnn_matmul` and `addmm_impl_cpu_` of torch and `brgemm_matmul_utils.cpp` of oneDNN 3, and checked against
the allocator by a test. Not modelled: processors with matrix units (AMX), which choose blocks by the sizes of their
caches, those without bfloat16 instructions, and half precision (fp16), which most processors only emulate.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kaoprof.dims import ceil_div
from kaoprof.memory.kernels.onednn import BOUNDARY_BYTES, in_blocks_of, multiplies_in_blocks, refuse_symbols, single
from kaoprof.workload.tensor_bytes import HALF_BYTES, SINGLE_BYTES, bytes_of

SMALL_PRODUCT = 16**3  # MACs: up to so many torch prefers its own kernel
TINY_PRODUCT = 400  # MACs: below that torch multiplies the matrices of a batch as they lie, else one after the other
CALL_BYTES = 640  # per thread, the descriptions of the blocks that the inner kernel takes: 16 of 40 bytes
INTERLEAVED_KEYS = 32  # rows of the right matrix that are copied together: 16 pairs
CACHE_LINE_ELEMENTS = 32
COLUMN_BLOCK = 64
ROW_BLOCKS = (256, 32)  # most and least rows of a block; least when few blocks are left for each thread:
FEW_ROWS = 16
DEPTH_BLOCKS = (512, 1024)  # of the axis that is summed over; the second if it is longer than that
LARGE_POWER_OF_TWO = 512  # lines that are such powers of two are moved apart, so that they fall into different sets
COPIED_DEPTH, COPIED_ROWS = 4096, 1024  # a left matrix with such a power of two as its depth is copied all the same
MOST_CHUNKS = 16  # blocks of columns that one thread takes at a time, if the left matrix is copied
SPLIT_DEPTH, MOST_SPLITS = 2048, 4  # from this depth on several threads share one sum
BALANCED = 3  # blocks per thread above which an uneven rest does not matter


class Product(NamedTuple):
    """`(batch m k) , (batch k n) -> (batch m n)`; `columnwise` if the columns of the left matrices lie together.

    Where `m` or `k` is 1 both lie together: oneDNN takes a single row for a transposed column, and a single column for
    what it met first at these sizes, since it keeps its kernels; here for itself.
    """

    batch: int
    m: int
    k: int
    n: int
    columnwise: bool


class Blocking(NamedTuple):
    """How oneDNN divides a product: rows of a block, blocks of columns in a row, threads that share one sum."""

    rows: int
    chunks: int
    splits: int


def product_scratch(left: Tensor, right: Tensor, *_: Any, threads: int, **__: Any) -> int:
    """Bytes beyond the result of `mm`, `bmm` and `mv`, with copies of inputs that lie in no order that oneDNN takes.

    Raises:
        NoFormulaError: the sizes are symbols.
    """
    if not multiplies_in_blocks(left.dtype):
        return _plainly_copied(left, right)
    refuse_symbols(left, right)
    if right.ndim == 2:  # noqa: PLR2004 - matrices
        return _matrix_scratch(left, right, threads=threads)
    batch, m, k = (1, *left.shape)[-3:]
    n = 1 if right.ndim == 1 else right.shape[-1]
    if batch * m * k * n > SMALL_PRODUCT:
        columnwise = not left.is_contiguous() and _taken_as_it_lies(left)
        copied: int = sum(bytes_of(tensor) for tensor in (left, right) if not _taken_as_it_lies(tensor))
        return copied + blocked_bytes(Product(batch, m, k, n, columnwise), threads)
    if right.ndim == 1:
        return 0 if _has_a_leading_axis(left) else bytes_of(left)
    if m * k * n < TINY_PRODUCT:
        return 0
    return sum(bytes_of(matrix) for matrix in (left[0], right[0]) if not _has_a_leading_axis(matrix))


def added_product_scratch(bias: Tensor, left: Tensor, right: Tensor, *_: Any, threads: int, **__: Any) -> int:
    """The same with `addmm`, `baddbmm` and `addmv`: oneDNN adds to what is there."""
    del bias
    return product_scratch(left, right, threads=threads)


def _plainly_copied(left: Tensor, right: Tensor) -> int:
    """What a library copies before it multiplies: matrices of no order; of a batch, what is only marked conjugate."""
    if left.ndim == 2 and right.ndim == 2:  # noqa: PLR2004 - matrices
        return sum(bytes_of(matrix) for matrix in (left, right) if not _has_a_leading_axis(matrix))
    return sum(bytes_of(tensor) for tensor in (left, right) if tensor.ndim > 2 and tensor.is_conj())  # noqa: PLR2004


def _matrix_scratch(left: Tensor, right: Tensor, *, threads: int) -> int:
    (m, k), n = left.shape, right.shape[-1]
    copied: int = sum(bytes_of(tensor) for tensor in (left, right) if not _has_a_leading_axis(tensor))
    columnwise = _rows_lie_together(left.mT)
    product = Product(1, m, k, n, columnwise)
    if n == 1:  # a result of one column counts as one row, and the product as that of the transposed
        product = Product(1, 1, k, m, columnwise)
    return copied + blocked_bytes(product, threads)


def product_gap(left: Tensor, *_: Any) -> str | None:
    """Which product this is, if it is one whose buffers are not modelled."""
    units = torch.cpu._is_amx_tile_supported()  # noqa: SLF001 - see `onednn.multiplies_in_blocks`
    return "product of bfloat16 matrices by matrix units" if left.dtype == torch.bfloat16 and units else None


def _taken_as_it_lies(tensor: Tensor) -> bool:
    """Contiguous, or the transposed of what is."""
    return tensor.is_contiguous() or (tensor.ndim > 1 and tensor.mT.is_contiguous())


def _has_a_leading_axis(matrix: Tensor) -> bool:
    """Whether its rows or its columns lie together, as libraries of linear algebra want them."""
    return _rows_lie_together(matrix) or _rows_lie_together(matrix.mT)


def _rows_lie_together(matrix: Tensor) -> bool:
    return bool(matrix.stride(1) == 1 and matrix.stride(0) >= matrix.shape[1])


@lru_cache(maxsize=4096)
def blocked_bytes(product: Product, threads: int) -> int:
    """What oneDNN's buffers for all threads take, for a product whose matrices it takes as they lie."""
    if product.batch * product.m * product.k * product.n <= SMALL_PRODUCT:
        return 0
    blocking = best_blocking(product, threads)
    if blocking is None:
        return 0
    _, m, k, n, _ = product
    depth = _depth_block(product)
    columns = min(COLUMN_BLOCK, n)
    chunks = 1 if depth >= k else blocking.chunks  # sums that stay unfinished are kept for all columns in a row
    sums = m * n if blocking.splits > 1 else blocking.rows * columns * chunks
    right = COLUMN_BLOCK * in_blocks_of(depth, INTERLEAVED_KEYS)
    buffers = [CALL_BYTES, HALF_BYTES * right, SINGLE_BYTES * sums]
    if _copies_left(product):
        line = in_blocks_of(depth, CACHE_LINE_ELEMENTS)
        apart = CACHE_LINE_ELEMENTS if line >= LARGE_POWER_OF_TWO and _is_power_of_two(line) else 0
        buffers.append(HALF_BYTES * blocking.rows * (line + apart))
    return sum(threads * size + BOUNDARY_BYTES for size in buffers)


def best_blocking(product: Product, threads: int) -> Blocking | None:
    """The one that oneDNN finds to divide the work most evenly; None if it finds none and takes another kernel."""
    batch, m, k, n, _ = product
    blocks_of_columns = ceil_div(n, COLUMN_BLOCK)
    few = threads > batch * blocks_of_columns
    most, least = (min(m, rows) for rows in (ROW_BLOCKS[0], FEW_ROWS if few else ROW_BLOCKS[1]))
    shared = few and batch == 1 and _is_transposed(product) and _is_power_of_two(k) and k >= SPLIT_DEPTH
    most_splits = min(threads, MOST_SPLITS) if shared else 1
    most_chunks = min(MOST_CHUNKS if _copies_left(product) else 1, blocks_of_columns)
    best, best_unevenness = None, 1.0
    for splits in range(most_splits, 0, -1):
        tried = [
            Blocking(rows, chunks, splits)
            for chunks in range(most_chunks, 0, -1)
            for rows in range(most, least - 1, -1)
            if shared or _is_even(product, rows, chunks, threads)
        ]
        for blocking in tried or [Blocking(least, 1, splits)]:
            unevenness = _unevenness(product, blocking, threads)
            if unevenness < best_unevenness:
                best, best_unevenness = blocking, unevenness
    return best


def _is_even(product: Product, rows: int, chunks: int, threads: int) -> bool:
    work: int = product.batch * ceil_div(product.m, rows) * ceil_div(product.n, chunks * COLUMN_BLOCK)
    return work >= BALANCED * threads or work % threads == 0


def _unevenness(product: Product, blocking: Blocking, threads: int) -> float:
    """oneDNN's score, in the single precision in which it compares: 0 where every thread has the same to do."""
    batch, m, k, n, _ = product
    rows, chunks, splits = blocking
    each = threads // splits
    blocks_of_columns = ceil_div(n, COLUMN_BLOCK)
    in_chunks = ceil_div(blocks_of_columns, chunks)
    work = ceil_div(m, rows) * ceil_div(n, COLUMN_BLOCK * chunks) * batch
    terms = (
        _rest(work, each),
        _ratio(rows * ceil_div(m, rows) % m, m),
        _ratio(in_chunks * chunks - blocks_of_columns, blocks_of_columns),
        _ratio(threads - each * splits, threads),
        _rest(k, splits * _depth_block(product)),
    )
    total = 0.0
    for term in terms:
        total = single(total + term)
    return single(total / len(terms))


def _rest(work: int, portion: int) -> float:
    """How far the work is from a multiple of the portion, in portions."""
    over = work % portion
    return _ratio(portion - over if work < portion else min(portion - over, over), portion)


def _ratio(part: int, whole: int) -> float:
    return single(part / whole)


def _depth_block(product: Product) -> int:
    default, extended = DEPTH_BLOCKS
    return min(product.k, extended if product.k > extended and not _is_transposed(product) else default)


def _is_transposed(product: Product) -> bool:
    """What oneDNN takes the left matrix for."""
    return product.m == 1 or (product.columnwise and product.k > 1)


def _copies_left(product: Product) -> bool:
    """Whether blocks of the left matrix are copied too."""
    if _is_transposed(product):
        return product.m > 1
    return product.m >= COPIED_ROWS and product.k >= COPIED_DEPTH and _is_power_of_two(product.k)


def _is_power_of_two(size: int) -> bool:
    return bool(size & (size - 1) == 0)

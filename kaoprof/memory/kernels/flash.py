"""What fused attention holds for itself on a CPU, in torch's flash kernel and its backward: blocks for each thread.

Read off `FlashAttentionKernel.cpp` of torch, and checked against the allocator by a test.
"""

from torch import Tensor

from kaoprof.dims import Size
from kaoprof.memory.kernels.bfloat16_blocks import Product, blocked_bytes
from kaoprof.memory.kernels.layout_copies import copy_of_first
from kaoprof.memory.kernels.onednn import multiplies_in_blocks, refuse_symbols
from kaoprof.workload.tensor_bytes import REDUCED, SINGLE_BYTES

FLASH_KEY_BLOCK = 512  # keys that the CPU flash kernel takes at a time
FLASH_QUERY_BLOCKS = ((768, 256), (192, 64), (0, 32))  # (from so many queries on, queries at a time)


def cpu_flash_forward(query: Tensor, key: Tensor, value: Tensor, *_: object, threads: int, **__: object) -> Size:
    """The buffers of each thread, in the accumulation dtype.

    Source: `size_per_thread` of the kernel. Not modelled: the packed copies of keys and values that half precision
    takes on processors with matrix units; they do not come from torch's allocator.
    """
    del key
    rows, columns = flash_block(query.shape[-2], value.shape[-2])
    return threads * flash_bytes_per_thread(query, rows=rows, columns=columns, head=query.shape[-1])


def flash_block(n_queries: Size, n_keys: Size) -> tuple[Size, Size]:
    """How many queries and keys the CPU flash kernel takes at a time."""
    rows = next(block for least, block in FLASH_QUERY_BLOCKS if n_queries >= least)
    return min(n_queries, rows), min(n_keys, FLASH_KEY_BLOCK)


def flash_bytes_per_thread(query: Tensor, *, rows: Size, columns: Size, head: Size) -> Size:
    """A block of similarities, row maxima and sums, and a block of the result; the block is `rows` x `columns`."""
    reduced = query.dtype in REDUCED
    accumulated = (rows * columns + 2 * rows + rows * head) * (SINGLE_BYTES if reduced else query.element_size())
    return accumulated + (rows * columns * query.element_size() if reduced else 0)


def cpu_flash_backward(
    grad_out: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: object, threads: int, **__: object
) -> Size:
    """The buffers of each thread, a copy of gradients that do not lie as the kernel wants them, and its products'.

    Source: `cpu_flash_attention_backward`.
    """
    rows, columns = flash_block(query.shape[-2], value.shape[-2])
    buffers = flash_backward_bytes(query, rows=rows, columns=columns, threads=threads)
    return laid_out_bytes(grad_out) + buffers + flash_product_bytes(query, key, threads=threads)


def flash_backward_bytes(query: Tensor, *, rows: Size, columns: Size, threads: int) -> Size:
    """A block of coefficients and one of their gradients for each thread, and row sums; blocks are `rows` x `columns`.

    Row sums are allocated by each thread for itself: the allocator reports only those of the thread that is watched.
    """
    reduced = query.dtype in REDUCED
    single = SINGLE_BYTES if reduced else query.element_size()
    blocks = 2 * rows * columns
    return threads * blocks * (single + (query.element_size() if reduced else 0)) + rows * single


def flash_product_bytes(query: Tensor, key: Tensor, *, threads: int) -> int:
    """What the largest product of a block's gradients takes inside oneDNN, of the thread that is watched.

    Those of values and keys, `(m n) , (n d) -> (m d)`, sum over a block's queries, whose columns lie together; that of
    queries sums over its keys. The two products that end in single precision go to MKL, which shows no buffer.
    """
    if not multiplies_in_blocks(query.dtype):
        return 0
    refuse_symbols(query, key)
    head, n_queries, n_keys = query.shape[-1], query.shape[-2], key.shape[-2]
    rows, columns = flash_block(n_queries, n_keys)
    blocks = [(n, m) for n in {rows, n_queries % rows} for m in {columns, n_keys % columns} if n and m]
    products = [
        product
        for n, m in blocks
        for product in (Product(1, m, n, head, columnwise=True), Product(1, n, m, head, columnwise=False))
    ]
    return max(blocked_bytes(product, threads) for product in products)


def laid_out_bytes(gradient: Tensor) -> Size:
    """What the copy of a gradient `(b heads n d)` takes that lies as `(b n heads d)`; nothing if it does so already."""
    return copy_of_first(gradient.transpose(1, 2))

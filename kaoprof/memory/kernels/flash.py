"""What fused attention holds for itself on a CPU, in torch's flash kernel and its backward: blocks for each thread.

Read off `FlashAttentionKernel.cpp` of torch, and checked against the allocator by a test.
"""

import torch
from torch import Tensor

from kaoprof.dims import Size
from kaoprof.memory.kernels.layout_copies import copy_of_first
from kaoprof.memory.kernels.products import product_gap
from kaoprof.workload.tensor_bytes import REDUCED, SINGLE_BYTES

FLASH_KEY_BLOCK = 512  # keys that the CPU flash kernel takes at a time
FLASH_QUERY_BLOCKS = ((768, 256), (192, 64), (0, 32))  # (from so many queries on, queries at a time)


def cpu_flash_forward(query: Tensor, key: Tensor, value: Tensor, *_: object, threads: int, **__: object) -> Size:
    """The buffers of each thread, in the accumulation dtype.

    Source: `size_per_thread` of the kernel. Not modelled: the packed copies of keys and values, see `packed_gap`.
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
    """The buffers of each thread, and a copy of gradients that do not lie as the kernel wants them.

    Source: `cpu_flash_attention_backward`.
    """
    del key
    rows, columns = flash_block(query.shape[-2], value.shape[-2])
    buffers = flash_backward_bytes(query, rows=rows, columns=columns, threads=threads)
    return laid_out_bytes(grad_out) + buffers


def flash_backward_bytes(query: Tensor, *, rows: Size, columns: Size, threads: int) -> Size:
    """A block of coefficients and one of their gradients for each thread, and row sums; blocks are `rows` x `columns`.

    Row sums are allocated by each thread for itself: the allocator reports only those of the thread that is watched.
    """
    reduced = query.dtype in REDUCED
    single = SINGLE_BYTES if reduced else query.element_size()
    blocks = 2 * rows * columns
    return threads * blocks * (single + (query.element_size() if reduced else 0)) + rows * single


def packed_gap(query: Tensor, *_: object) -> str | None:
    """On processors with matrix units half precision takes packed copies of keys and values, if that seems worth it."""
    packs = query.dtype in REDUCED and torch.cpu.get_capabilities().get("amx_tile", False)
    return f"packed keys and values in {str(query.dtype).removeprefix('torch.')}" if packs else None


def flash_gradient_gap(_: Tensor, query: Tensor, *__: object) -> str | None:
    """Its products in half precision may go to oneDNN, which holds blocks of its own."""
    return product_gap(query)


def laid_out_bytes(gradient: Tensor) -> Size:
    """What the copy of a gradient `(b heads n d)` takes that lies as `(b n heads d)`; nothing if it does so already."""
    return copy_of_first(gradient.transpose(1, 2))

"""Buffers that a kernel allocates and frees inside itself: no tensor ever shows them, yet they count at the peak.

Each model was read off the kernel and is checked against the allocator's own events by a test.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kaoprof.count.convolution_scratch import (
    convolution_backward_scratch,
    convolution_gap,
    convolution_scratch,
    gradient_gap,
)
from kaoprof.count.layout_copies import (
    batch_norm,
    batch_norm_backward,
    copies_of_two,
    copy_of_first,
    gelu_backward,
    half_precision_mean,
    safe_softmax,
    sum_in_other_dtype,
)
from kaoprof.count.product_scratch import (
    Product,
    added_product_scratch,
    blocked_bytes,
    multiplies_in_blocks,
    product_gap,
    product_scratch,
    refuse_symbols,
)
from kaoprof.dims import Size

aten = torch.ops.aten

SINGLE_BYTES = 4
FLASH_KEY_BLOCK = 512  # keys that the CPU flash kernel takes at a time
FLASH_QUERY_BLOCKS = ((768, 256), (192, 64), (0, 32))  # (from so many queries on, queries at a time)


def cpu_flash_forward(query: Tensor, key: Tensor, value: Tensor, *_: object, threads: int, **__: object) -> Size:
    """The buffers of each thread, in the accumulation dtype.

    Source: aten/src/ATen/native/cpu/FlashAttentionKernel.cpp, `size_per_thread`. Not modelled: the packed copies of
    keys and values that half precision takes on processors with matrix units; they do not come from torch's allocator.
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
    reduced = query.dtype in (torch.float16, torch.bfloat16)
    accumulated = (rows * columns + 2 * rows + rows * head) * (4 if reduced else query.element_size())
    return accumulated + (rows * columns * query.element_size() if reduced else 0)


def cpu_flash_backward(
    grad_out: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: object, threads: int, **__: object
) -> Size:
    """The buffers of each thread, a copy of gradients that do not lie as the kernel wants them, and its products'.

    Source: as above, `cpu_flash_attention_backward`.
    """
    rows, columns = flash_block(query.shape[-2], value.shape[-2])
    buffers = flash_backward_bytes(query, rows=rows, columns=columns, threads=threads)
    return laid_out_bytes(grad_out) + buffers + flash_product_bytes(query, key, threads=threads)


def flash_backward_bytes(query: Tensor, *, rows: Size, columns: Size, threads: int) -> Size:
    """A block of coefficients and one of their gradients for each thread, and row sums; blocks are `rows` x `columns`.

    Row sums are allocated by each thread for itself: the allocator reports only those of the thread that is watched.
    """
    reduced = query.dtype in (torch.float16, torch.bfloat16)
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
    return 0 if gradient.transpose(1, 2).is_contiguous() else gradient.numel() * gradient.element_size()


CPU_SCRATCH: dict[Any, Callable[..., Size]] = {
    **dict.fromkeys((aten.mm, aten.bmm, aten.mv), product_scratch),
    **dict.fromkeys((aten.addmm, aten.baddbmm, aten.addmv, aten._addmm_activation), added_product_scratch),  # noqa: SLF001
    aten._scaled_dot_product_flash_attention_for_cpu: cpu_flash_forward,  # noqa: SLF001 - the operations' real names
    aten._scaled_dot_product_flash_attention_for_cpu_backward: cpu_flash_backward,  # noqa: SLF001
    aten._safe_softmax: safe_softmax,  # noqa: SLF001
    **dict.fromkeys((aten._softmax, aten._log_softmax, aten.native_layer_norm), copy_of_first),  # noqa: SLF001
    **dict.fromkeys(
        (aten._softmax_backward_data, aten._log_softmax_backward_data, aten.native_layer_norm_backward),  # noqa: SLF001
        copies_of_two,
    ),
    aten.native_batch_norm: batch_norm,
    aten.native_batch_norm_backward: batch_norm_backward,
    aten.gelu_backward: gelu_backward,
    aten.convolution: convolution_scratch,
    aten.convolution_backward: convolution_backward_scratch,
    aten.mean: half_precision_mean,
    aten.sum: sum_in_other_dtype,
}


def scratch_bytes(operation: torch._ops.OpOverload, args: Any, kwargs: Any, *, device: str, threads: int) -> Size:
    """Bytes that the operation's kernel holds for itself while it runs, besides its inputs and outputs."""
    model = CPU_SCRATCH.get(operation.overloadpacket) if device == "cpu" else None
    return model(*args, threads=threads, **kwargs) if model else 0


GAPS: dict[Any, Callable[..., str | None]] = {
    **dict.fromkeys((aten.mm, aten.bmm, aten.mv), product_gap),
    aten.convolution: convolution_gap,
    aten.convolution_backward: gradient_gap,
}


def scratch_gap(operation: torch._ops.OpOverload, args: Any, *, device: str) -> str | None:
    """Which operation this is, if its kernel may hold more for itself than `scratch_bytes` knows."""
    gap = GAPS.get(operation.overloadpacket) if device == "cpu" else None
    return gap(*args) if gap else None

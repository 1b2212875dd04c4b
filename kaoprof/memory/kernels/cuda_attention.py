"""What fused attention holds for itself on an NVIDIA GPU. Read off torch's and flash attention's sources.

Flash's formulas agree to the byte with the requests that torch 2.11 makes of the allocator for an H100.
"""

from typing import Any

from torch import Tensor

from kaoprof.dims import Size, ceil_div
from kaoprof.memory.kernels.flash import laid_out_bytes
from kaoprof.workload.gpu import Gpu, this_gpu
from kaoprof.workload.tensor_bytes import SINGLE_BYTES

SMALL_HEAD = 64  # channels: up to so many the efficient kernel has blocks of 64 queries, beyond of 128
BLOCK_COLUMNS = 64  # of a block of the queries' gradient
LOCK_WORDS = 4  # beside each block, padded to 128 bits
CUDNN_GAP = "attention by cuDNN"  # its workspace is its own affair
FLASH_GAP = "attention by flash"  # few queries: keys in as many parts as the GPU is large
ROW_BLOCK = 128  # queries, to which flash rounds up in its backward pass
SPLIT_ROWS = 64  # queries of a block while keys are split
KEY_BLOCKS = ((64, 256), (128, 128), (256, 64))  # (head of up to so many channels, keys of a block)
FEW_CHANNELS = 128  # of a head: up to so many are rounded up to 32, more to 64
MOST_SPLITS = 128
BUSY = 0.8  # of a GPU's slots that blocks of queries fill: then keys are not split
GOOD_ENOUGH = 0.85  # of the best share of the slots: the fewest parts that reach it are taken


def flash_forward(query: Tensor, key: Tensor, value: Tensor, dropout_p: float = 0.0, *_: object, **__: object) -> Size:
    """Where keys are split: the partial results of each part, and the logarithms of their row sums.

    Source: `flash_api.cpp`, `num_splits_heuristic`, `set_params_splitkv`. Of symbolic sizes nothing is known.
    """
    del value
    sizes = (*query.shape, key.shape[-2])
    if dropout_p or not all(type(size) is int for size in sizes):
        return 0
    batch, heads, n_queries, head, n_keys = sizes
    parts = splits(batch * heads * ceil_div(n_queries, SPLIT_ROWS), head, n_keys, this_gpu())
    return parts * batch * heads * n_queries * SINGLE_BYTES * (1 + _rounded(head)) if parts > 1 else 0


def splits(query_blocks: int, head: int, n_keys: int, gpu: Gpu) -> int:
    """In how many parts flash takes the keys, so that few blocks of queries still keep the GPU busy."""
    slots = 2 * gpu.multiprocessors
    if query_blocks >= BUSY * slots:
        return 1
    key_blocks = ceil_div(n_keys, next(keys for channels, keys in KEY_BLOCKS if head <= channels))
    shares = {}
    for parts in range(1, min(MOST_SPLITS, slots, key_blocks) + 1):
        if parts == 1 or ceil_div(key_blocks, parts) != ceil_div(key_blocks, parts - 1):
            waves = query_blocks * parts / slots
            shares[parts] = waves / ceil_div(query_blocks * parts, slots)
    best = max(shares.values())
    return next(parts for parts, share in shares.items() if share >= GOOD_ENOUGH * best)


def flash_gradient(grad_out: Tensor, query: Tensor, *_: object, **__: object) -> Size:
    """A gradient laid out as the kernel wants it; sums of each query, and the queries' gradient, in single precision.

    Both are of whole blocks of queries, and of channels rounded up. Source: `flash_api.cpp`, `mha_bwd`: `softmax_d`,
    `dq_accum`. cuDNN's kernel is taken to hold the same.
    """
    batch, heads, n_queries, head = query.shape
    rows = batch * heads * ceil_div(n_queries, ROW_BLOCK) * ROW_BLOCK
    return laid_out_bytes(grad_out) + SINGLE_BYTES * rows * (1 + _rounded(head))


def _rounded(head: Size) -> Size:
    block = 32 if head <= FEW_CHANNELS else 64
    return ceil_div(head, block) * block


def efficient_gradient(grad_out: Tensor, query: Tensor, *_: object, **__: object) -> Size:
    """A gradient laid out, a sum of each query, and the queries' gradient in whole blocks, each with its lock.

    In single precision the row sums are those of a product that is written out before: it is never larger than the
    blocks. Not modelled: the sums for keys and values that half precision needs with heads of more than 128 channels.

    Source: `attention_backward.cu`, `delta`; `kernel_backward.h`, `workspace_elements_gq`; `cutlassB.h`.
    """
    batch, heads, n_queries, head = query.shape
    rows = SMALL_HEAD if head <= SMALL_HEAD else 2 * SMALL_HEAD
    blocks = batch * heads * ceil_div(n_queries, rows) * ceil_div(head, BLOCK_COLUMNS)
    summed_up = blocks * (rows * BLOCK_COLUMNS + LOCK_WORDS)
    return laid_out_bytes(grad_out) + SINGLE_BYTES * (batch * heads * n_queries + summed_up)


def flash_gap(query: Tensor, key: Tensor, *_: Any) -> str | None:
    """Named where the GPU is not here, whose size decides, or sizes are symbols."""
    known = this_gpu().is_there and all(type(size) is int for size in (*query.shape, key.shape[-2]))
    return None if known else FLASH_GAP

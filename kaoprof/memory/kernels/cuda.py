"""What kernels hold for themselves on an NVIDIA GPU of compute capability 8.0 or later. Read off torch's sources.

No GPU was there to check it; the test marked `gpu` that compares predicted and measured peaks does.
"""

from torch import Tensor

from kaoprof.dims import Size, ceil_div
from kaoprof.memory.kernels.flash import laid_out_bytes
from kaoprof.workload.tensor_bytes import SINGLE_BYTES, bytes_of

SMALL_HEAD = 64  # channels: up to so many the efficient kernel has blocks of 64 queries, beyond of 128
BLOCK_COLUMNS = 64  # of a block of the queries' gradient
CONVOLUTION_GAP = "convolution by cuDNN"  # its workspace depends on the algorithm that it chooses
ATTENTION_GAP = "attention by flash or cuDNN"  # few queries: keys in as many parts as the GPU is large; a workspace
LOCK_WORDS = 4  # beside each block, padded to 128 bits


def softmax_gradient(grad: Tensor, *_: object, **__: object) -> Size:
    """The gradient times the output. Source: `SoftMax.cu`, `softmax_backward_cuda_out`; not that of log-softmax."""
    return bytes_of(grad)


def flash_gradient(grad_out: Tensor, query: Tensor, *_: object, **__: object) -> Size:
    """A gradient laid out as the kernel wants it, one number per query, and one per element of the queries.

    In single precision: the sums of gradient times output, and the gradient of the queries, which is summed up over
    blocks of keys. Not modelled: the rounding up to blocks.

    Source: `flash_api.cpp`, `mha_bwd`: `softmax_d`, `dq_accum`.
    """
    return laid_out_bytes(grad_out) + _row_sums(query) + SINGLE_BYTES * query.numel()


def efficient_gradient(grad_out: Tensor, query: Tensor, *_: object, **__: object) -> Size:
    """The same, but the queries' gradient is summed up in whole blocks, each with its lock.

    In single precision the row sums are those of a product that is written out before: it is never larger than the
    blocks. Not modelled: the sums for keys and values that half precision needs with heads of more than 128 channels.

    Source: `attention_backward.cu`, `delta`; `kernel_backward.h`, `workspace_elements_gq`; `cutlassB.h`.
    """
    batch, heads, n_queries, head = query.shape
    rows = SMALL_HEAD if head <= SMALL_HEAD else 2 * SMALL_HEAD
    blocks = batch * heads * ceil_div(n_queries, rows) * ceil_div(head, BLOCK_COLUMNS)
    summed_up = blocks * (rows * BLOCK_COLUMNS + LOCK_WORDS)
    return laid_out_bytes(grad_out) + _row_sums(query) + SINGLE_BYTES * summed_up


def _row_sums(query: Tensor) -> Size:
    return SINGLE_BYTES * query.shape[0] * query.shape[1] * query.shape[2]

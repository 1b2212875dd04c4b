"""What oneDNN's kernels have in common on a CPU: blocks, aligned buffers, and which dtypes torch hands to them."""

import torch

from kaoprof.dims import Size, ceil_div
from kaoprof.torch_internals import onednn_takes_bfloat16, onednn_takes_float16

BOUNDARY_BYTES = 128  # what is added to a buffer so that it can be aligned


def takes_reduced(dtype: torch.dtype) -> bool:
    """Whether this dtype is one of half precision that torch hands to oneDNN on this processor."""
    if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
        return False
    if dtype == torch.bfloat16:
        return onednn_takes_bfloat16()
    return dtype == torch.float16 and onednn_takes_float16()


def in_blocks_of(size: Size, block: int) -> Size:
    """Rounded up to whole blocks."""
    return ceil_div(size, block) * block

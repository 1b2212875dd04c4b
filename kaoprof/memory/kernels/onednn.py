"""What oneDNN's kernels have in common on a CPU: blocks, aligned buffers, and where torch takes them for bfloat16.

Half precision (fp16) is not among what is modelled of them: most processors only emulate it.
"""

import ctypes

import torch
from torch import Tensor

from kaoprof.dims import Size, ceil_div
from kaoprof.errors import KaoprofError

BOUNDARY_BYTES = 128  # what is added to a buffer so that it can be aligned


class NoFormulaError(KaoprofError):
    """What a kernel holds for itself is found by a search, so that there is no formula of it over symbolic sizes."""


def refuse_symbols(*tensors: Tensor) -> None:
    """Raises `NoFormulaError` if a size is a symbol."""
    if any(isinstance(size, torch.SymInt) for tensor in tensors for size in tensor.shape):
        raise NoFormulaError(
            "on this processor oneDNN finds the blocks of bfloat16 products by a search, which no formula describes",
            hint="at single sizes the peak is predicted all the same; --dtype fp32 has a formula",
        )


def multiplies_in_blocks(dtype: torch.dtype) -> bool:
    """Whether torch hands products of this dtype to oneDNN, and that to vector instructions made for bfloat16."""
    if dtype != torch.bfloat16:
        return False
    usable = torch.backends.mkldnn.is_available() and bool(torch.backends.mkldnn.enabled)
    vectors = torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001 - the only door to what the processor can do
    return usable and vectors and not torch.cpu._is_amx_tile_supported()  # noqa: SLF001


def in_blocks_of(size: Size, block: int) -> Size:
    """Rounded up to whole blocks."""
    return ceil_div(size, block) * block


def single(number: float) -> float:
    """The number in single precision: in that oneDNN compares, and between near equals the rounding decides."""
    return ctypes.c_float(number).value

"""Fused attention as torch computes it on an NVIDIA GPU, on tensors without data: no GPU need be there.

On the meta device torch takes attention apart into its plain form, which writes all coefficients out; on a GPU it does
so only where no fused kernel serves. Which one serves was read off `sdp_utils.cpp` of torch 2.11 to 2.13, for devices
of compute capability 8.0 and later. cuDNN's kernel, which torch prefers on Hopper, is taken to hold what flash's does.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from kaoprof.torch_internals import operation
from kaoprof.workload.patching import replaced
from kaoprof.workload.tensor_bytes import REDUCED

ATTENTION = F.scaled_dot_product_attention
LARGEST_HEAD = 256  # channels; older versions of cuDNN serve 128, which the device itself then says
FLASH_ALIGNMENT = 8  # channels; other heads are padded with zeros
EFFICIENT_ALIGNMENT_BYTES = 16  # of a head; others are not served
REFUSAL = "No available kernel. Aborting execution."  # torch's own words


class CudaAttention(TorchFunctionMode):
    """While active, `scaled_dot_product_attention` runs the operation that it would run on a GPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.multi_head_attention_forward:
            with attention_inside(fused_attention):
                return func(*args, **(kwargs or {}))
        attend = fused_attention if func is ATTENTION else func
        return attend(*args, **(kwargs or {}))


def attention_inside(attention: Callable[..., Tensor]) -> AbstractContextManager[None]:
    """A context in which `nn.MultiheadAttention` calls `attention`: about what is inside of it torch asks no mode."""
    return replaced(F, ATTENTION.__name__, attention)


def fused_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """What `scaled_dot_product_attention` is on a GPU, with the same arguments.

    `(b heads n d) , (b heads m d) , (b heads m e) -> (b heads n e)`

    Raises:
        RuntimeError: the backends that are allowed do not serve this, as torch itself would say.
    """
    if attn_mask is None and _flash_serves(query, key, value):
        return _flash(query, key, value, dropout_p, is_causal, scale)
    if not enable_gqa and _efficient_serves(query, key, value):
        return _efficient(query, key, value, attn_mask, dropout_p, is_causal, scale)
    if not torch.backends.cuda.math_sdp_enabled():
        raise RuntimeError(REFUSAL)
    with sdpa_kernel(SDPBackend.MATH):  # a CPU, which stands for the GPU here, has a kernel of its own
        return ATTENTION(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)


def _is_dense(*tensors: Tensor) -> bool:
    """Whether all are `(b heads n d)` with the channels of a head side by side."""
    return all(tensor.ndim == 4 and tensor.stride(-1) == 1 for tensor in tensors)  # noqa: PLR2004


def _flash_serves(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Flash, or cuDNN in its place."""
    if query.dtype not in REDUCED or not _is_dense(query, key, value):
        return False
    head = query.shape[-1]
    if not (head == key.shape[-1] and head == value.shape[-1]):
        return False
    if torch.backends.cuda.flash_sdp_enabled():
        return bool(head <= LARGEST_HEAD)
    return bool(torch.backends.cuda.cudnn_sdp_enabled() and head % FLASH_ALIGNMENT == 0 and head <= LARGEST_HEAD)


def _efficient_serves(query: Tensor, key: Tensor, value: Tensor) -> bool:
    allowed = torch.backends.cuda.mem_efficient_sdp_enabled()
    if not allowed or query.dtype not in (*REDUCED, torch.float32) or not _is_dense(query, key, value):
        return False
    alignment = EFFICIENT_ALIGNMENT_BYTES // query.element_size()
    head, head_of_values = query.shape[-1], value.shape[-1]
    return bool(head == key.shape[-1] and head % alignment == 0 and head_of_values % alignment == 0)


def _flash(query: Tensor, key: Tensor, value: Tensor, dropout_p: float, is_causal: bool, scale: float | None) -> Tensor:
    head = query.shape[-1]
    scale = head**-0.5 if scale is None else scale
    padding = next(channels for channels in range(FLASH_ALIGNMENT) if (head + channels) % FLASH_ALIGNMENT == 0)
    if padding:
        query, key, value = (_padded(tensor, padding) for tensor in (query, key, value))
    attended: Tensor = operation("_scaled_dot_product_flash_attention")(
        query, key, value, dropout_p, is_causal, scale=scale
    )[0]
    return attended[..., :head] if padding else attended


def _padded(tensor: Tensor, channels: int) -> Tensor:
    """With so many channels of zeros more: spelt out, since `F.pad` knows no symbolic sizes."""
    return torch.cat([tensor, tensor.new_zeros(*tensor.shape[:-1], channels)], dim=-1)


def _efficient(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool,
    scale: float | None,
) -> Tensor:  # fmt: skip
    if mask is not None:
        mask = mask.to(query.dtype).expand(*query.shape[:-1], key.shape[-2])  # added to the similarities
    trained = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (query, key, value))
    attended: Tensor = operation("_scaled_dot_product_efficient_attention")(
        query, key, value, mask, trained, dropout_p, is_causal, scale=scale
    )[0]
    return attended

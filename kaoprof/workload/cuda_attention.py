"""Fused attention and dropout as torch computes them on an NVIDIA GPU, on tensors without data: no GPU need be there.

On the meta device torch takes attention apart into its plain form, which writes all coefficients out; on a GPU it does
so only where no fused kernel serves. Which one serves was read off `sdp_utils.cpp`, for devices of compute capability
8.0 and later, and compared with the choice of torch 2.11 and 2.14 for an H100; see `gpu` for which one is asked.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from kaoprof.torch_internals import TORCH_VERSION, operation
from kaoprof.workload.gpu import Gpu, this_gpu
from kaoprof.workload.patching import replaced
from kaoprof.workload.tensor_bytes import REDUCED

ATTENTION = F.scaled_dot_product_attention
LIES_ON_A_GPU = Tensor.is_cuda.__get__  # type: ignore[attr-defined]  # how torch asks its modes for an attribute
LARGEST_HEAD = 256  # channels
FLASH_ALIGNMENT = 8  # channels; other heads are padded with zeros
CUDNN_ALIGNMENT = 8  # channels; other heads are not served
CUDNN_BACKWARD_HEADS = 128  # channels; of larger ones newer versions differentiate but two pairs
CUDNN_BACKWARD_PAIRS = ((192, 128), (256, 256))  # channels of queries and of values
CUDNN_LISTS_PAIRS_FROM = 92200  # cuDNN's version
CUDNN_DROPOUT_STEPS = 16  # parts of one: its probabilities of dropout, for newer versions of torch
NEWER_TORCH = (2, 14)  # seen there, and not yet in 2.11
EFFICIENT_ALIGNMENT_BYTES = 16  # of a head; others are not served
REFUSAL = "No available kernel. Aborting execution."  # torch's own words


class CudaAttention(TorchFunctionMode):
    """While active, `scaled_dot_product_attention` and `dropout` run the operations that they would run on a GPU.

    A tensor that is asked says that it lies on one, so that code which asks does there what it would do.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is LIES_ON_A_GPU:
            return True
        if func is F.dropout:
            return fused_dropout(*args, **(kwargs or {}))
        if func is F.multi_head_attention_forward:
            with attention_inside(fused_attention):
                return func(*args, **(kwargs or {}))
        attend = fused_attention if func is ATTENTION else func
        return attend(*args, **(kwargs or {}))


def fused_dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002 - as torch has it
    """What `functional.dropout` is on a GPU, with the same arguments: it keeps a bit of each element, not a factor."""
    if inplace or not training or not 0 < p < 1:
        return F.dropout(input, p, training, inplace)
    kept: Tensor = operation("native_dropout")(input, p, training)[0]
    return kept


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
    gpu, cudnn = this_gpu(), torch.backends.cuda.cudnn_sdp_enabled()
    asked_of_cudnn = cudnn and _cudnn_serves(query, key, value, dropout_p, gpu)
    if asked_of_cudnn and gpu.prefers_cudnn:
        return _cudnn(query, key, value, attn_mask, dropout_p, is_causal, scale)
    if attn_mask is None and _flash_serves(query, key, value, is_causal):
        return _flash(query, key, value, dropout_p, is_causal, scale)
    if (_is_newer_torch() or not enable_gqa) and _efficient_serves(query, key, value):
        return _efficient(query, key, value, attn_mask, dropout_p, is_causal, scale)
    if torch.backends.cuda.math_sdp_enabled():
        with sdpa_kernel(SDPBackend.MATH):  # a CPU, which stands for the GPU here, has a kernel of its own
            return ATTENTION(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    if asked_of_cudnn:
        return _cudnn(query, key, value, attn_mask, dropout_p, is_causal, scale)
    raise RuntimeError(REFUSAL)


def _is_newer_torch() -> bool:
    return TORCH_VERSION >= NEWER_TORCH


def _is_dense(*tensors: Tensor, even_of_one: bool = True) -> bool:
    """Whether all are `(b heads n d)` with the channels of a head side by side; one alone is so `even_of_one`."""
    return all(
        tensor.ndim == 4 and (tensor.stride(-1) == 1 or (even_of_one and tensor.shape[-1] == 1))  # noqa: PLR2004
        for tensor in tensors
    )


def _are_trained(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _cudnn_serves(query: Tensor, key: Tensor, value: Tensor, dropout_p: float, gpu: Gpu) -> bool:
    """Source: `sdp_utils.cpp`, `can_use_cudnn_attention`."""
    if query.dtype not in REDUCED or not _is_dense(query, key, value):
        return False
    heads = (query.shape[-1], value.shape[-1])
    if any(head % CUDNN_ALIGNMENT != 0 or head > LARGEST_HEAD for head in heads) or query.shape[-1] != key.shape[-1]:
        return False
    if key.shape[-2] == 1 or (dropout_p and query.shape[-2] == 1):
        return False
    if _is_newer_torch() and not (CUDNN_DROPOUT_STEPS * dropout_p).is_integer():
        return False
    if gpu.cudnn <= CUDNN_LISTS_PAIRS_FROM or not _are_trained(query, key, value):
        return True
    return max(heads) <= CUDNN_BACKWARD_HEADS or heads in CUDNN_BACKWARD_PAIRS


def _flash_serves(query: Tensor, key: Tensor, value: Tensor, is_causal: bool) -> bool:
    if not torch.backends.cuda.flash_sdp_enabled() or query.dtype not in REDUCED:
        return False
    if is_causal and query.shape[-2] != key.shape[-2]:  # its mask would begin at the other corner
        return False
    head = query.shape[-1]
    alike = head == key.shape[-1] and head == value.shape[-1]
    return bool(_is_dense(query, key, value) and alike and head <= LARGEST_HEAD)


def _efficient_serves(query: Tensor, key: Tensor, value: Tensor) -> bool:
    allowed = torch.backends.cuda.mem_efficient_sdp_enabled() and query.dtype in (*REDUCED, torch.float32)
    if not allowed or not _is_dense(query, key, value, even_of_one=False):
        return False
    alignment = EFFICIENT_ALIGNMENT_BYTES // query.element_size()
    head, head_of_values = query.shape[-1], value.shape[-1]
    return bool(head == key.shape[-1] and head % alignment == 0 and head_of_values % alignment == 0)


def _cudnn(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, is_causal: bool,
    scale: float | None,
) -> Tensor:  # fmt: skip
    mask = None if mask is None else mask.to(query.dtype)  # added to the similarities
    attended: Tensor = operation("_scaled_dot_product_cudnn_attention")(
        query, key, value, mask, _are_trained(query, key, value), dropout_p, is_causal, scale=scale
    )[0]
    return attended


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
    attended: Tensor = operation("_scaled_dot_product_efficient_attention")(
        query, key, value, mask, _are_trained(query, key, value), dropout_p, is_causal, scale=scale
    )[0]
    return attended

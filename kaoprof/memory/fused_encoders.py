"""torch's fused encoder layers, taken apart: what their CPU kernels call, in the same order, with the same lifetimes.

In evaluation mode `nn.MultiheadAttention` and `nn.TransformerEncoderLayer` are one operation each, which hides all that
it allocates. Read off `native_multi_head_attention_cpu` (attention.cpp) and `transformer_encoder_layer_forward`
(transformer.cpp) of torch, and checked against the allocator by a test. Not modelled: nested tensors.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from kaoprof.torch_internals import FUSED_ATTENTION, FUSED_ENCODER, operation
from kaoprof.workload.patching import replaced


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim: int,
    num_head: int,
    qkv_weight: Tensor,
    qkv_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    mask: Tensor | None = None,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> tuple[Tensor, Tensor]:
    """`(b n c)` each -> `(b n c)` and the coefficients: `(b n n)` if averaged, else `(b heads n n)`; or nothing."""
    del qkv_bias
    batch, length, _ = query.shape
    projected = _projected(query, key, value, embed_dim, qkv_weight)
    heads = query.new_empty(3, batch * num_head, length, embed_dim // num_head)
    del projected
    q, k, v = heads  # (b*heads n d), which live and die together
    scores = torch.bmm(q, k.mT).view(batch, num_head, length, length)
    if mask is None:
        operation("_softmax").out(scores, 3, half_to_float=False, out=scores)
    else:
        scores = operation("_masked_softmax")(scores, mask.to(torch.bool), 3, mask_type)
    attended = torch.bmm(scores.view(batch * num_head, length, length), v, out=q)  # (b*heads n d)
    if not need_weights:
        scores = scores.new_empty(0)
    merged = attended.view(batch, num_head, length, -1).permute(0, 2, 1, 3).contiguous()  # (b n heads d)
    answer = torch.addmm(proj_bias, merged.view(batch * length, -1), proj_weight.t()).view(batch, length, -1)
    del merged
    if need_weights and average_attn_weights:
        scores = scores.sum(1)
        scores /= num_head
    return answer, scores


def _projected(query: Tensor, key: Tensor, value: Tensor, channels: int, weight: Tensor) -> Tensor:
    """`(b*n 3c)`."""
    inputs = (query,) if query is key is value else (query, key) if key is value else (query, key, value)
    parts = weight.split_with_sizes({1: [3 * channels], 2: [channels, 2 * channels], 3: [channels] * 3}[len(inputs)])
    products = [torch.mm(x.flatten(0, 1), part.t()) for x, part in zip(inputs, parts, strict=True)]
    return torch.cat(products, 1) if len(products) > 1 else products[0]


def encoder_layer(
    src: Tensor,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Tensor,
    qkv_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    norm_weight_1: Tensor,
    norm_bias_1: Tensor,
    norm_weight_2: Tensor,
    norm_bias_2: Tensor,
    ffn_weight_1: Tensor,
    ffn_bias_1: Tensor,
    ffn_weight_2: Tensor,
    ffn_bias_2: Tensor,
    mask: Tensor | None = None,
    mask_type: int | None = None,
) -> Tensor:
    """`(b n c) -> (b n c)`."""

    def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.native_layer_norm(x, (embed_dim,), weight, bias, eps)[0]

    x = norm(src, norm_weight_1, norm_bias_1) if norm_first else src
    x, _ = attention(
        x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, need_weights=False,
        mask_type=mask_type,
    )  # fmt: skip
    x.add_(src)
    if not norm_first:
        x = norm(x, norm_weight_1, norm_bias_1)
    before = x
    if norm_first:
        x = norm(x, norm_weight_2, norm_bias_2)
    hidden = operation("_addmm_activation")(ffn_bias_1, x.flatten(0, 1), ffn_weight_1.t(), use_gelu=use_gelu)
    x = torch.addmm(ffn_bias_2, hidden, ffn_weight_2.t()).view(src.shape)
    del hidden
    x.add_(before)
    return x if norm_first else norm(x, norm_weight_2, norm_bias_2)


@contextmanager
def encoders_shown(device: str) -> Iterator[None]:
    """While active, encoder layers run as torch would choose on a CPU, taken apart; elsewhere in their plain form.

    They ask whether anybody looks at torch's functions, which is answered with no: that is only how sizes are followed.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(device == "cpu")
    try:
        with (
            replaced(torch, FUSED_ATTENTION, attention),
            replaced(torch, FUSED_ENCODER, encoder_layer),
            replaced(torch.overrides, "has_torch_function", lambda _: False),
        ):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def without_nested_tensors(module: nn.Module) -> None:
    """Lets no encoder in the module go over to nested tensors where sequences are padded: these are never fake."""
    for part in module.modules():
        if isinstance(part, nn.TransformerEncoder):
            part.use_nested_tensor = False

"""MACs and FLOPs of fused attention, in every layout that torch's kernels take, and of fused encoder layers."""

import itertools
import math
from typing import Any

from kaoprof.costs.arithmetic import FUSED_SCALE_FLOPS, NORMALISE_FLOPS, SOFTMAX_FLOPS, STATISTICS_FLOPS
from kaoprof.counting.shapes import Shaped, is_shaped
from kaoprof.dims import Size

MASK_FLOPS = 1  # per coefficient: a mask is added
SOFTMAX_BACKWARD_FLOPS = 4  # per coefficient: product, sum, subtraction, product
COEFFICIENT_FLOPS = SOFTMAX_FLOPS + FUSED_SCALE_FLOPS


def attention_macs(query: Shaped, key: Shaped, value: Shaped, *_: object, **__: object) -> Size:
    """`(b heads n d) , (b heads m d) , (b heads m e) -> (b heads n e)`: similarities and weighted sum."""
    batch_heads_queries = math.prod(query.shape[:-1])
    return batch_heads_queries * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def attention_backward_macs(grad_out: Shaped, *attention: Any, **_: object) -> Size:
    """Twice the forward pass; what a fused kernel recomputes to save memory is not counted, as papers do not."""
    del grad_out
    return 2 * attention_macs(*attention)


def attention_flops(query: Shaped, key: Shaped, _: Shaped, *args: object, **kwargs: object) -> Size:
    """Scaling and softmax of every coefficient; and adding a mask, if there is one."""
    kwargs.pop("out")
    masked = any(is_shaped(value) for value in (*args, *kwargs.values()))
    coefficients = math.prod(query.shape[:-1]) * key.shape[-2]
    return coefficients * (COEFFICIENT_FLOPS + (MASK_FLOPS if masked else 0))


def attention_backward_flops(grad_out: Shaped, query: Shaped, key: Shaped, *_: object, **__: object) -> Size:
    """The gradient of every coefficient goes back through softmax and scale; what is recomputed is not counted."""
    del grad_out
    return math.prod(query.shape[:-1]) * key.shape[-2] * (SOFTMAX_BACKWARD_FLOPS + FUSED_SCALE_FLOPS)


def _pairs(query: Shaped, key: Shaped, starts_q: Any, starts_k: Any, longest_q: Any, longest_k: Any) -> Size:
    """Pairs of a query and a key in `(b n heads d)`, all heads; of packed sequences `(all heads d)` likewise.

    Packed sequences are known by where each starts. Where these values were not recorded, each sequence has at most
    the greatest length, and all of them at most the length of the whole.
    """
    if starts_q is None:
        return math.prod(query.shape[:-1]) * key.shape[-3]
    heads = query.shape[-2]
    values_q = getattr(starts_q, "recorded_values", None)
    values_k = values_q if starts_k is None else getattr(starts_k, "recorded_values", None)
    if values_q and values_k:
        lengths = (itertools.pairwise(values_q), itertools.pairwise(values_k))
        return heads * sum(
            (q - before_q) * (k - before_k) for (before_q, q), (before_k, k) in zip(*lengths, strict=True)
        )
    sequences = starts_q.shape[0] - 1
    return min(query.shape[-3], sequences * longest_q) * heads * min(key.shape[-3], longest_k)


def _lengths_after(args: tuple[Any, ...], position: int) -> tuple[Any, ...]:
    given = [*args[position : position + 4], None, None, None, None]
    return tuple(given[:4])


def rows_first_macs(query: Shaped, key: Shaped, value: Shaped, *args: Any, **_: object) -> Size:
    """`(b n heads d)`, or packed `(all heads d)`, followed by starts and greatest lengths of the sequences."""
    return _pairs(query, key, *_lengths_after(args, 0)) * (query.shape[-1] + value.shape[-1])


def rows_first_backward_macs(
    grad_out: Shaped, query: Shaped, key: Shaped, value: Shaped, *args: Any, **_: object
) -> Size:
    """Twice the forward pass; `args` are the output, the logarithms of sums, then the lengths."""
    del grad_out
    return 2 * _pairs(query, key, *_lengths_after(args, 2)) * (query.shape[-1] + value.shape[-1])


def rows_first_flops(query: Shaped, key: Shaped, _: Shaped, *args: Any, **__: object) -> Size:
    """Scaling and softmax of every coefficient."""
    return _pairs(query, key, *_lengths_after(args, 0)) * COEFFICIENT_FLOPS


def biased_rows_first_macs(query: Shaped, key: Shaped, value: Shaped, bias: object, *args: Any, **_: object) -> Size:
    """As `rows_first_macs`, with a bias before the lengths."""
    del bias
    return rows_first_macs(query, key, value, *args)


def biased_rows_first_backward_macs(
    grad_out: Shaped, query: Shaped, key: Shaped, value: Shaped, bias: object, answer: object, *args: Any, **_: object
) -> Size:
    """Twice the forward pass; `args` are the lengths."""
    del grad_out, bias, answer
    return 2 * rows_first_macs(query, key, value, *args)


def biased_rows_first_flops(query: Shaped, key: Shaped, value: Shaped, bias: object, *args: Any, **_: object) -> Size:
    """Scaling and softmax of every coefficient; and adding a bias."""
    pairs = _pairs(query, key, *_lengths_after(args, 0))
    del value
    return pairs * (COEFFICIENT_FLOPS + (0 if bias is None else MASK_FLOPS))


def block_pairs(query: Shaped, key: Shaped, visited: int | None) -> Size:
    """Pairs of a query and a key that flexible attention looks at: those of its block mask's blocks, or all.

    `visited` are the pairs in the blocks of the mask, all its batches and heads, of which one may stand for all.
    """
    every = math.prod(query.shape[:-1]) * key.shape[-2]
    return every if visited is None else min(every, visited)


def flexible_macs(
    query: Shaped, key: Shaped, value: Shaped, *_: object, visited: int | None = None, **__: object
) -> Size:
    """`flex_attention`: similarities and weighted sum of the pairs that its block mask leaves."""
    return block_pairs(query, key, visited) * (query.shape[-1] + value.shape[-1])


def flexible_flops(
    query: Shaped, key: Shaped, _: Shaped, *__: object, visited: int | None = None, **___: object
) -> Size:
    """Scaling and softmax of every coefficient; what the modification computes is not known."""
    return block_pairs(query, key, visited) * COEFFICIENT_FLOPS


def flexible_backward_macs(
    query: Shaped, key: Shaped, value: Shaped, *_: object, visited: int | None = None, **__: object
) -> Size:
    """Twice the forward pass."""
    return 2 * flexible_macs(query, key, value, visited=visited)


def fused_attention_macs(query: Shaped, key: Shaped, value: Shaped, channels: int, *_: object, **__: object) -> Size:
    """`_native_multi_head_attention` of `(b n c)`: four projections, similarities, weighted sum."""
    batch, queries, keys = query.shape[0], query.shape[1], key.shape[1]
    del value
    return batch * channels * (2 * queries * channels + 2 * keys * channels + 2 * queries * keys)


def fused_attention_flops(
    query: Shaped, key: Shaped, _: Shaped, channels: int, heads: int, *__: object, **___: object
) -> Size:
    """Biases of the four projections, scaling and softmax."""
    batch, queries, keys = query.shape[0], query.shape[1], key.shape[1]
    return batch * (2 * (queries + keys) * channels + heads * queries * keys * COEFFICIENT_FLOPS)


def fused_encoder_macs(x: Shaped, channels: int, heads: int, *args: Any, **_: object) -> Size:
    """`_transformer_encoder_layer_fwd` of `(b n c)`: attention, and the two products of the feed-forward part."""
    del heads
    hidden = args[11].shape[0]  # of the first weight of the feed-forward part
    return fused_attention_macs(x, x, x, channels) + 2 * x.numel() * hidden


def fused_encoder_flops(x: Shaped, channels: int, heads: int, *args: Any, **_: object) -> Size:
    """The attention's, two norms and two sums of inputs, an activation, and the feed-forward part's biases."""
    hidden = args[11].shape[0]
    rest = x.numel() * (2 * (STATISTICS_FLOPS + NORMALISE_FLOPS) + 2 + 1) + x.shape[0] * x.shape[1] * 2 * hidden
    return fused_attention_flops(x, x, x, channels, heads) + rest

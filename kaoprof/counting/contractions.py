"""MACs of torch's contractions: products, convolutions, attention, and their gradients.

Each rule sees the operation's arguments and its output, of which only the shapes are used; so sizes may be symbolic.
"""

import math
from typing import Any

from torch import Tensor

from kaoprof.dims import Size


def matmul_macs(left: Tensor, right: Tensor, *_: object, out: Tensor, **__: object) -> Size:
    """`(m k) , (k n) -> (m n)`, also batched: k MACs for each output element."""
    del right
    return out.numel() * left.shape[-1]


def added_matmul_macs(bias: Tensor, left: Tensor, right: Tensor, *_: object, out: Tensor, **__: object) -> Size:
    """`bias + left @ right`: the product's MACs; adding the bias is elementwise."""
    del bias
    return matmul_macs(left, right, out=out)


def dot_macs(left: Tensor, *_: object, **__: object) -> Size:
    """`(k) , (k) -> ()`."""
    return left.numel()


def convolution_macs(x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any, out: Tensor, **_: object) -> Size:
    """`(b c *s) , (o c/groups *k) -> (b o *s')`: each output element takes c/groups x prod(k) MACs, padding included.

    A transposed convolution scatters instead: each input element takes as many. The `geometry` is torch's: stride,
    padding, dilation, whether transposed, output padding, groups.
    """
    del bias
    transposed = geometry[3]
    return (x if transposed else out).numel() * math.prod(weight.shape[1:])


def convolution_backward_macs(
    grad_out: Tensor, x: Tensor, weight: Tensor, bias_sizes: list[int] | None, *geometry_and_mask: Any, **_: object
) -> Size:
    """Gradients of the input and of the weight are each as dear as the forward pass, groups included."""
    del bias_sizes
    *geometry, wanted = geometry_and_mask
    return convolution_macs(x, weight, None, *geometry, out=grad_out) * (int(wanted[0]) + int(wanted[1]))


def attention_macs(query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object) -> Size:
    """`(b heads n d) , (b heads m d) , (b heads m e) -> (b heads n e)`: similarities and weighted sum."""
    batch_heads_queries = math.prod(query.shape[:-1])
    return batch_heads_queries * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def attention_backward_macs(
    grad_out: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object
) -> Size:
    """Twice the forward pass; what a fused kernel recomputes to save memory is not counted, as papers do not."""
    del grad_out
    return 2 * attention_macs(query, key, value)

"""MACs of torch's contractions: products, convolutions, recurrent layers, and their gradients.

Each rule sees the operation's arguments and its output, of which only the shapes are used; so sizes may be symbolic.
"""

import math
from typing import Any

from kaoprof.counting.shapes import Shaped, first_tensor, is_sparse
from kaoprof.dims import Size

GROUP_AXES = 2  # of both operands where groups share the axis that is summed over


def matmul_macs(left: Shaped, right: Shaped, *_: object, out: Any, **__: object) -> Size:
    """`(m k) , (k n) -> (m n)`, also batched: k MACs for each output element.

    A sparse operand takes part with the elements that it stores: each meets a row, or a column, of the other.
    """
    if is_sparse(left):
        return left.numel() * (right.shape[-1] if right.ndim > 1 else 1)
    if is_sparse(right):
        return math.prod(left.shape[:-1]) * right.numel()
    return first_tensor(out).numel() * left.shape[-1]


def sampled_matmul_macs(pattern: Shaped, left: Shaped, *_: object, **__: object) -> Size:
    """`(m k) , (k n)`, of whose product only the elements that a sparse pattern stores are computed."""
    return pattern.numel() * left.shape[-1]


def distance_macs(left: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`(n d) , (m d) -> (n m)`, the distances of points by the product of both; squares and roots are elementwise."""
    return out.numel() * left.shape[-1]


def grid_macs(transformations: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`affine_grid`: each coordinate of each point is a product with a row of a transformation."""
    return out.numel() * transformations.shape[-1]


def added_matmul_macs(bias: Shaped, left: Shaped, right: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`bias + left @ right`: the product's MACs; adding the bias is elementwise."""
    del bias
    return matmul_macs(left, right, out=out)


def summed_matmul_macs(added: Shaped, left: Shaped, right: Shaped, *_: object, **__: object) -> Size:
    """`added + sum over b of (b m k) , (b k n) -> (m n)`: the products are added up inside the contraction."""
    del added
    return left.numel() * right.shape[-1]


def outer_macs(*_: object, out: Shaped, **__: object) -> Size:
    """`added + (m) x (n) -> (m n)`: one multiply-add for each element."""
    return out.numel()


def grouped_matmul_macs(left: Shaped, right: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`(m k) , (g k n) -> (m n)`: each row meets one group's matrix; so does each column of `(g m k) , (k n)`.

    Of `(m k) , (k n) -> (g m n)` each step of k belongs to one group.
    """
    if left.ndim == right.ndim == GROUP_AXES:
        return left.numel() * right.shape[-1]
    return out.numel() * left.shape[-1]


def dot_macs(left: Shaped, *_: object, **__: object) -> Size:
    """`(k) , (k) -> ()`."""
    return left.numel()


def convolution_macs(x: Shaped, weight: Shaped, bias: object, *geometry: Any, out: Shaped, **_: object) -> Size:
    """`(b c *s) , (o c/groups *k) -> (b o *s')`: each output element takes c/groups x prod(k) MACs, padding included.

    A transposed convolution scatters instead: each input element takes as many. The `geometry` is torch's: stride,
    padding, dilation, whether transposed, output padding, groups.
    """
    del bias
    transposed = geometry[3]
    return (x if transposed else out).numel() * math.prod(weight.shape[1:])


def convolution_backward_macs(
    grad_out: Shaped, x: Shaped, weight: Shaped, bias_sizes: object, *geometry_and_mask: Any, **_: object
) -> Size:
    """Gradients of the input and of the weight are each as dear as the forward pass, groups included."""
    del bias_sizes
    *geometry, wanted = geometry_and_mask
    return convolution_macs(x, weight, None, *geometry, out=grad_out) * (int(wanted[0]) + int(wanted[1]))


def time_convolution_macs(x: Shaped, weight: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`(n b c) , (k c o) -> (n' b o)`: each output element takes k c MACs."""
    del x
    return out.numel() * math.prod(weight.shape[:-1])


def window_macs(x: Shaped, weight: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`(b c *s) , (o c/groups *k) -> (b o *s')`, whatever the places that a window looks at."""
    del x
    return out.numel() * math.prod(weight.shape[1:])


def window_backward_macs(grad_out: Shaped, x: Shaped, weight: Shaped, *_: object, **__: object) -> Size:
    """Gradients of the input and of the weight; those of the places are no contraction."""
    del x
    return 2 * grad_out.numel() * math.prod(weight.shape[1:])


def scattered_convolution_macs(x: Shaped, weight: Shaped, *_: object, **__: object) -> Size:
    """A transposed convolution: each input element takes o/groups x prod(k) MACs."""
    return x.numel() * math.prod(weight.shape[1:])


def recurrent_macs(x: Shaped, weight: Shaped, recurrent: Shaped, *_: object, **__: object) -> Size:
    """One layer of an LSTM, one direction: `(steps b i)`, weights `(4h i)` and `(4h h)`."""
    return x.shape[0] * x.shape[1] * (weight.numel() + recurrent.numel())


def recurrent_backward_macs(x: Shaped, weight: Shaped, recurrent: Shaped, *_: object, **__: object) -> Size:
    """Gradients of inputs and of weights, each as dear as the forward pass."""
    return 2 * recurrent_macs(x, weight, recurrent)


def stacked_recurrent_macs(x: Shaped, weights: list[Shaped], *_: object, **__: object) -> Size:
    """All layers and directions of a recurrent network in one kernel: every step takes each of the matrices once."""
    return math.prod(x.shape[:-1]) * sum(weight.numel() for weight in weights if weight.ndim > 1)


def stacked_recurrent_backward_macs(x: Shaped, weights: list[Shaped], *_: object, **__: object) -> Size:
    """Gradients of inputs and of weights, each as dear as the forward pass."""
    return 2 * stacked_recurrent_macs(x, weights)


def packed_linear_macs(x: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`(.. k) -> (.. n)` with weights that only the kernel can see."""
    return out.numel() * x.shape[-1]

"""What each of torch's operations costs: MACs of contractions, FLOPs of everything else, by the rules of `costs`.

A rule sees the operation's arguments and its output, only their shapes are used, so sizes may be symbolic. An operation
that is neither listed here nor known to torch as a view, pointwise or reduction has no rule: it is reported by name.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kaoprof.costs.arithmetic import FUSED_SCALE_FLOPS, NORMALISE_FLOPS, SOFTMAX_FLOPS, interpolation_flops
from kaoprof.counting.contractions import (
    added_matmul_macs,
    attention_backward_macs,
    attention_macs,
    convolution_backward_macs,
    convolution_macs,
    dot_macs,
    matmul_macs,
)
from kaoprof.counting.data_movement import MOVES_DATA, only_looks
from kaoprof.counting.trilinear import trilinear_flops, trilinear_macs
from kaoprof.dims import Size
from kaoprof.torch_internals import OpOverload
from kaoprof.workload.operation_names import name_of

Rule = Callable[..., Size]  # (*args of the operation, out=its output, **kwargs) -> count

COMPLEX_FACTOR = 4  # real products in a complex one
COMPLEX_PRODUCT_FLOPS = 6  # four products and two sums
COMPLEX_SUM_FLOPS = 2
SOFTMAX_BACKWARD_FLOPS = 4  # per coefficient: product, sum, subtraction, product
MASK_FLOPS = 1  # per coefficient: a mask is added
STATISTICS_FLOPS = 4  # per element of a normalisation in training: mean 1, variance 3
CUBIC_NEIGHBOURS = 16
GLU_FLOPS = 2  # per output: sigmoid, product
NORMALISE_BACKWARD_FLOPS = 9  # per element: normalised again 2, the two sums over it 3, the input's gradient 4


def convolution_flops(x: Tensor, weight: Tensor, bias: Tensor | None, *_: object, out: Tensor, **__: object) -> Size:
    """Adding the bias to each output element."""
    del x, weight
    return 0 if bias is None else out.numel()


def attention_flops(query: Tensor, key: Tensor, _: Tensor, *args: object, **kwargs: object) -> Size:
    """Scaling and softmax of every coefficient; and adding a mask, if there is one."""
    kwargs.pop("out")
    masked = any(isinstance(value, Tensor) for value in (*args, *kwargs.values()))
    coefficients = math.prod(query.shape[:-1]) * key.shape[-2]
    return coefficients * (SOFTMAX_FLOPS + FUSED_SCALE_FLOPS + (MASK_FLOPS if masked else 0))


def per_output(flops: int) -> Rule:
    """A rule of `flops` for each element of the (first) output."""
    return lambda *_, out, **__: flops * first_tensor(out).numel()


def per_input(flops: int) -> Rule:
    """A rule of `flops` for each element of the first input."""
    return lambda x, *_, **__: flops * first_tensor(x).numel()


def pool_rule(x: Tensor, kernel_size: list[int], *_: object, out: Any, **__: object) -> Size:
    """Each output looks at a whole window; a single kernel size holds for all spatial axes."""
    output = first_tensor(out)
    unbatched = output.ndim - (x.ndim - output.ndim)
    window = math.prod(kernel_size) if len(kernel_size) > 1 else kernel_size[0] ** (unbatched - 2)
    return output.numel() * window


def batch_norm_flops(x: Tensor, *args: Any, **_: object) -> Size:
    """Normalise; while training also the statistics of the batch."""
    training = any(arg is True for arg in args)
    return x.numel() * (NORMALISE_FLOPS + (STATISTICS_FLOPS if training else 0))


def sum_rule(x: Tensor, *_: object, out: Tensor, **__: object) -> Size:
    """The sum of k elements is k - 1 additions; with the division that follows it, a mean."""
    return x.numel() - out.numel()


def interpolation_rule(x: Tensor, *_: object, out: Tensor, **__: object) -> Size:
    """`(b c *s) -> (b c *s')`, linear along every spatial axis."""
    return interpolation_flops(out.numel(), x.ndim - 2)


def interpolation_backward_rule(grad_out: Tensor, *_: object, **__: object) -> Size:
    """Each gradient is weighted and added to the 2^d neighbours that its output was made of."""
    return grad_out.numel() * 2 * 2 ** (grad_out.ndim - 2)


def cubic_rule(x: Tensor, *_: object, out: Tensor, **__: object) -> Size:
    """`(b c h w) -> (b c h' w')`: each output is a weighted sum of 4 x 4 neighbours, as for linear ones with its 4."""
    del x
    return out.numel() * (2 * CUBIC_NEIGHBOURS - 1)


def cubic_backward_rule(grad_out: Tensor, *_: object, **__: object) -> Size:
    """Each gradient is weighted and added to the 16 neighbours that its output was made of."""
    return grad_out.numel() * 2 * CUBIC_NEIGHBOURS


def product_rule(x: Tensor, y: object, *_: object, out: Tensor, **__: object) -> Size:
    """Element by element; of two complex numbers it takes four products and two sums, with a real one two products."""
    if not out.is_complex():
        return out.numel()
    both = _is_complex(x) and _is_complex(y)
    return out.numel() * (COMPLEX_PRODUCT_FLOPS if both else COMPLEX_SUM_FLOPS)


def complex_sum_rule(*_: object, out: Tensor, **__: object) -> Size:
    """Element by element; the parts of complex numbers are added each."""
    return out.numel() * (COMPLEX_SUM_FLOPS if out.is_complex() else 1)


def _is_complex(value: object) -> bool:
    return value.is_complex() if isinstance(value, Tensor) else isinstance(value, complex)


def pool_backward_rule(grad_out: Tensor, x: Tensor, kernel_size: list[int], *_: object, **__: object) -> Size:
    """Each gradient is added to every element of its window."""
    return pool_rule(x, kernel_size, out=grad_out)


def added_rule(x: Tensor, dim: int, index: Tensor, source: Tensor, *_: object, **__: object) -> Size:
    """Each element of the source is added to one of `x`."""
    del x, dim, index
    return source.numel()


def first_tensor(value: Any) -> Tensor:
    """The tensor itself, or the first one of a list or tuple."""
    return value if isinstance(value, Tensor) else first_tensor(value[0])


FUSED_ATTENTION = (
    "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
)
FUSED_ATTENTION_BACKWARD = (
    "_scaled_dot_product_flash_attention_backward",
    "_scaled_dot_product_flash_attention_for_cpu_backward",
    "_scaled_dot_product_efficient_attention_backward",
    "_scaled_dot_product_cudnn_attention_backward",
)

DRAWN = (
    "bernoulli", "bernoulli_", "rand", "rand_like", "randn", "randn_like", "randint",
    "normal_", "uniform_",
)  # fmt: skip

MACS: dict[str, Rule] = {
    "mm": matmul_macs,
    "bmm": matmul_macs,
    "mv": matmul_macs,
    "addmm": added_matmul_macs,
    "baddbmm": added_matmul_macs,
    "addmv": added_matmul_macs,
    "dot": dot_macs,
    "vdot": dot_macs,
    "convolution": convolution_macs,
    "convolution_backward": convolution_backward_macs,
    "_trilinear": trilinear_macs,
    **dict.fromkeys(FUSED_ATTENTION, attention_macs),
    **dict.fromkeys(FUSED_ATTENTION_BACKWARD, attention_backward_macs),
}

FLOPS: dict[str, Rule] = {
    **dict.fromkeys(
        ("softmax", "_softmax", "_safe_softmax", "_log_softmax"),
        per_output(SOFTMAX_FLOPS),
    ),
    "_softmax_backward_data": per_output(SOFTMAX_BACKWARD_FLOPS),
    "_log_softmax_backward_data": per_output(SOFTMAX_BACKWARD_FLOPS),
    **dict.fromkeys(FUSED_ATTENTION, attention_flops),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), per_output(1)),
    "convolution": convolution_flops,
    "_trilinear": trilinear_flops,
    **dict.fromkeys(  # not all of these are tagged as pointwise, or not in every version of torch
        ("hardtanh", "hardtanh_", "hardswish", "hardswish_", "_prelu_kernel"),
        per_output(1),
    ),
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"), interpolation_rule),
    "sum": sum_rule,
    "max_pool2d_with_indices": pool_rule,
    "max_pool3d_with_indices": pool_rule,
    "avg_pool2d": pool_rule,
    "avg_pool3d": pool_rule,
    "avg_pool2d_backward": pool_backward_rule,
    "avg_pool3d_backward": pool_backward_rule,
    **dict.fromkeys(
        (
            "hardtanh_backward",
            "hardswish_backward",
            "hardsigmoid_backward",
            "softplus_backward",
            "elu_backward",
            "leaky_relu_backward",
            "log_sigmoid_forward",
            "log_sigmoid_backward",
            "_adaptive_avg_pool2d_backward",
            "_adaptive_avg_pool3d_backward",
            "masked_fill_",
            "cumprod",
        ),
        per_output(1),
    ),
    **dict.fromkeys(("mul", "mul_"), product_rule),
    **dict.fromkeys(("add", "add_", "sub", "sub_"), complex_sum_rule),
    "upsample_bicubic2d": cubic_rule,
    "upsample_bicubic2d_backward": cubic_backward_rule,
    **dict.fromkeys(DRAWN, per_output(1)),
    "glu": per_output(GLU_FLOPS),
    **dict.fromkeys(("scatter_add", "scatter_add_", "index_add", "index_add_"), added_rule),
    **dict.fromkeys(("col2im", "unfold_backward", "embedding_dense_backward"), per_input(1)),
    **dict.fromkeys(
        (
            "upsample_linear1d_backward",
            "upsample_bilinear2d_backward",
            "upsample_trilinear3d_backward",
        ),
        interpolation_backward_rule,
    ),
    **dict.fromkeys(
        (
            "upsample_nearest1d_backward",
            "upsample_nearest2d_backward",
            "upsample_nearest3d_backward",
        ),
        per_input(1),
    ),
    **dict.fromkeys(
        (
            "native_batch_norm_backward",
            "native_layer_norm_backward",
            "native_group_norm_backward",
        ),
        per_input(NORMALISE_BACKWARD_FLOPS),
    ),
    "max_pool2d_with_indices_backward": per_input(1),
    "max_pool3d_with_indices_backward": per_input(1),
    "_adaptive_avg_pool2d": per_input(1),
    "_adaptive_avg_pool3d": per_input(1),
    "native_batch_norm": batch_norm_flops,
    "_native_batch_norm_legit": batch_norm_flops,
    "_native_batch_norm_legit_no_training": per_input(NORMALISE_FLOPS),
    "native_layer_norm": per_input(STATISTICS_FLOPS + NORMALISE_FLOPS),
    "native_group_norm": per_input(STATISTICS_FLOPS + NORMALISE_FLOPS),
    "cumsum": per_input(1),
}


def has_rule(operation: OpOverload) -> bool:
    """Whether the operation counts as one and is not looked into: it is listed, or asks a tensor for its traits."""
    name = name_of(operation)
    return operation.namespace == "prim" or name in MACS or name in FLOPS or name in MOVES_DATA


def macs_of(operation: OpOverload, args: Any, kwargs: Any, out: Any) -> Size:
    """MACs of one call; 0 for what is no contraction. A complex multiply-add is four real ones."""
    rule = MACS.get(name_of(operation))
    if rule is None:
        return 0
    return rule(*args, **kwargs | {"out": out}) * (COMPLEX_FACTOR if first_tensor(args).is_complex() else 1)


def flops_of(operation: OpOverload, args: Any, kwargs: Any, out: Any) -> Size | None:
    """FLOPs of one call outside contractions; None if no rule covers it."""
    name = name_of(operation)
    if name in FLOPS:
        return FLOPS[name](*args, **kwargs | {"out": out})  # also where the caller gave `out=` itself
    if name in MACS or name in MOVES_DATA or only_looks(operation):
        return 0
    if torch.Tag.reduction in operation.tags:
        return first_tensor(args).numel()
    if torch.Tag.pointwise in operation.tags:
        return first_tensor(out).numel()
    return None

"""Rules for operations on quantised tensors: contractions as of real numbers, and what rescaling costs."""

import math
from typing import Any

from kaoprof.costs.arithmetic import NORMALISE_FLOPS, SOFTMAX_FLOPS, STATISTICS_FLOPS
from kaoprof.counting.contractions import matmul_macs, packed_linear_macs
from kaoprof.counting.elementwise import Rule, per_input, per_output
from kaoprof.counting.shapes import Shaped, names
from kaoprof.counting.spatial import pool_rule
from kaoprof.dims import Size

QUANTISE_FLOPS = 3  # per element: scaled, rounded, shifted
DEQUANTISE_FLOPS = 2  # per element: shifted back, scaled back
PRETEND_FLOPS = QUANTISE_FLOPS + DEQUANTISE_FLOPS + 1  # there and back, and clamped
OBSERVE_FLOPS = 2  # per element: least, greatest
GATES = {"lstm": 4, "gru": 3, "rnn_relu": 1, "rnn_tanh": 1}


def packed_convolution_macs(*args: Any, out: Shaped, **_: object) -> Size:
    """As a convolution whose weights only the kernel can see: what holds them is asked for them."""
    weight = unpacked_weight(args)
    return out.numel() * math.prod(weight.shape[1:])


def packed_transposed_macs(x: Shaped, *args: Any, **_: object) -> Size:
    """As a transposed convolution, whose weights only the kernel can see."""
    return x.numel() * math.prod(unpacked_weight(args).shape[1:])


def unpacked_weight(args: tuple[Any, ...]) -> Shaped:
    """The weight in the first of the arguments that holds packed ones."""
    packed = next(arg for arg in args if hasattr(arg, "unpack"))
    weight: Shaped = packed.unpack()[0]
    return weight


def packed_cell_macs(gates: int) -> Rule:
    """One step of a recurrent cell of so many gates: `(b i)` and `(b h)`, weights `(gates h i)` and `(gates h h)`."""

    def macs(x: Shaped, state: Any, *_: object, **__: object) -> Size:
        hidden = state[0] if isinstance(state, list | tuple) else state
        return gates * hidden.numel() * (x.shape[-1] + hidden.shape[-1])

    return macs


def bag_rule(_: object, indices: Shaped, *__: object, out: Shaped, **___: object) -> Size:
    """Each number that is looked up is scaled back, and added to its bag."""
    return indices.numel() * out.shape[-1] * (DEQUANTISE_FLOPS + 1)


def _quantised(kinds: str) -> tuple[str, ...]:
    return tuple(f"quantized.{kind}" for kind in names(kinds))


CONVOLUTIONS = "conv1d conv2d conv3d conv1d_relu conv2d_relu conv3d_relu conv2d_add conv2d_add_relu"
DYNAMIC_CONVOLUTIONS = "conv1d_dynamic conv2d_dynamic conv3d_dynamic"
TRANSPOSED = "conv_transpose1d conv_transpose2d conv_transpose3d"
DYNAMIC_TRANSPOSED = "conv_transpose1d_dynamic conv_transpose2d_dynamic conv_transpose3d_dynamic"
LINEAR = (
    "linear linear_relu linear_leaky_relu linear_tanh linear_dynamic linear_relu_dynamic linear_dynamic_fp16 "
    "linear_relu_dynamic_fp16 linear_with_input_q_dq_qweight_dq_output_fp32 "
    "linear_with_input_q_dq_qweight_dq_relu_output_fp32"
)

QUANTISED_MACS: dict[str, Rule] = {
    **dict.fromkeys(_quantised(LINEAR), packed_linear_macs),
    **dict.fromkeys(_quantised(f"{CONVOLUTIONS} {DYNAMIC_CONVOLUTIONS}"), packed_convolution_macs),
    **dict.fromkeys(_quantised(f"{TRANSPOSED} {DYNAMIC_TRANSPOSED}"), packed_transposed_macs),
    **{f"quantized.quantized_{kind}_cell_dynamic": packed_cell_macs(gates) for kind, gates in GATES.items()},
    "quantized.matmul": matmul_macs,
}

QUANTISED_FLOPS: dict[str, Rule] = {
    **dict.fromkeys(_quantised(f"{LINEAR} {CONVOLUTIONS} {DYNAMIC_CONVOLUTIONS}"), per_output(1)),  # the bias
    **dict.fromkeys(_quantised(f"{TRANSPOSED} {DYNAMIC_TRANSPOSED}"), per_output(1)),
    **dict.fromkeys(
        _quantised(
            "add add_relu add_scalar add_scalar_relu mul mul_relu mul_scalar mul_scalar_relu celu clamp elu "
            "hardswish leaky_relu prelu relu6 sigmoid threshold dropout"
        ),
        per_output(1),
    ),
    **dict.fromkeys(
        _quantised("batch_norm batch_norm_relu batch_norm1d batch_norm1d_relu batch_norm2d batch_norm2d_relu ")
        + _quantised("batch_norm3d batch_norm3d_relu"),
        per_input(NORMALISE_FLOPS),
    ),
    "quantized_batch_norm": per_input(NORMALISE_FLOPS),
    **dict.fromkeys(_quantised("layer_norm group_norm instance_norm"), per_input(STATISTICS_FLOPS + NORMALISE_FLOPS)),
    "quantized.softmax": per_output(SOFTMAX_FLOPS),
    **dict.fromkeys(_quantised("max_pool1d max_pool2d"), pool_rule),
    **dict.fromkeys(names("quantized_max_pool1d quantized_max_pool2d quantized_max_pool3d"), pool_rule),
    **dict.fromkeys(_quantised("embedding_bag_byte embedding_bag_4bit"), bag_rule),
    **dict.fromkeys(_quantised("embedding_byte embedding_4bit"), per_output(DEQUANTISE_FLOPS)),
    **dict.fromkeys(
        names("quantize_per_tensor quantize_per_channel quantize_per_tensor_dynamic"), per_output(QUANTISE_FLOPS)
    ),
    "dequantize": per_output(DEQUANTISE_FLOPS),
    **dict.fromkeys(
        names(
            "fake_quantize_per_tensor_affine_cachemask fake_quantize_per_channel_affine_cachemask "
            "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams _fake_quantize_learnable_per_tensor_affine "
            "_fake_quantize_learnable_per_channel_affine"
        ),
        per_output(PRETEND_FLOPS),
    ),
    **dict.fromkeys(
        names(
            "_fake_quantize_learnable_per_tensor_affine_backward _fake_quantize_learnable_per_channel_affine_backward"
        ),
        per_output(PRETEND_FLOPS),
    ),
    **dict.fromkeys(
        names("_fused_moving_avg_obs_fq_helper _fused_moving_avg_obs_fq_helper_functional"),
        per_output(PRETEND_FLOPS + OBSERVE_FLOPS),
    ),
}

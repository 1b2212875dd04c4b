"""Which operations are contractions, and the rule for the MACs of each."""

from kaoprof.counting import attention
from kaoprof.counting.contractions import (
    added_matmul_macs,
    convolution_backward_macs,
    convolution_macs,
    distance_macs,
    dot_macs,
    grid_macs,
    grouped_matmul_macs,
    matmul_macs,
    outer_macs,
    packed_linear_macs,
    recurrent_backward_macs,
    recurrent_macs,
    sampled_matmul_macs,
    scattered_convolution_macs,
    stacked_recurrent_backward_macs,
    stacked_recurrent_macs,
    summed_matmul_macs,
    time_convolution_macs,
    window_backward_macs,
    window_macs,
)
from kaoprof.counting.elementwise import Rule
from kaoprof.counting.quantised import QUANTISED_MACS
from kaoprof.counting.shapes import names
from kaoprof.counting.trilinear import trilinear_macs

FUSED_ATTENTION = names(
    "scaled_dot_product_attention _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu "
    "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention "
    "_scaled_dot_product_fused_attention_overrideable"
)
FUSED_ATTENTION_BACKWARD = tuple(f"{name}_backward" for name in FUSED_ATTENTION[1:])
WINDOWS = names(
    "torchvision.deform_conv2d mkldnn_convolution cudnn_convolution cudnn_convolution_relu "
    "cudnn_convolution_add_relu miopen_convolution miopen_depthwise_convolution _conv_depthwise2d conv_depthwise3d "
    "_slow_conv2d_forward slow_conv3d_forward slow_conv_dilated2d slow_conv_dilated3d _nnpack_spatial_convolution"
)
SCATTERED = names(
    "cudnn_convolution_transpose miopen_convolution_transpose slow_conv_transpose2d slow_conv_transpose3d"
)
PACKED_WEIGHTS = names(
    "mkldnn_linear _weight_int8pack_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu "
    "_weight_int4pack_mm_with_scales_and_zeros _dyn_quant_matmul_4bit _mixed_dtypes_linear"
)
ROWS_FIRST = ("_flash_attention_forward", "torch_attn._varlen_attn")
ROWS_FIRST_BACKWARD = ("_flash_attention_backward", "torch_attn._varlen_attn_backward")

MACS: dict[str, Rule] = {
    **dict.fromkeys(names("mm bmm mv _int_mm _scaled_mm _scaled_mm_v2"), matmul_macs),
    **dict.fromkeys(
        names("addmm baddbmm addmv addmm_ baddbmm_ addmv_ _addmm_activation _sparse_addmm"), added_matmul_macs
    ),
    **dict.fromkeys(names("addbmm addbmm_"), summed_matmul_macs),
    **dict.fromkeys(names("addr addr_ ger"), outer_macs),
    **dict.fromkeys(names("_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2"), grouped_matmul_macs),
    **dict.fromkeys(names("dot vdot"), dot_macs),
    "sparse_sampled_addmm": sampled_matmul_macs,
    **dict.fromkeys(names("convolution _convolution convolution_overrideable"), convolution_macs),
    **dict.fromkeys(names("convolution_backward convolution_backward_overrideable"), convolution_backward_macs),
    **dict.fromkeys(WINDOWS, window_macs),
    **dict.fromkeys(SCATTERED, scattered_convolution_macs),
    "torchvision._deform_conv2d_backward": window_backward_macs,
    "conv_tbc": time_convolution_macs,
    "mkldnn_rnn_layer": recurrent_macs,
    "mkldnn_rnn_layer_backward": recurrent_backward_macs,
    **dict.fromkeys(names("_cudnn_rnn miopen_rnn"), stacked_recurrent_macs),
    **dict.fromkeys(names("_cudnn_rnn_backward miopen_rnn_backward"), stacked_recurrent_backward_macs),
    "_trilinear": trilinear_macs,
    "_euclidean_dist": distance_macs,
    **dict.fromkeys(names("affine_grid_generator cudnn_affine_grid_generator"), grid_macs),
    **dict.fromkeys(PACKED_WEIGHTS, packed_linear_macs),
    **QUANTISED_MACS,
    **dict.fromkeys(FUSED_ATTENTION, attention.attention_macs),
    **dict.fromkeys(FUSED_ATTENTION_BACKWARD, attention.attention_backward_macs),
    **dict.fromkeys(ROWS_FIRST, attention.rows_first_macs),
    **dict.fromkeys(ROWS_FIRST_BACKWARD, attention.rows_first_backward_macs),
    "_efficient_attention_forward": attention.biased_rows_first_macs,
    "_efficient_attention_backward": attention.biased_rows_first_backward_macs,
    "higher_order.flex_attention": attention.flexible_macs,
    "higher_order.flex_attention_backward": attention.flexible_backward_macs,
    "_native_multi_head_attention": attention.fused_attention_macs,
    "_transformer_encoder_layer_fwd": attention.fused_encoder_macs,
}

"""Which model says what an operation's kernel holds for itself on an NVIDIA GPU, and what is not known of it.

As on a CPU, what is neither modelled nor on the list of those that were seen to hold nothing is announced as a gap.
"""

from collections.abc import Callable
from typing import Any

import torch

from kaoprof.counting.data_movement import MOVES_DATA, only_looks
from kaoprof.dims import Size
from kaoprof.memory.kernels import cuda, cuda_attention, cuda_reduction, layout_copies, reduction, resampling
from kaoprof.torch_internals import OpOverload

CUDA_SCRATCH: dict[str, Callable[..., Size]] = {
    "_scaled_dot_product_flash_attention": cuda_attention.flash_forward,
    "_scaled_dot_product_flash_attention_backward": cuda_attention.flash_gradient,
    "_scaled_dot_product_cudnn_attention_backward": cuda_attention.flash_gradient,
    "_scaled_dot_product_efficient_attention_backward": cuda_attention.efficient_gradient,
    "_safe_softmax": cuda.attention_weights,
    "_softmax_backward_data": cuda.softmax_gradient,
    "_log_softmax_backward_data": layout_copies.copies_of_two,
    **dict.fromkeys(
        (
            "_softmax", "_log_softmax", "softmax", "log_softmax", "native_layer_norm", "cumprod", "cummax", "cummin",
            "logcumsumexp", "topk", "kthvalue", "median", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d",
            "upsample_bicubic2d_backward", "adaptive_max_pool2d", "_weight_norm_interface",
        ),
        layout_copies.copy_of_first,
    ),
    "native_layer_norm_backward": cuda.layer_norm_gradient,
    "native_group_norm": cuda.group_norm,
    "native_group_norm_backward": cuda.group_norm_gradient,
    "native_batch_norm": cuda.batch_norm,
    "native_batch_norm_backward": cuda.batch_norm_gradient,
    **dict.fromkeys(("mm", "bmm", "mv"), cuda.product),
    **dict.fromkeys(("addmm", "baddbmm", "addmv", "_addmm_activation"), cuda.added_product),
    "cumsum": cuda.running_sum,
    **dict.fromkeys(("abs", "angle"), reduction.magnitude),
    "logsumexp": reduction.log_sum_exp,
    **dict.fromkeys(("max", "min"), reduction.greatest_of_all),
    **dict.fromkeys(("mse_loss", "smooth_l1_loss"), cuda.averaged_loss),
    **{name: cuda_reduction.scratch_of(name) for name in cuda_reduction.SUMS},
    "sort": cuda.sort,
    "roll": cuda.rolled,
    "im2col": resampling.columns,
    **dict.fromkeys(
        (
            "avg_pool2d", "max_pool2d_with_indices", "_adaptive_avg_pool2d", "_adaptive_avg_pool2d_backward",
            "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
            "upsample_nearest1d_backward", "upsample_nearest2d_backward", "upsample_nearest3d_backward",
            "upsample_linear1d_backward", "upsample_bilinear2d_backward", "upsample_trilinear3d_backward",
        ),
        resampling.unless_in_order,
    ),
    **dict.fromkeys(("avg_pool2d_backward", "max_pool2d_with_indices_backward"), cuda.pooling_gradient),
}  # fmt: skip

CUDA_STORAGES: dict[str, Callable[..., Size]] = {"native_layer_norm": cuda.statistics}
CUDA_GAPS: dict[str, Callable[..., str | None]] = {
    **dict.fromkeys(("convolution", "convolution_backward"), lambda *_: cuda.CONVOLUTION_GAP),
    "native_batch_norm": cuda.batch_norm_gap,
    "_scaled_dot_product_flash_attention": cuda_attention.flash_gap,
    **dict.fromkeys(
        ("_scaled_dot_product_cudnn_attention", "_scaled_dot_product_cudnn_attention_backward"),
        lambda *_: cuda_attention.CUDNN_GAP,
    ),
    "sort": cuda.sort_gap,
    "topk": cuda.topk_gap,
    "embedding_dense_backward": cuda.embedding_gradient_gap,
    **dict.fromkeys(
        ("index_put", "index_put_", "_index_put_impl", "_index_put_impl_", "_unsafe_index_put"), cuda.index_put_gap
    ),
    **dict.fromkeys(cuda_reduction.SUMS, cuda_reduction.gap),
    "nonzero": lambda *_: "nonzero",
    "randperm": lambda *_: "randperm",
}
CUDA_HOLDS_NOTHING: frozenset[str] = frozenset(
    {
        "_scaled_dot_product_efficient_attention", "native_dropout", "native_dropout_backward",
        "bernoulli", "bernoulli_", "rand", "rand_like", "randn", "randn_like", "randint", "normal_", "uniform_",
        "gather", "scatter", "scatter_", "scatter_add", "scatter_add_", "index_select", "index_add", "index_add_",
        "index_copy", "index_copy_", "index", "_unsafe_index", "embedding", "masked_fill", "masked_fill_", "where",
        "gelu_backward", "silu_backward", "glu", "glu_backward", "_prelu_kernel", "_prelu_kernel_backward",
        "elu_backward", "leaky_relu_backward", "hardswish", "hardswish_", "hardswish_backward", "softplus_backward",
        "hardtanh", "hardtanh_", "hardtanh_backward", "hardsigmoid_backward", "mish_backward",
        "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d", "pixel_shuffle",
        "replication_pad1d", "replication_pad2d", "replication_pad3d", "grid_sampler_2d", "grid_sampler_2d_backward",
        "nll_loss_forward", "nll_loss_backward", "nll_loss2d_forward", "nll_loss2d_backward", "mse_loss_backward",
        "max_pool3d_with_indices", "avg_pool3d", "_adaptive_avg_pool3d", "bucketize", "searchsorted",
        "tril", "triu", "flip", "dot", "vdot", "lerp", "detach", "alias", "lift", "lift_fresh_copy", "copy", "clamp_",
        "new_full", "complex", "repeat_interleave", "transpose_", "_local_scalar_dense", "_assert_async",
    }
)  # fmt: skip


def cuda_gap(operation: OpOverload, name: str, args: Any) -> str | None:
    """Which operation this is, if its kernel on a GPU may hold more for itself than its model knows."""
    gap = CUDA_GAPS.get(name)
    if gap:
        return gap(*args)
    if name in CUDA_SCRATCH or name in CUDA_HOLDS_NOTHING or name in MOVES_DATA or only_looks(operation):
        return None
    return None if torch.Tag.pointwise in operation.tags or torch.Tag.reduction in operation.tags else name

"""Buffers that a kernel allocates and frees inside itself: no tensor ever shows them, yet they count at the peak.

Each model was read off the kernel and is checked against the allocator's own events by a test.
"""

import math
from collections.abc import Callable
from typing import Any

from kaoprof.dims import Size
from kaoprof.memory.kernels import (
    convolution,
    cuda_attention,
    flash,
    indexing,
    layout_copies,
    products,
    reduction,
    resampling,
)
from kaoprof.memory.kernels.cuda_table import CUDA_SCRATCH, CUDA_STORAGES, cuda_gap
from kaoprof.memory.kernels.verified_kernels import holds_nothing
from kaoprof.torch_internals import OpOverload
from kaoprof.workload.operation_names import name_of
from kaoprof.workload.tensor_bytes import bytes_of

CPU_SCRATCH: dict[str, Callable[..., Size]] = {
    **dict.fromkeys(("mm", "bmm", "mv"), products.product_scratch),
    **dict.fromkeys(("addmm", "baddbmm", "addmv", "_addmm_activation"), products.added_product_scratch),
    "_scaled_dot_product_flash_attention_for_cpu": flash.cpu_flash_forward,
    "_scaled_dot_product_flash_attention_for_cpu_backward": flash.cpu_flash_backward,
    "_safe_softmax": layout_copies.safe_softmax,
    **dict.fromkeys(("_softmax", "_log_softmax", "native_layer_norm"), layout_copies.copy_of_first),
    **dict.fromkeys(("softmax", "log_softmax"), layout_copies.copy_of_first),  # what they are called without gradients
    **dict.fromkeys(("_softmax_backward_data", "_log_softmax_backward_data"), layout_copies.copies_of_two),
    "native_layer_norm_backward": reduction.layer_norm_gradient,
    "native_batch_norm": layout_copies.batch_norm,
    "native_batch_norm_backward": layout_copies.batch_norm_backward,
    "gelu_backward": layout_copies.gelu_backward,
    "convolution": convolution.convolution_scratch,
    "convolution_backward": convolution.convolution_backward_scratch,
    "mean": layout_copies.half_precision_mean,
    "sum": reduction.summed,
    **dict.fromkeys(("cumsum", "linalg_vector_norm"), layout_copies.sum_in_other_dtype),
    "logsumexp": reduction.log_sum_exp,
    **dict.fromkeys(("max", "min"), reduction.greatest_of_all),
    **dict.fromkeys(("abs", "angle"), reduction.magnitude),
    **dict.fromkeys(("mse_loss", "smooth_l1_loss"), reduction.averaged_loss),
    **dict.fromkeys(
        (
            "add", "add_", "sub", "sub_", "mul", "mul_", "maximum", "minimum", "where",
            "eq", "ne", "lt", "le", "gt", "ge",
        ),
        reduction.promoted,
    ),
    **dict.fromkeys(("div", "div_"), reduction.divided),
    **dict.fromkeys(
        ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
         "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
        resampling.nearest,
    ),
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"), resampling.linear),
    "upsample_bicubic2d": resampling.cubic,
    **dict.fromkeys(("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"), resampling.antialiased),
    **dict.fromkeys(
        (
            "upsample_nearest1d_backward", "upsample_nearest2d_backward", "upsample_nearest3d_backward",
            "upsample_linear1d_backward", "upsample_bilinear2d_backward", "upsample_trilinear3d_backward",
        ),
        resampling.upsampling_gradient,
    ),
    "im2col": resampling.columns,
    **dict.fromkeys(
        (
            "col2im", "upsample_bicubic2d_backward", "reflection_pad1d", "replication_pad1d",
            "reflection_pad1d_backward", "replication_pad1d_backward", "avg_pool3d", "index_select",
            "embedding_dense_backward", "log_sigmoid_forward", "rrelu_with_noise", "nll_loss_forward",
            "nll_loss2d_forward", "grid_sampler_2d_backward",
            "adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward", "avg_pool3d_backward",
        ),
        layout_copies.copy_of_first,
    ),
    **dict.fromkeys(
        (
            "_adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d",
            "max_pool2d_with_indices", "max_pool3d_with_indices", "reflection_pad2d", "reflection_pad3d",
            "replication_pad2d", "replication_pad3d", "pixel_shuffle", "pixel_unshuffle",
            "channel_shuffle",
        ),
        resampling.unless_in_order,
    ),
    **dict.fromkeys(
        (
            "_adaptive_avg_pool2d_backward", "avg_pool2d_backward",
            "max_pool2d_with_indices_backward", "max_pool3d_with_indices_backward",
            "reflection_pad2d_backward", "reflection_pad3d_backward", "replication_pad2d_backward",
            "replication_pad3d_backward",
        ),
        resampling.gradient_where_it_lies,
    ),
    "gather": indexing.gathered,
    **dict.fromkeys(("scatter", "scatter_"), indexing.scattered),
    **dict.fromkeys(("scatter_add", "scatter_add_"), indexing.scattered_sum),
    "roll": indexing.rolled,
    **dict.fromkeys(("tril", "triu"), indexing.triangle),
    "_trilinear": products.trilinear_scratch,
}  # fmt: skip


def scratch_bytes(operation: OpOverload, args: Any, kwargs: Any, *, device: str, threads: int) -> Size:
    """Bytes that the operation's kernel holds for itself while it runs, besides its inputs and outputs."""
    model = (CPU_SCRATCH if device == "cpu" else CUDA_SCRATCH).get(name_of(operation))
    return model(*args, threads=threads, **kwargs) if model else 0


CPU_STORAGES: dict[str, Callable[..., Size]] = {
    **dict.fromkeys(("im2col", "col2im"), lambda x, *_, **__: bytes_of(x)),  # the result begins like the input
    **dict.fromkeys(("mse_loss", "smooth_l1_loss"), reduction.kept_by_loss),
}


def least_storage_bytes(operation: OpOverload, args: Any, kwargs: Any, *, device: str) -> Size:
    """What the storage of the result takes at least, where it is more than the result needs."""
    model = (CPU_STORAGES if device == "cpu" else CUDA_STORAGES).get(name_of(operation))
    return model(*args, **kwargs) if model else 0


RECURRENT_GAP = "LSTM by oneDNN"
PROJECTED_GAP = "LSTM with projections"
CUDA_RECURRENT_GAP = "recurrent layers by cuDNN"
UNKNOWN_COPIES = 2  # of its inputs and outputs, for each thread: what a kernel that is not modelled may hold for itself
UNBOUNDED = {
    RECURRENT_GAP,
    CUDA_RECURRENT_GAP,
    cuda_attention.CUDNN_GAP,
    cuda_attention.FLASH_GAP,
}  # no bound of what they hold is known

PRODUCTS = ("mm", "bmm", "mv", "addmm", "baddbmm", "addmv", "_addmm_activation", "_trilinear")
CPU_GAPS: dict[str, Callable[..., str | None]] = {
    **dict.fromkeys(PRODUCTS, products.product_gap),
    "_scaled_dot_product_flash_attention_for_cpu": flash.packed_gap,
    "_scaled_dot_product_flash_attention_for_cpu_backward": flash.flash_gradient_gap,
    **dict.fromkeys(("index_add", "index_add_"), indexing.added_rows_gap),
    "convolution": convolution.convolution_gap,
    "convolution_backward": convolution.gradient_gap,
    **dict.fromkeys(("mkldnn_rnn_layer", "mkldnn_rnn_layer_backward"), lambda *_: RECURRENT_GAP),
}


def scratch_gap(operation: OpOverload, args: Any, *, device: str) -> str | None:
    """Which operation this is, if its kernel may hold more for itself than `scratch_bytes` knows."""
    name = name_of(operation)
    if device != "cpu":
        return cuda_gap(operation, name, args)
    gap = CPU_GAPS.get(name)
    if gap:
        return gap(*args)
    return None if name in CPU_SCRATCH or holds_nothing(operation) else name


def most_unknown_bytes(gap: str, tensors_bytes: int, *, threads: int) -> float:
    """The most that the kernel behind a gap is believed to hold, given the bytes of its inputs and outputs."""
    if gap in UNBOUNDED:
        return math.inf
    copies = UNKNOWN_COPIES * threads * tensors_bytes
    return min(copies, threads * products.MOST_BLOCKS_BYTES) if gap.startswith(products.PRODUCT_GAP) else copies

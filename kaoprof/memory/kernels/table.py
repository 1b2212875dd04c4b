"""Buffers that a kernel allocates and frees inside itself: no tensor ever shows them, yet they count at the peak.

Each model was read off the kernel and is checked against the allocator's own events by a test.
"""

import math
from collections.abc import Callable
from typing import Any

import torch

from kaoprof.dims import Size
from kaoprof.memory.kernels import cuda as cuda_scratch
from kaoprof.memory.kernels.convolution import (
    convolution_backward_scratch,
    convolution_gap,
    convolution_scratch,
    gradient_gap,
)
from kaoprof.memory.kernels.flash import cpu_flash_backward, cpu_flash_forward, flash_gradient_gap
from kaoprof.memory.kernels.indexing import added_rows_gap, gathered, rolled, scattered, scattered_sum, triangle
from kaoprof.memory.kernels.layout_copies import (
    batch_norm,
    batch_norm_backward,
    copies_of_two,
    copy_of_first,
    gelu_backward,
    half_precision_mean,
    safe_softmax,
    sum_in_other_dtype,
)
from kaoprof.memory.kernels.products import (
    MOST_BLOCKS_BYTES,
    PRODUCT_GAP,
    added_product_scratch,
    product_gap,
    product_scratch,
)
from kaoprof.memory.kernels.reduction import (
    averaged_loss,
    divided,
    greatest_of_all,
    kept_by_loss,
    layer_norm_gradient,
    log_sum_exp,
    magnitude,
    promoted,
    summed,
)
from kaoprof.memory.kernels.resampling import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    NEAREST_TAPS,
    antialiased,
    columns,
    gradient_where_it_lies,
    unless_in_order,
    upsampling,
    upsampling_gradient,
)
from kaoprof.memory.kernels.trilinear import trilinear_scratch
from kaoprof.memory.kernels.verified_kernels import holds_nothing
from kaoprof.workload.tensor_bytes import bytes_of

aten = torch.ops.aten


CPU_SCRATCH: dict[Any, Callable[..., Size]] = {
    **dict.fromkeys((aten.mm, aten.bmm, aten.mv), product_scratch),
    **dict.fromkeys((aten.addmm, aten.baddbmm, aten.addmv, aten._addmm_activation), added_product_scratch),  # noqa: SLF001
    aten._scaled_dot_product_flash_attention_for_cpu: cpu_flash_forward,  # noqa: SLF001 - the operations' real names
    aten._scaled_dot_product_flash_attention_for_cpu_backward: cpu_flash_backward,  # noqa: SLF001
    aten._safe_softmax: safe_softmax,  # noqa: SLF001
    **dict.fromkeys((aten._softmax, aten._log_softmax, aten.native_layer_norm), copy_of_first),  # noqa: SLF001
    **dict.fromkeys((aten.softmax, aten.log_softmax), copy_of_first),  # as which they are seen without gradients
    **dict.fromkeys((aten._softmax_backward_data, aten._log_softmax_backward_data), copies_of_two),  # noqa: SLF001
    aten.native_layer_norm_backward: layer_norm_gradient,
    aten.native_batch_norm: batch_norm,
    aten.native_batch_norm_backward: batch_norm_backward,
    aten.gelu_backward: gelu_backward,
    aten.convolution: convolution_scratch,
    aten.convolution_backward: convolution_backward_scratch,
    aten.mean: half_precision_mean,
    aten.sum: summed,
    **dict.fromkeys((aten.cumsum, aten.linalg_vector_norm), sum_in_other_dtype),
    aten.logsumexp: log_sum_exp,
    **dict.fromkeys((aten.max, aten.min), greatest_of_all),
    **dict.fromkeys((aten.abs, aten.angle), magnitude),
    **dict.fromkeys((aten.mse_loss, aten.smooth_l1_loss), averaged_loss),
    **dict.fromkeys(
        (
            aten.add, aten.add_, aten.sub, aten.sub_, aten.mul, aten.mul_, aten.maximum, aten.minimum, aten.where,
            aten.eq, aten.ne, aten.lt, aten.le, aten.gt, aten.ge,
        ),
        promoted,
    ),
    **dict.fromkeys((aten.div, aten.div_), divided),
    **dict.fromkeys(
        (aten.upsample_nearest1d, aten.upsample_nearest2d, aten.upsample_nearest3d,
         aten._upsample_nearest_exact1d, aten._upsample_nearest_exact2d, aten._upsample_nearest_exact3d),  # noqa: SLF001
        upsampling(NEAREST_TAPS),
    ),
    **dict.fromkeys(
        (aten.upsample_linear1d, aten.upsample_bilinear2d, aten.upsample_trilinear3d), upsampling(LINEAR_TAPS)
    ),
    aten.upsample_bicubic2d: upsampling(CUBIC_TAPS),
    **dict.fromkeys((aten._upsample_bilinear2d_aa, aten._upsample_bicubic2d_aa), antialiased),  # noqa: SLF001
    **dict.fromkeys(
        (
            aten.upsample_nearest1d_backward, aten.upsample_nearest2d_backward, aten.upsample_nearest3d_backward,
            aten.upsample_linear1d_backward, aten.upsample_bilinear2d_backward, aten.upsample_trilinear3d_backward,
        ),
        upsampling_gradient,
    ),
    aten.im2col: columns,
    **dict.fromkeys(
        (
            aten.col2im, aten.upsample_bicubic2d_backward, aten.reflection_pad1d, aten.replication_pad1d,
            aten.reflection_pad1d_backward, aten.replication_pad1d_backward, aten.avg_pool3d, aten.index_select,
            aten.embedding_dense_backward, aten.log_sigmoid_forward, aten.rrelu_with_noise, aten.nll_loss_forward,
            aten.nll_loss2d_forward, aten.grid_sampler_2d_backward,
            aten.adaptive_max_pool2d_backward, aten.adaptive_max_pool3d_backward, aten.avg_pool3d_backward,
        ),
        copy_of_first,
    ),
    **dict.fromkeys(
        (
            aten._adaptive_avg_pool2d, aten.adaptive_max_pool2d, aten.avg_pool2d,  # noqa: SLF001
            aten.max_pool2d_with_indices, aten.max_pool3d_with_indices, aten.reflection_pad2d, aten.reflection_pad3d,
            aten.replication_pad2d, aten.replication_pad3d, aten.pixel_shuffle, aten.pixel_unshuffle,
            aten.channel_shuffle,
        ),
        unless_in_order,
    ),
    **dict.fromkeys(
        (
            aten._adaptive_avg_pool2d_backward, aten.avg_pool2d_backward,  # noqa: SLF001
            aten.max_pool2d_with_indices_backward, aten.max_pool3d_with_indices_backward,
            aten.reflection_pad2d_backward, aten.reflection_pad3d_backward, aten.replication_pad2d_backward,
            aten.replication_pad3d_backward,
        ),
        gradient_where_it_lies,
    ),
    aten.gather: gathered,
    **dict.fromkeys((aten.scatter, aten.scatter_), scattered),
    **dict.fromkeys((aten.scatter_add, aten.scatter_add_), scattered_sum),
    aten.roll: rolled,
    **dict.fromkeys((aten.tril, aten.triu), triangle),
    aten._trilinear: trilinear_scratch,  # noqa: SLF001
}  # fmt: skip


CUDA_SCRATCH: dict[Any, Callable[..., Size]] = {
    aten._scaled_dot_product_flash_attention_backward: cuda_scratch.flash_gradient,  # noqa: SLF001
    aten._scaled_dot_product_efficient_attention_backward: cuda_scratch.efficient_gradient,  # noqa: SLF001
    aten._safe_softmax: safe_softmax,  # noqa: SLF001
    aten._softmax_backward_data: cuda_scratch.softmax_gradient,  # noqa: SLF001
}


def scratch_bytes(operation: torch._ops.OpOverload, args: Any, kwargs: Any, *, device: str, threads: int) -> Size:
    """Bytes that the operation's kernel holds for itself while it runs, besides its inputs and outputs."""
    model = (CPU_SCRATCH if device == "cpu" else CUDA_SCRATCH).get(operation.overloadpacket)
    return model(*args, threads=threads, **kwargs) if model else 0


CPU_STORAGES: dict[Any, Callable[..., Size]] = {
    **dict.fromkeys((aten.im2col, aten.col2im), lambda x, *_, **__: bytes_of(x)),  # the result begins like the input
    **dict.fromkeys((aten.mse_loss, aten.smooth_l1_loss), kept_by_loss),
}


def least_storage_bytes(operation: torch._ops.OpOverload, args: Any, kwargs: Any, *, device: str) -> Size:
    """What the storage of the result takes at least, where it is more than the result needs."""
    model = CPU_STORAGES.get(operation.overloadpacket) if device == "cpu" else None
    return model(*args, **kwargs) if model else 0


RECURRENT_GAP = "LSTM by oneDNN"
PROJECTED_GAP = "LSTM with projections"
CUDA_RECURRENT_GAP = "recurrent layers by cuDNN"
UNKNOWN_COPIES = 2  # of its inputs and outputs, for each thread: what a kernel that is not modelled may hold for itself
UNBOUNDED = {RECURRENT_GAP, CUDA_RECURRENT_GAP, cuda_scratch.ATTENTION_GAP}  # no bound of what they hold is known

PRODUCTS = (
    aten.mm, aten.bmm, aten.mv, aten.addmm, aten.baddbmm, aten.addmv, aten._addmm_activation, aten._trilinear,  # noqa: SLF001
)  # fmt: skip
CPU_GAPS: dict[Any, Callable[..., str | None]] = {
    **dict.fromkeys(PRODUCTS, product_gap),
    aten._scaled_dot_product_flash_attention_for_cpu_backward: flash_gradient_gap,  # noqa: SLF001
    **dict.fromkeys((aten.index_add, aten.index_add_), added_rows_gap),
    aten.convolution: convolution_gap,
    aten.convolution_backward: gradient_gap,
    **dict.fromkeys((aten.mkldnn_rnn_layer, aten.mkldnn_rnn_layer_backward), lambda *_: RECURRENT_GAP),
}
CUDA_GAPS: dict[Any, Callable[..., str | None]] = {
    **dict.fromkeys((aten.convolution, aten.convolution_backward), cuda_scratch.convolution_gap),
    aten._scaled_dot_product_flash_attention: cuda_scratch.attention_gap,  # noqa: SLF001
}


def scratch_gap(operation: torch._ops.OpOverload, args: Any, *, device: str) -> str | None:
    """Which operation this is, if its kernel may hold more for itself than `scratch_bytes` knows."""
    packet = operation.overloadpacket
    gap = (CPU_GAPS if device == "cpu" else CUDA_GAPS).get(packet)
    if gap:
        return gap(*args)
    if device != "cpu" or packet in CPU_SCRATCH or holds_nothing(operation):
        return None
    return str(packet).removeprefix("aten.")


def most_unknown_bytes(gap: str, tensors_bytes: int, *, threads: int) -> float:
    """The most that the kernel behind a gap is believed to hold, given the bytes of its inputs and outputs."""
    if gap in UNBOUNDED:
        return math.inf
    copies = UNKNOWN_COPIES * threads * tensors_bytes
    return min(copies, threads * MOST_BLOCKS_BYTES) if gap.startswith(PRODUCT_GAP) else copies

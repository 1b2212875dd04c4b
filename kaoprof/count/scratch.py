"""Buffers that a kernel allocates and frees inside itself: no tensor ever shows them, yet they count at the peak.

Each model was read off the kernel and is checked against the allocator's own events by a test.
"""

from collections.abc import Callable
from typing import Any

import torch

from kaoprof.count import cuda_scratch
from kaoprof.count.convolution_scratch import (
    convolution_backward_scratch,
    convolution_gap,
    convolution_scratch,
    gradient_gap,
)
from kaoprof.count.flash_scratch import cpu_flash_backward, cpu_flash_forward
from kaoprof.count.layout_copies import (
    batch_norm,
    batch_norm_backward,
    copies_of_two,
    copy_of_first,
    gelu_backward,
    half_precision_mean,
    safe_softmax,
    sum_in_other_dtype,
)
from kaoprof.count.product_scratch import added_product_scratch, product_gap, product_scratch
from kaoprof.dims import Size

aten = torch.ops.aten


CPU_SCRATCH: dict[Any, Callable[..., Size]] = {
    **dict.fromkeys((aten.mm, aten.bmm, aten.mv), product_scratch),
    **dict.fromkeys((aten.addmm, aten.baddbmm, aten.addmv, aten._addmm_activation), added_product_scratch),  # noqa: SLF001
    aten._scaled_dot_product_flash_attention_for_cpu: cpu_flash_forward,  # noqa: SLF001 - the operations' real names
    aten._scaled_dot_product_flash_attention_for_cpu_backward: cpu_flash_backward,  # noqa: SLF001
    aten._safe_softmax: safe_softmax,  # noqa: SLF001
    **dict.fromkeys((aten._softmax, aten._log_softmax, aten.native_layer_norm), copy_of_first),  # noqa: SLF001
    **dict.fromkeys(
        (aten._softmax_backward_data, aten._log_softmax_backward_data, aten.native_layer_norm_backward),  # noqa: SLF001
        copies_of_two,
    ),
    aten.native_batch_norm: batch_norm,
    aten.native_batch_norm_backward: batch_norm_backward,
    aten.gelu_backward: gelu_backward,
    aten.convolution: convolution_scratch,
    aten.convolution_backward: convolution_backward_scratch,
    aten.mean: half_precision_mean,
    aten.sum: sum_in_other_dtype,
}


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


RECURRENT_GAP = "LSTM by oneDNN"
CUDA_RECURRENT_GAP = "recurrent layers by cuDNN"
UNBOUNDED = {RECURRENT_GAP, CUDA_RECURRENT_GAP, cuda_scratch.ATTENTION_GAP}  # no bound of what they hold is known

CPU_GAPS: dict[Any, Callable[..., str | None]] = {
    **dict.fromkeys((aten.mm, aten.bmm, aten.mv), product_gap),
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
    gap = (CPU_GAPS if device == "cpu" else CUDA_GAPS).get(operation.overloadpacket)
    return gap(*args) if gap else None

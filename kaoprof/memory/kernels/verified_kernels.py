"""Operations whose CPU kernels were seen to hold nothing for themselves, beside what views, makes or looks at data.

Each was run on real tensors, in single and half precision and however they lay in memory, and its allocations were
read. What is not listed, not modelled, and no elementwise operation or reduction either, is announced as a gap.
"""

from typing import Any

import torch

from kaoprof.counting.data_movement import MOVES_DATA, only_looks
from kaoprof.counting.rules import name_of

aten = torch.ops.aten

HOLDS_NOTHING: frozenset[Any] = frozenset(
    {
        aten._adaptive_avg_pool3d, aten._adaptive_avg_pool3d_backward,  # noqa: SLF001 - the operations' real names
        aten._prelu_kernel, aten._prelu_kernel_backward,  # noqa: SLF001
        aten._weight_norm_interface, aten._weight_norm_interface_backward,  # noqa: SLF001
        aten._conj_physical, aten._local_scalar_dense, aten._assert_async,  # noqa: SLF001
        aten.bernoulli, aten.bernoulli_, aten.rand, aten.rand_like, aten.randn, aten.randn_like, aten.randint,
        aten.randint_like, aten.randperm, aten.normal_, aten.uniform_, aten.exponential_, aten.random_,
        aten.complex, aten.polar, aten.detach, aten.alias,
        aten.dot, aten.vdot, aten.cumprod, aten.cummax, aten.cummin, aten.logcumsumexp, aten._cummax_helper,  # noqa: SLF001
        aten.elu_backward, aten.softplus_backward, aten.hardswish, aten.hardswish_, aten.hardswish_backward,
        aten.hardtanh, aten.hardtanh_, aten.hardtanh_backward, aten.hardsigmoid_backward, aten.leaky_relu_backward,
        aten.mish_backward, aten.rrelu_with_noise_backward, aten.log_sigmoid_backward, aten.glu, aten.glu_backward,
        aten.softshrink, aten.hardshrink, aten.threshold, aten.threshold_,
        aten.floor_divide, aten.masked_fill, aten.masked_fill_, aten.addr,
        aten.smooth_l1_loss_backward, aten.mse_loss_backward, aten.huber_loss_backward,
        aten.diagonal_backward, aten.unfold_backward,
        aten.grid_sampler_2d, aten.grid_sampler_3d, aten.grid_sampler_3d_backward, aten.adaptive_max_pool3d,
        aten.native_group_norm, aten.native_group_norm_backward,
        aten.nll_loss_backward, aten.nll_loss2d_backward,
        aten.sort, aten.topk, aten.transpose_, aten.trace,
        aten.index_copy_, aten.index_put, aten.index_put_,
        aten._index_put_impl, aten._index_put_impl_, aten._unsafe_index, aten._unsafe_index_put,  # noqa: SLF001
        aten.copy, aten.repeat_interleave, aten.lift, aten.lift_fresh_copy, aten.new_full, aten.clamp_,
    }
)  # fmt: skip


def holds_nothing(operation: torch._ops.OpOverload) -> bool:
    """Whether its kernel is known to allocate no more than its results."""
    packet = operation.overloadpacket
    if packet in HOLDS_NOTHING or name_of(operation) in MOVES_DATA or only_looks(operation):
        return True
    return torch.Tag.pointwise in operation.tags or torch.Tag.reduction in operation.tags

"""Operations whose CPU kernels were seen to hold nothing for themselves, beside what views, makes or looks at data.

Each was run on real tensors, in single and half precision and however they lay in memory, and its allocations were
read. What is not listed, not modelled, and no elementwise operation or reduction either, is announced as a gap.
"""

import torch

from kaoprof.counting.data_movement import MOVES_DATA, only_looks
from kaoprof.torch_internals import OpOverload
from kaoprof.workload.operation_names import name_of

HOLDS_NOTHING: frozenset[str] = frozenset(
    {
        "_adaptive_avg_pool3d", "_adaptive_avg_pool3d_backward",
        "_prelu_kernel", "_prelu_kernel_backward",
        "_weight_norm_interface", "_weight_norm_interface_backward",
        "_conj_physical", "_local_scalar_dense", "_assert_async",
        "bernoulli", "bernoulli_", "rand", "rand_like", "randn", "randn_like", "randint",
        "randint_like", "randperm", "normal_", "uniform_", "exponential_", "random_",
        "complex", "polar", "detach", "alias",
        "dot", "vdot", "cumprod", "cummax", "cummin", "logcumsumexp", "_cummax_helper",
        "elu_backward", "softplus_backward", "hardswish", "hardswish_", "hardswish_backward",
        "hardtanh", "hardtanh_", "hardtanh_backward", "hardsigmoid_backward", "leaky_relu_backward",
        "mish_backward", "rrelu_with_noise_backward", "log_sigmoid_backward", "glu", "glu_backward",
        "softshrink", "hardshrink", "threshold", "threshold_",
        "floor_divide", "masked_fill", "masked_fill_", "addr",
        "smooth_l1_loss_backward", "mse_loss_backward", "huber_loss_backward",
        "diagonal_backward", "unfold_backward",
        "grid_sampler_2d", "grid_sampler_3d", "grid_sampler_3d_backward", "adaptive_max_pool3d",
        "native_group_norm", "native_group_norm_backward",
        "nll_loss_backward", "nll_loss2d_backward",
        "sort", "topk", "transpose_", "trace",
        "index_copy_", "index_put", "index_put_",
        "_index_put_impl", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put",
        "copy", "repeat_interleave", "lift", "lift_fresh_copy", "new_full", "clamp_",
    }
)  # fmt: skip


def holds_nothing(operation: OpOverload) -> bool:
    """Whether its kernel is known to allocate no more than its results."""
    name = name_of(operation)
    if name in HOLDS_NOTHING or name in MOVES_DATA or only_looks(operation):
        return True
    return torch.Tag.pointwise in operation.tags or torch.Tag.reduction in operation.tags

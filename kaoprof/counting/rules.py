"""Rules by the name of an operation: which MACs a contraction has, and the FLOPs of everything else.

A rule sees the operation's arguments and its output, only their shapes and dtypes are used, so sizes may be symbolic.
An operation that is neither listed here nor known to torch as a view, pointwise or reduction has no rule: it is
reported by name. Anybody may add a rule of their own with `rule`, and formulas registered with torch's counter are
used.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from kaoprof.costs.arithmetic import FLOPS_PER_MAC, NORM_FLOPS, NORMALISE_FLOPS, SOFTMAX_FLOPS
from kaoprof.counting import attention, elementwise, lists, losses
from kaoprof.counting.contraction_table import FUSED_ATTENTION, FUSED_ATTENTION_BACKWARD, MACS, ROWS_FIRST
from kaoprof.counting.data_movement import MOVES_DATA, only_looks
from kaoprof.counting.elementwise import Rule, per_input, per_output
from kaoprof.counting.linear_algebra import LINEAR_ALGEBRA
from kaoprof.counting.nested import NESTED_MACS, nested_counts
from kaoprof.counting.quantised import QUANTISED_FLOPS
from kaoprof.counting.shapes import first_tensor, names
from kaoprof.counting.spatial import SPATIAL
from kaoprof.counting.trilinear import trilinear_flops
from kaoprof.dims import Size
from kaoprof.torch_internals import base_operations, is_higher_order
from kaoprof.workload.operation_names import name_of

COMPLEX_FACTOR = 4  # real products in a complex one
GLU_FLOPS = 2  # per output: sigmoid, product
NORMALISE_BACKWARD_FLOPS = 9  # per element: normalised again 2, the two sums over it 3, the input's gradient 4
DROPOUT_FLOPS = 3  # per element: a number is drawn, compared, and multiplied
VARIANCE_FLOPS = 4  # per element: mean 1, subtraction, square, sum
SUMMED_EXPONENTIALS_FLOPS = 4  # per element: maximum, subtraction, exponential, sum
WEIGHT_NORM_BACKWARD_FLOPS = 5  # per element: product and sum for the norm's gradient, then two products, a difference
POLAR_FLOPS = 4  # per element: cosine, sine, two products
WINDOW_FUNCTION_FLOPS = 3  # per element: cosine, product, sum
WINDOW_FUNCTIONS = tuple(f"{kind}_window" for kind in ("hann", "hamming", "blackman", "bartlett", "kaiser"))
PRIMITIVE = "prims."


FLOPS: dict[str, Rule] = {
    **dict.fromkeys(
        names(
            "softmax _softmax _safe_softmax _log_softmax _masked_softmax _sparse_softmax _sparse_log_softmax "
            "_nested_tensor_softmax_with_shape"
        ),
        per_output(SOFTMAX_FLOPS),
    ),
    **dict.fromkeys(
        names(
            "_softmax_backward_data _log_softmax_backward_data _masked_softmax_backward "
            "_sparse_softmax_backward_data _sparse_log_softmax_backward_data"
        ),
        per_output(attention.SOFTMAX_BACKWARD_FLOPS),
    ),
    **dict.fromkeys(FUSED_ATTENTION, attention.attention_flops),
    **dict.fromkeys(FUSED_ATTENTION_BACKWARD, attention.attention_backward_flops),
    **dict.fromkeys(ROWS_FIRST, attention.rows_first_flops),
    "_efficient_attention_forward": attention.biased_rows_first_flops,
    "higher_order.flex_attention": attention.flexible_flops,
    "_native_multi_head_attention": attention.fused_attention_flops,
    "_transformer_encoder_layer_fwd": attention.fused_encoder_flops,
    **dict.fromkeys(names("addmm baddbmm addmv addmm_ baddbmm_ addmv_ addbmm addbmm_ _sparse_addmm"), per_output(1)),
    "_addmm_activation": per_output(2),
    **LINEAR_ALGEBRA,
    **QUANTISED_FLOPS,
    **losses.LOSSES,
    **dict.fromkeys(
        names("convolution _convolution convolution_overrideable mkldnn_convolution mkldnn_linear"),
        elementwise.convolution_flops,
    ),
    **dict.fromkeys(
        names("convolution_backward convolution_backward_overrideable"), elementwise.convolution_backward_flops
    ),
    "mkldnn_rnn_layer": elementwise.recurrent_flops,
    "_trilinear": trilinear_flops,
    # not all of these are tagged as pointwise, or not in every version of torch
    **dict.fromkeys(
        names("hardtanh hardtanh_ hardswish hardswish_ relu6 relu6_ _prelu_kernel threshold_"), per_output(1)
    ),
    **dict.fromkeys(names("_prelu_kernel_backward _add_relu"), per_output(2)),
    **dict.fromkeys(names("rrelu_with_noise rrelu_with_noise_functional rrelu_with_noise_backward"), per_output(2)),
    **dict.fromkeys(
        names(
            "hardtanh_backward hardswish_backward hardsigmoid_backward softplus_backward elu_backward "
            "floor_divide leaky_relu_backward log_sigmoid_forward log_sigmoid_backward _adaptive_avg_pool2d_backward "
            "hardshrink_backward softshrink_backward glu_backward_jvp _standard_gamma_grad _dirichlet_grad "
            "_adaptive_avg_pool3d_backward masked_fill masked_fill_ cumprod native_dropout_backward "
            "nll_loss_backward nll_loss2d_backward masked_scatter_backward"
        ),
        per_output(1),
    ),
    **SPATIAL,
    "sum": elementwise.sum_rule,
    **dict.fromkeys(names("mul mul_"), elementwise.product_rule),
    **dict.fromkeys(names("add add_ sub sub_ rsub"), elementwise.scaled_sum_rule),
    **dict.fromkeys(names("addcmul addcmul_ addcdiv addcdiv_"), elementwise.added_product_rule),
    **dict.fromkeys(names("lerp lerp_"), per_output(elementwise.LERP_FLOPS)),
    **dict.fromkeys(
        names(
            "bernoulli bernoulli_ rand rand_like randn randn_like randint randint_like normal normal_ uniform_ "
            "random_ exponential_ multinomial poisson geometric_ log_normal_ cauchy_ binomial _sample_dirichlet "
            "_standard_gamma random exponential geometric log_normal cauchy uniform normal_functional"
        ),
        per_output(1),
    ),
    "native_dropout": per_output(DROPOUT_FLOPS),
    "_fused_dropout": per_output(DROPOUT_FLOPS),
    "glu": per_output(GLU_FLOPS),
    "glu_backward": per_output(GLU_FLOPS),
    **dict.fromkeys(names("scatter_add scatter_add_ index_add index_add_"), elementwise.added_rule),
    **dict.fromkeys(names("index_put index_put_ _index_put_impl_"), elementwise.accumulated_rule),
    **dict.fromkeys(
        names(
            "col2im unfold_backward embedding_dense_backward _embedding_bag _embedding_bag_forward_only cumsum "
            "_embedding_bag_dense_backward "
            "upsample_nearest1d_backward upsample_nearest2d_backward upsample_nearest3d_backward "
            "_upsample_nearest_exact1d_backward _upsample_nearest_exact2d_backward _upsample_nearest_exact3d_backward "
            "fractional_max_pool2d_backward fractional_max_pool3d_backward mkldnn_adaptive_avg_pool2d histogram "
            "_histogramdd_from_bin_cts _histogramdd_from_bin_tensors isin hash_tensor _sparse_sum _sparse_csr_sum "
            "_nested_sum_backward batch_norm_gather_stats batch_norm_gather_stats_with_counts batch_norm_update_stats "
            "max_pool2d_with_indices_backward max_pool3d_with_indices_backward "
            "adaptive_max_pool2d adaptive_max_pool3d adaptive_max_pool2d_backward adaptive_max_pool3d_backward "
            "_adaptive_avg_pool2d _adaptive_avg_pool3d argmax argmin max min amax amin aminmax mean prod any all "
            "count_nonzero median nanmedian kthvalue mode cummax cummin logcumsumexp trace bincount histc "
            "reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward "
            "replication_pad1d_backward replication_pad2d_backward replication_pad3d_backward "
            "segment_reduce _segment_reduce_backward scatter_reduce "
            "scatter_reduce_ index_reduce index_reduce_ _is_all_true _is_any_true"
        ),
        per_input(1),
    ),
    **dict.fromkeys(
        names(
            "native_batch_norm_backward native_layer_norm_backward native_group_norm_backward _fused_rms_norm_backward "
            "cudnn_batch_norm_backward miopen_batch_norm_backward"
        ),
        per_input(NORMALISE_BACKWARD_FLOPS),
    ),
    **dict.fromkeys(
        names(
            "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_functional "
            "_native_batch_norm_legit_no_training _batch_norm_no_update cudnn_batch_norm miopen_batch_norm"
        ),
        elementwise.batch_norm_flops,
    ),
    "_batch_norm_with_update": elementwise.group_norm_flops,
    "native_layer_norm": elementwise.layer_norm_flops,
    "native_group_norm": elementwise.group_norm_flops,
    "_fused_rms_norm": elementwise.rms_norm_flops,
    **dict.fromkeys(names("var std var_mean std_mean batch_norm_stats"), per_input(VARIANCE_FLOPS)),
    "logsumexp": per_input(SUMMED_EXPONENTIALS_FLOPS),
    **dict.fromkeys(names("_cdist_forward _pdist_forward"), elementwise.distance_rule),
    **dict.fromkeys(names("_cdist_backward _pdist_backward"), elementwise.distance_backward_rule),
    "_euclidean_dist": elementwise.euclidean_rule,
    **dict.fromkeys(names("renorm allclose"), per_input(3)),
    "_weight_norm_interface_backward": per_input(WEIGHT_NORM_BACKWARD_FLOPS),
    "polar": per_output(POLAR_FLOPS),
    **dict.fromkeys(WINDOW_FUNCTIONS, per_output(WINDOW_FUNCTION_FLOPS)),
    **dict.fromkeys(names("fft_fftfreq fft_rfftfreq"), per_output(1)),
    **dict.fromkeys(names("_embedding_bag_backward _embedding_bag_per_sample_weights_backward"), elementwise.bag_rule),
    "_unsafe_masked_index_put_accumulate": per_input(1),
    "glu_jvp": per_output(GLU_FLOPS + 1),
    **dict.fromkeys(names("_cudnn_rnn miopen_rnn"), elementwise.stacked_recurrent_flops),
    **dict.fromkeys(names("_thnn_fused_lstm_cell _thnn_fused_gru_cell"), elementwise.cell_flops),
    "batch_norm_elemt": per_input(NORMALISE_FLOPS),
    **dict.fromkeys(names("norm linalg_vector_norm _weight_norm_interface"), per_input(NORM_FLOPS)),
    **dict.fromkeys(names("sort msort argsort"), elementwise.sort_rule),
    **dict.fromkeys(
        names("_unique _unique2 unique_dim unique_consecutive unique_dim_consecutive"), elementwise.sort_all_rule
    ),
    "topk": elementwise.topk_rule,
    "searchsorted": elementwise.search_rule,
    "bucketize": elementwise.bucket_rule,
    **dict.fromkeys(names("_fft_c2c _fft_r2c _fft_c2r"), elementwise.fft_rule),
    **lists.FUSED_STEPS,
}

LOGARITHMIC = frozenset(
    names("sort msort argsort topk searchsorted bucketize _fft_c2c _fft_r2c _fft_c2r")
    + names("_unique _unique2 unique_dim unique_consecutive")
)  # no formula of ours has a logarithm: where sizes are symbols they count as unknown
REGISTERED: dict[str, Rule] = {}  # by users: MACs alone, or MACs and other FLOPs


def rule(operation: str) -> Callable[[Rule], Rule]:
    """Registers what an operation of one's own costs: `@kaoprof.rule("mylib::myop")` above a function.

    The function is called with the operation's arguments and with its result as `out`; of tensors it may use sizes and
    dtypes. It returns the MACs, or a pair: the MACs, and the FLOPs that come beside them.

    Raises:
        ValueError: the name has no namespace.
    """
    if "::" not in operation:
        raise ValueError(f"{operation!r} is no operation's full name: write 'namespace::name', such as 'aten::mm'")

    def register(function: Rule) -> Rule:
        REGISTERED[operation.replace("::", ".").removeprefix("aten.")] = function
        return function

    return register


@cache
def known_name(operation: Any) -> str:
    """The name by which a table knows it: its own, or that of what does the same to a new tensor."""
    name = name_of(operation)
    same = (name, name.removesuffix("_"), name.removeprefix("prims."))
    return next((known for known in same if any(known in table for table in (MACS, FLOPS, MOVES_DATA))), name)


def has_rule(operation: Any) -> bool:
    """Whether the operation counts as one and is not looked into: it is listed, or asks a tensor for its traits."""
    name = known_name(operation)
    return name.startswith("prim.") or any(
        known in table
        for known, table in ((name_of(operation), REGISTERED), (name, MACS), (name, FLOPS), (name, MOVES_DATA))
    )


@cache
def trait_rule(operation: Any) -> Rule | None:
    """The rule of what no table lists, by what torch itself knows of it; None if it knows nothing of use."""
    if is_higher_order(operation):
        return None
    if only_looks(operation):
        return per_output_of_nothing
    tags = {tag for base in base_operations(operation) for tag in base.tags}
    if torch.Tag.reduction in tags:
        return per_input(1)
    if name_of(operation).startswith(lists.FOREACH):
        return lists.list_rule(name_of(operation))
    if torch.Tag.pointwise in tags or name_of(operation).startswith(PRIMITIVE):
        return of_all_outputs
    return None


def per_output_of_nothing(*_: object, **__: object) -> Size:
    """What computes nothing."""
    return 0


def of_all_outputs(*args: Any, out: Any, **_: object) -> Size:
    """One for each element of the first output; of operations on lists of tensors, of each of the list."""
    results = out if out is not None else args[0]
    return sum(part.numel() for part in results) if isinstance(results, list) else first_tensor(results).numel()


def counts_of(operation: Any, args: Any, kwargs: Any, out: Any) -> tuple[Size, Size | None]:
    """MACs of one call, and its FLOPs outside of contractions, which are None if no rule covers it."""
    name = known_name(operation)
    given = kwargs | {"out": out} if kwargs else {"out": out}  # also where the caller gave `out=` itself
    own = REGISTERED.get(name_of(operation))
    if own is not None:
        counted: Any = own(*args, **given)
        return counted if isinstance(counted, tuple) else (counted, 0)
    nested = nested_counts(name, args, out) if name in NESTED_MACS else None
    if nested is not None:
        return nested
    macs_rule, flops_rule = MACS.get(name), FLOPS.get(name)
    macs: Size = 0
    if macs_rule is not None:
        macs = macs_rule(*args, **given) or 0
        macs = macs * COMPLEX_FACTOR if first_tensor(args).is_complex() else macs
    if flops_rule is not None:
        return macs, flops_rule(*args, **given)
    if macs_rule is not None or name in MOVES_DATA:
        return macs, 0
    by_trait = trait_rule(operation)
    if by_trait is not None:
        return macs, by_trait(*args, **given)
    return macs, None


def registered_with_torch(operation: Any, args: Any, kwargs: Any, out: Any) -> Size | None:
    """MACs by a formula that somebody registered with `torch.utils.flop_counter`, which sees the tensors themselves."""
    from torch.utils.flop_counter import flop_registry

    formula = flop_registry.get(getattr(operation, "overloadpacket", operation))
    if formula is None:
        return None
    return int(formula(*args, **kwargs, out_val=out)) // FLOPS_PER_MAC

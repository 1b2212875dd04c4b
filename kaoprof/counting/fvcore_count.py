"""fvcore's own count of the same module: an independent second opinion, kept behind this one adapter.

fvcore knows nothing of fused attention, crashes on meta convolutions, counts normalisations, pools and interpolations
as if they were multiply-adds, and leaves its hooks behind after an exception; so it gets a module of its own, handlers
for what it does not know or knows otherwise, and a refusal instead of a crash.
"""

import logging
import math
import string
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from kaoprof.counting.fvcore_convolution import CONVOLUTION_HANDLERS, TracedConvolutions
from kaoprof.torch_internals import forward_hooks, held_tensors
from kaoprof.workload.building import build_inputs, build_module
from kaoprof.workload.workload import Workload

with warnings.catch_warnings():  # fvcore compiles a loss function with torch.jit when imported
    for category in (DeprecationWarning, FutureWarning):  # the second from torch 2.14 on
        warnings.filterwarnings("ignore", r"`torch\.jit\.script", category)
    from fvcore.nn import FlopCountAnalysis

WITHOUT_MACS = (
    "add", "add_", "sub", "sub_", "rsub", "mul", "mul_", "div", "div_", "neg", "exp", "exp_", "expm1", "log",
    "log2", "log10", "log1p", "sqrt", "sqrt_", "rsqrt", "square", "pow", "abs", "sign", "sin", "cos", "tan",
    "atan2", "erf", "erfinv", "reciprocal", "floor", "ceil", "round", "fmod", "remainder", "mean", "sum",
    "prod", "var", "std", "var_mean", "std_mean", "cumsum", "cumprod", "logsumexp", "softmax", "log_softmax",
    "norm", "linalg_vector_norm", "max", "min", "amax", "amin", "argmax", "argmin", "maximum", "minimum",
    "sort", "argsort", "topk", "any", "all", "where", "lerp", "addcmul", "addcdiv", "bernoulli_", "rand_like",
    "randn_like", "rand", "randn", "normal_", "uniform_", "max_pool1d", "max_pool2d", "max_pool3d",
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d", "adaptive_max_pool2d", "upsample_nearest1d", "upsample_nearest2d",
    "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d",
    "upsample_trilinear3d", "grid_sampler", "im2col", "col2im", "mT", "T", "clone", "contiguous", "cat",
    "concat", "stack", "split", "split_with_sizes", "chunk", "unbind", "select", "slice", "narrow", "expand",
    "expand_as", "reshape", "view", "view_as", "flatten", "unflatten", "transpose", "permute", "movedim",
    "swapaxes", "unsqueeze", "unsqueeze_", "squeeze", "squeeze_", "pad", "constant_pad_nd", "reflection_pad2d",
    "roll", "flip", "index", "index_select", "gather", "scatter", "scatter_", "scatter_add", "repeat",
    "repeat_interleave", "embedding", "one_hot", "masked_fill", "masked_fill_", "tril", "triu", "meshgrid",
    "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "type_as", "to", "copy_", "fill_", "zero_", "detach",
    "alias", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_not", "bitwise_and",
    "bitwise_not", "arange", "linspace", "zeros", "ones", "full", "zeros_like", "ones_like", "full_like",
    "empty_like", "new_zeros", "new_ones", "new_full", "new_empty", "scalar_tensor", "relu", "relu_", "relu6",
    "relu6_", "hardtanh", "hardtanh_", "gelu", "gelu_", "silu", "silu_", "hardswish", "hardswish_",
    "hardsigmoid", "hardsigmoid_", "sigmoid", "sigmoid_", "tanh", "tanh_", "leaky_relu", "leaky_relu_", "elu",
    "elu_", "selu", "selu_", "celu", "celu_", "softplus", "softsign", "mish", "mish_", "glu", "prelu",
    "log_sigmoid", "clamp", "clamp_", "clamp_min", "clamp_min_", "clamp_max", "dropout", "dropout_",
    "hardshrink", "softshrink", "rrelu", "rrelu_", "abs_", "pow_", "square_", "index_add", "index_add_",
    "index_copy", "index_fill", "index_put", "index_put_", "masked_scatter", "masked_select", "outer", "ger",
    "unsafe_chunk", "unsafe_split", "numel", "size", "stride", "dim", "embedding_bag", "_weight_norm",
    "cross_entropy_loss", "nll_loss", "nll_loss_nd", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div", "cosine_similarity", "fft_fft",
    "fft_ifft", "fft_rfft", "fft_irfft", "fft_fft2", "fft_ifft2", "fft_rfft2", "fft_irfft2", "fft_fftn",
    "fft_ifftn", "fft_rfftn", "fft_irfftn", "stft", "istft", "real", "imag", "view_as_complex", "view_as_real",
    "complex", "conj", "angle", "cummax", "cummin", "diff", "bincount", "unique_dim", "take", "take_along_dim",
    "scatter_reduce", "scatter_add_", "diag", "diagonal", "diag_embed", "tril_", "triu_", "triu_indices",
    "tril_indices", "broadcast_to", "broadcast_tensors", "tile", "hstack", "vstack", "ceil_", "floor_", "clip",
    "clip_", "nan_to_num", "isnan", "isinf", "isfinite", "logical_xor", "bitwise_or", "bitwise_xor", "sinh",
    "cosh", "asin", "acos", "atan", "erfc", "exp2", "trunc", "frac", "logaddexp", "hypot", "median", "kthvalue",
    "mode", "quantile", "searchsorted", "bucketize", "count_nonzero", "amax", "aminmax", "nansum", "nanmean",
    "floor_divide", "true_divide", "multiply", "subtract", "divide", "less", "greater", "not_equal",
    "feature_dropout", "alpha_dropout", "batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm",
)  # fmt: skip
DOTS = "..."
MOST_OPERANDS = 2  # of einsum: with more, the order in which they are multiplied decides


def _value_shape(value: Any) -> list[int]:
    return [int(size) for size in value.type().sizes()]


def attention_handler(inputs: list[Any], outputs: list[Any]) -> int:
    """MACs of `scaled_dot_product_attention`: `(.. n d) , (.. m d) , (.. m e) -> (.. n e)`."""
    del outputs
    query, key, value = (_value_shape(tensor) for tensor in inputs[:3])
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def einsum_handler(inputs: list[Any], outputs: list[Any]) -> int:
    """MACs of `einsum` over one or two tensors: outputs times the axes that are summed over both.

    fvcore's own reads them from a text that numpy rounds to four digits. Without such an axis they are multiplied
    elementwise; one that only one of them has, or that is 1 in one of them, is summed before.

    Raises:
        ValueError: three tensors or more, whose order torch chooses, or axes that have no letter.
    """
    del outputs
    shapes = [_value_shape(tensor) for tensor in inputs[1].node().inputs()]
    equation = _all_letters(inputs[0].toIValue().replace(" ", ""), [len(shape) for shape in shapes])
    terms, arrow, kept = equation.partition("->")
    if not arrow or len(shapes) > MOST_OPERANDS:
        raise ValueError(f"no count of einsum {equation!r}")
    first, *rest = (dict(zip(term, shape, strict=True)) for term, shape in zip(terms.split(","), shapes, strict=True))
    second = rest[0] if rest else {}
    summed = [size for letter, size in first.items() if letter not in kept and min(size, second.get(letter, 1)) > 1]
    return math.prod(summed) * math.prod(max(first.get(one, 1), second.get(one, 1)) for one in kept) if summed else 0


def _all_letters(equation: str, axes: list[int]) -> str:
    """The equation with a letter for each axis that `...` stands for; they are counted from the last one."""
    free = [letter for letter in string.ascii_letters if letter not in equation]
    terms, arrow, kept = equation.partition("->")
    hidden = [
        count - len(term.replace(DOTS, "")) if DOTS in term else 0
        for term, count in zip(terms.split(","), axes, strict=True)
    ]
    spelt = [
        term.replace(DOTS, "".join(free[:count][::-1])) for term, count in zip(terms.split(","), hidden, strict=True)
    ]
    return f"{','.join(spelt)}{arrow}{kept.replace(DOTS, ''.join(free[: max(hidden)][::-1]))}"


def matmul_handler(inputs: list[Any], outputs: list[Any]) -> int:
    """MACs of `matmul`: `(.. m k) , (.. k n) -> (.. m n)`, also where one side is spread over the other's batch.

    fvcore's own reads the batch off the left operand alone.
    """
    return math.prod(_value_shape(outputs[0])) * _value_shape(inputs[0])[-1]


def added_matmul_handler(inputs: list[Any], outputs: list[Any]) -> int:
    """MACs of a product that is added to something: `added + (.. m k) , (.. k n) -> (.. m n)`."""
    return matmul_handler(inputs[1:], outputs)


def tensordot_handler(inputs: list[Any], outputs: list[Any]) -> int:
    """MACs of `tensordot`: with the outputs' size and both operands', the axes that are summed follow."""
    left, right, out = (math.prod(_value_shape(value)) for value in (*inputs[:2], outputs[0]))
    return out * math.isqrt(left * right // out) if out else 0


def bilinear_handler(inputs: list[Any], outputs: list[Any]) -> int:
    """MACs of `bilinear`: `(.. i) , (.. j) , (o i j) -> (.. o)`."""
    return math.prod(_value_shape(outputs[0])) * math.prod(_value_shape(inputs[2])[1:])


def no_macs(inputs: list[Any], outputs: list[Any]) -> int:
    """Elementwise arithmetic and moved data: no contraction."""
    del inputs, outputs
    return 0


HANDLERS: dict[str, Callable[[list[Any], list[Any]], int]] = {
    **{f"aten::{name}": no_macs for name in WITHOUT_MACS},
    "aten::scaled_dot_product_attention": attention_handler,
    "aten::einsum": einsum_handler,
    **dict.fromkeys(("aten::matmul", "aten::mv", "aten::dot", "aten::vdot"), matmul_handler),
    **dict.fromkeys(("aten::baddbmm", "aten::addmv"), added_matmul_handler),
    "aten::tensordot": tensordot_handler,
    "aten::bilinear": bilinear_handler,
    **CONVOLUTION_HANDLERS,
}


@contextmanager
def hooks_restored(module: nn.Module) -> Iterator[None]:
    """Takes away what fvcore's hooks leave on `module` when its forward pass fails: whoever made it may keep it."""
    before = [(hooks, hooks.copy()) for part in module.modules() for hooks in (
        forward_hooks(part)
    )]  # fmt: skip
    try:
        yield
    finally:
        for hooks, kept in before:
            hooks.clear()
            hooks.update(kept)


def count_with_fvcore(workload: Workload) -> int | None:
    """MACs of one forward pass by fvcore; None where it has no opinion.

    It has none on training, on operations that it cannot see, and on modules that its tracer gives up on.
    """
    modules = count_modules_with_fvcore(workload)
    return None if modules is None else modules[""]


def count_modules_with_fvcore(workload: Workload, module: nn.Module | None = None) -> dict[str, int] | None:
    """MACs of every module by its name, what is inside it included; the whole is called "". None as above.

    fvcore's "flop" is one multiply-add, so its figure compares with MACs as it is.

    Args:
        workload: what runs.
        module: its model, if it is there already; it ends up without data. Else one is built.
    """
    if workload.mode != "forward":
        return None
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that becomes a constant: that is its purpose
        try:
            model = build_module(workload, device="meta") if module is None else on_meta(module)
            return _analysed(model, build_inputs(workload, device="meta"))
        except Exception:  # noqa: BLE001 - whatever stops the tracer, torch itself ran the module: no opinion
            return None


def _analysed(module: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, int] | None:
    analysis = FlopCountAnalysis(module, inputs).set_op_handle(**HANDLERS)
    analysis.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False)
    with hooks_restored(module), TracedConvolutions(), torch.device("meta"):
        counted = {name: round(macs) for name, macs in analysis.by_module().items()}
        return None if analysis.unsupported_ops() else counted


def on_meta(module: nn.Module) -> nn.Module:
    """The module, each of whose parameters and buffers is replaced by one without data; shared ones stay shared."""
    known: dict[int, Tensor] = {}

    def emptied(tensor: Tensor) -> Tensor:
        if id(tensor) not in known:
            empty = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
            known[id(tensor)] = nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty
        return known[id(tensor)]

    for part in module.modules():
        for tensors in held_tensors(part):
            tensors.update({name: emptied(tensor) for name, tensor in tensors.items() if tensor is not None})
    return module

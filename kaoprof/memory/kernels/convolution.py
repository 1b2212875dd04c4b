"""What a convolution and its gradients hold for themselves on a CPU: oneDNN's copies, or the native kernel's columns.

Which of the two, is read off `ConvParams::use_mkldnn` of torch, and checked against the allocator by a test. What is
not modelled is said by `convolution_gap` and `gradient_gap`.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from kaoprof.dims import Size
from kaoprof.memory.kernels.convolution_geometry import PLANAR, Convolution, block_of_channels, convolution_of
from kaoprof.memory.kernels.convolution_kernels import input_gradient_bytes, output_bytes, weight_gradient_bytes
from kaoprof.memory.kernels.layout_copies import copy_of_first, is_innermost
from kaoprof.memory.kernels.onednn import multiplies_in_blocks, refuse_symbols
from kaoprof.memory.kernels.weight_gradient_scratch import weight_scratch
from kaoprof.workload.tensor_bytes import bytes_of

NATIVE_ELEMENTS = 20480  # up to so many input elements of one sample torch prefers its native kernel
LARGE_KERNEL = 3  # a kernel larger than this on both axes goes to oneDNN in any case
MANY_SAMPLES = 16  # from so many samples on, 1 x 1 kernels go to oneDNN also on one thread
LARGEST_KERNEL = 7  # in groups: what larger ones hold was seen to be otherwise
LARGEST_STRIDE = 2  # of transposed convolutions, likewise
PARTIAL_SUMS = 256  # of the weights' gradient, by oneDNN's plain kernel
SMALLEST_BLOCK = 4  # channels of a group that blocks can be cut down to
CHANNELS_LAST = (torch.channels_last, torch.channels_last_3d)


def convolution_scratch(x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any, threads: int, **_: Any) -> Size:
    """Bytes beyond the result of `(b c *s) , (o c/groups *k)`, or transposed of `(b o *s') , (o c/groups *k)`.

    The `geometry` is that of `convolution_of`.

    Raises:
        NoFormulaError: the sizes are symbols, and the kernel finds its blocks by a search.
    """
    one = convolution_of(x, weight, *geometry)
    laid_out = laid_out_bytes(x)
    if not goes_to_onednn(one, x, threads):
        columns = columns_bytes(one, samples=one.samples, plain=one.transposed)
        return laid_out + native_bytes(one, columns, copied=one.width * x.numel(), answer=one.width * one.outputs)
    if is_channels_last(x):
        return weight_copies_bytes(one)
    if multiplies_in_blocks(one.dtype) and one.pointwise:
        refuse_symbols(x, weight)
    if one.transposed:
        uneven = one.size[-1] % one.stride[-1] != 0
        biased = bias is not None and (uneven or not one.strided)  # else the kernel adds the bias itself
        return laid_out + input_gradient_bytes(one, threads, biased=biased) - one.width * one.inputs
    return laid_out + output_bytes(one, threads) - one.width * one.outputs


def convolution_backward_scratch(
    grad_out: Tensor, x: Tensor, weight: Tensor, bias_sizes: list[int] | None, *geometry_and_mask: Any, threads: int,
    **_: Any,
) -> Size:  # fmt: skip
    """Bytes beyond the gradients of the input and of the weights, of which the mask names the wanted ones.

    Raises:
        NoFormulaError: the sizes are symbols, and a kernel finds its blocks by a search.
    """
    del bias_sizes
    *geometry, (input_wanted, weights_wanted, _) = geometry_and_mask
    one = convolution_of(x, weight, *geometry)
    laid_out = laid_out_bytes(x) + _laid_out_like(grad_out, x)
    of_input = x.numel() * one.width if input_wanted else 0
    of_weights = weight.numel() * one.width if weights_wanted else 0
    if not goes_to_onednn(one, x, threads):
        plain = one.transposed or len(one.size) > PLANAR
        columns = columns_bytes(one, samples=1 if one.transposed else one.samples, plain=plain)
        copied = one.width * (x.numel() + grad_out.numel())
        return laid_out + native_bytes(one, columns, copied=copied, answer=of_input + of_weights)
    if multiplies_in_blocks(one.dtype) and not one.depthwise:
        refuse_symbols(x, weight)
    if is_channels_last(x):
        if one.depthwise:
            return depthwise_gradient_bytes(one, weights_wanted=weights_wanted, threads=threads)
        return weight_copies_bytes(one) + (weight_scratch(one, threads) if multiplies_in_blocks(one.dtype) else 0)
    compute = output_bytes if one.transposed else input_gradient_bytes
    first = compute(one, threads) if input_wanted else 0
    second = weight_gradient_bytes(one, threads) if weights_wanted else 0
    return laid_out + max(first, of_input + second) - of_input - of_weights


def goes_to_onednn(one: Convolution, x: Tensor, threads: int) -> bool:
    """Whether torch takes oneDNN, and not its own kernel, for the input `x`."""
    if multiplies_in_blocks(one.dtype):
        return True
    if one.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return False
    kernel = (1, *one.kernel)[-2:]  # one axis is computed as an image of height 1
    if not (one.strided or one.dilated or one.samples >= MANY_SAMPLES or kernel != (1, 1) or threads > 1):
        return False
    few = math.prod(x.shape[:4]) <= NATIVE_ELEMENTS
    return one.groups > 1 or min(kernel) > LARGE_KERNEL or one.samples > 1 or not few


def is_channels_last(x: Tensor) -> bool:
    """Whether torch computes on the tensor as it is, with its channels innermost."""
    return not x.is_contiguous() and suggest_memory_format(x) in CHANNELS_LAST


def laid_out_bytes(x: Tensor) -> Size:
    """What the copy of a tensor takes that lies neither in order nor with its channels innermost."""
    return 0 if is_channels_last(x) else copy_of_first(x)


def _laid_out_like(grad_out: Tensor, x: Tensor) -> Size:
    """The copy of a gradient that does not lie as torch computes on the input: in order, or channels innermost."""
    if is_channels_last(x):
        return 0 if is_innermost(grad_out) else bytes_of(grad_out)
    return copy_of_first(grad_out)


def weight_copies_bytes(one: Convolution) -> Size:
    """Where channels lie innermost only weights are reordered: first like the input, then into blocks."""
    copied = 0 if one.depthwise or math.prod(one.kernel) == 1 else one.weights
    return one.width * (copied + one.weight_elements)


def depthwise_gradient_bytes(one: Convolution, *, weights_wanted: bool, threads: int) -> Size:
    """Of a depthwise convolution whose channels lie innermost: without a kernel for it, weights are summed in parts."""
    weights = one.width * one.weights
    if reads_short_rows(one):
        return weight_copies_bytes(one) + (weights if weights_wanted else 0)
    if multiplies_in_blocks(one.dtype):
        return weight_copies_bytes(one) + weight_scratch(one, threads)
    if weights_wanted:
        return (PARTIAL_SUMS + 1) * weights
    return PARTIAL_SUMS * weights if one.dilated or len(one.size) > PLANAR else weight_copies_bytes(one)


def reads_short_rows(one: Convolution) -> bool:
    """Whether oneDNN has a depthwise kernel for the gradients where channels lie innermost."""
    skips = any(step > taps for step, taps in zip(one.stride, one.kernel, strict=True))
    strides_far = max(one.stride) > LARGEST_STRIDE and max(one.kernel) > LARGE_KERNEL
    planar = len(one.size) <= PLANAR and not one.dilated
    return bool(planar and one.kernel[-1] <= LARGE_KERNEL and not (skips or strides_far))


def native_bytes(one: Convolution, columns: Size, *, copied: Size, answer: Size) -> Size:
    """torch's own kernel takes groups one after the other, of what is `copied`, and joins their answers in the end.

    Those of volumes it takes at once.
    """
    if one.groups == 1 or len(one.size) > PLANAR:
        return columns
    return max(answer, columns + (copied // one.groups if one.samples > 1 else 0))


def columns_bytes(one: Convolution, *, samples: Size, plain: bool) -> Size:
    """What the native kernel lays the input out in: for every place, all that the kernel sees there.

    Where each place is by itself the input is that already; only some kernels lay out `plain` ones too.
    """
    if all(size == 1 for size in (*one.kernel, *one.stride)) and not any(one.padding) and not plain:
        return 0
    channels = one.channels if len(one.size) > PLANAR else one.channels // one.groups
    seen = channels * math.prod(one.kernel)
    return samples * seen * math.prod(one.places) * one.width


def convolution_gap(x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any) -> str | None:
    """Which convolution this is, if it is one whose buffers are not modelled."""
    del bias
    return _gap_of(convolution_of(x, weight, *geometry), x)


def _gap_of(one: Convolution, x: Tensor) -> str | None:
    if _computed_otherwise(one.dtype):
        return f"convolution in {str(one.dtype).removeprefix('torch.')} on this processor"
    if one.dtype != torch.float32 and not multiplies_in_blocks(one.dtype):
        return _native_gap(one)
    return _onednn_gap(one, x)


def _onednn_gap(one: Convolution, x: Tensor) -> str | None:
    """The same of oneDNN's kernels."""
    if one.transposed and (one.dilated or one.groups > 1 or is_channels_last(x) or max(one.stride) > LARGEST_STRIDE):
        return "transposed convolution of this kind"
    if one.transposed and (_has_odd_channels(one) or (one.strided and len(one.size) == 1)):
        return "transposed convolution of odd channels, or of rows"
    if one.groups > 1 and max(one.kernel) > LARGEST_KERNEL:
        return "convolution of groups with a large kernel"
    volumes = one.depthwise and len(one.size) > PLANAR
    if one.dilated and (one.strided or volumes):
        return "convolution that is dilated, and strided or of volumes by themselves"
    in_blocks = all(channels // one.groups % SMALLEST_BLOCK == 0 for channels in (one.channels, one.out))
    if one.groups > 1 and not one.depthwise and not in_blocks:
        return "convolution of small groups"
    wide = any(
        reach * (taps - 1) + 1 >= size for taps, reach, size in zip(one.kernel, one.dilation, one.size, strict=True)
    )
    return "convolution with a kernel as wide as its input" if wide and not one.pointwise else None


def _has_odd_channels(one: Convolution) -> bool:
    """Whether a transposed convolution has more channels than a block, and not whole ones, or answers with very few."""
    block = block_of_channels()
    filled = one.out > block and one.out % block and math.prod(one.kernel) > 1
    return bool(filled or one.channels < SMALLEST_BLOCK)


def _native_gap(one: Convolution) -> str | None:
    """The same of torch's own kernel, which multiplies columns."""
    if one.dilated:
        return "dilated convolution by torch's own kernel"
    alone = one.groups > 1 and (one.samples == 1 or one.pointwise)
    otherwise = len(one.size) > PLANAR and (alone or one.transposed)
    return "convolution of volumes, in groups or transposed, by torch's own kernel" if otherwise else None


def _computed_otherwise(dtype: torch.dtype) -> bool:
    """Whether oneDNN has instructions for a reduced dtype that are not those modelled here, or does without."""
    if dtype == torch.float16:
        return bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())  # noqa: SLF001 - torch's own question
    return dtype == torch.bfloat16 and not multiplies_in_blocks(dtype)


def gradient_gap(
    grad_out: Tensor, x: Tensor, weight: Tensor, bias_sizes: list[int] | None, *geometry_and_mask: Any
) -> str | None:
    """Of which convolution these are the gradients, if their buffers are not modelled."""
    del grad_out, bias_sizes
    *geometry, _ = geometry_and_mask
    one = convolution_of(x, weight, *geometry)
    gap = _gap_of(one, x)
    if gap:
        return gap
    modelled = one.depthwise and (one.dtype == torch.float32 or (reads_short_rows(one) and not one.strided))
    if is_channels_last(x) and not modelled:
        return "gradients of a convolution whose channels lie innermost"
    if one.transposed and len(one.size) > PLANAR and one.channels % block_of_channels():
        return "gradients of a transposed convolution of volumes into odd channels"
    if one.depthwise:
        sparse = any(step > taps for step, taps in zip(one.stride, one.kernel, strict=True))
        return "depthwise convolution that skips input" if sparse else None
    if one.groups > 1 and (one.strided or one.dilated):
        return "convolution of groups that is strided or dilated"
    return "dilated convolution of volumes" if one.dilated and len(one.size) > PLANAR else None

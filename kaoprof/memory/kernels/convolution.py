"""What a convolution and its gradients hold for themselves on a CPU: oneDNN's copies, or the native kernel's columns.

Which of the two, is read off `ConvParams::use_mkldnn` of torch, and checked against the allocator by a test. Only what
is simple and stable is modelled; the rest is said by `convolution_gap` and `gradient_gap`.
"""

import math
from typing import Any

import torch
from torch import Tensor

from kaoprof.dims import Size
from kaoprof.memory.kernels.convolution_geometry import PLANAR, Convolution, convolution_of
from kaoprof.memory.kernels.convolution_kernels import input_gradient_bytes, output_bytes, weight_gradient_bytes
from kaoprof.memory.kernels.layout_copies import copy_of_first, is_innermost
from kaoprof.memory.kernels.onednn import takes_reduced
from kaoprof.torch_internals import suggest_memory_format
from kaoprof.workload.tensor_bytes import bytes_of

NATIVE_ELEMENTS = 20480  # up to so many input elements of one sample torch prefers its native kernel
LARGE_KERNEL = 3  # a kernel larger than this on both axes goes to oneDNN in any case
MANY_SAMPLES = 16  # from so many samples on, 1 x 1 kernels go to oneDNN also on one thread
LARGEST_IN_GROUPS = 7  # what larger kernels hold was seen to be otherwise
SMALLEST_BLOCK = 4  # channels of a group that blocks can be cut down to
MOST_DEPTHWISE_TAPS = 3  # for so many along each axis oneDNN has a kernel of the weights' gradient
WIDEST = 14  # the same where channels are summed
CHANNELS_LAST = (torch.channels_last, torch.channels_last_3d)


def convolution_scratch(x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any, threads: int, **_: Any) -> Size:
    """Bytes beyond the result of `(b c *s) , (o c/groups *k)`, or transposed of `(b o *s') , (o c/groups *k)`.

    The `geometry` is that of `convolution_of`.
    """
    del bias
    conv = convolution_of(x, weight, *geometry)
    laid_out = laid_out_bytes(x)
    if not goes_to_onednn(conv, x, threads):
        columns = columns_bytes(conv, samples=conv.samples, plain=False)
        return laid_out + native_bytes(conv, columns, copied=bytes_of(x), answer=conv.width * conv.outputs)
    if is_channels_last(x):
        return weight_copies_bytes(conv)
    if conv.transposed:
        return laid_out + input_gradient_bytes(conv, threads) - conv.width * conv.inputs
    return laid_out + output_bytes(conv, threads) - conv.width * conv.outputs


def convolution_backward_scratch(
    grad_out: Tensor, x: Tensor, weight: Tensor, bias_sizes: list[int] | None, *geometry_and_mask: Any, threads: int,
    **_: Any,
) -> Size:  # fmt: skip
    """Bytes beyond the gradients of the input and of the weights, of which the mask names the wanted ones."""
    del bias_sizes
    *geometry, (input_wanted, weights_wanted, _) = geometry_and_mask
    conv = convolution_of(x, weight, *geometry)
    laid_out = laid_out_bytes(x) + _laid_out_like(grad_out, x)
    of_input = bytes_of(x) if input_wanted else 0
    of_weights = bytes_of(weight) if weights_wanted else 0
    if not goes_to_onednn(conv, x, threads):
        volumes = len(conv.size) > PLANAR
        needed = input_wanted or not _is_laid_out(conv) if volumes else weights_wanted
        columns = columns_bytes(conv, samples=conv.samples, plain=volumes) if needed else 0
        copied = bytes_of(x) + bytes_of(grad_out)
        return laid_out + native_bytes(conv, columns, copied=copied, answer=of_input + of_weights)
    if is_channels_last(x):
        return weight_copies_bytes(conv)
    if conv.depthwise and not _has_depthwise_kernel(conv):
        return laid_out
    compute = output_bytes if conv.transposed else input_gradient_bytes
    first = compute(conv, threads) if input_wanted else 0
    second = weight_gradient_bytes(conv, threads) if weights_wanted else 0
    return laid_out + max(first, of_input + second) - of_input - of_weights


def _has_depthwise_kernel(conv: Convolution) -> bool:
    """Whether oneDNN has a kernel of its own for the gradients of a depthwise convolution like this."""
    few = all(step <= taps <= MOST_DEPTHWISE_TAPS for taps, step in zip(conv.kernel, conv.stride, strict=True))
    return few and not conv.dilated and len(conv.size) <= PLANAR


def goes_to_onednn(conv: Convolution, x: Tensor, threads: int) -> bool:
    """Whether torch takes oneDNN, and not its own kernel, for the input `x`."""
    if takes_reduced(conv.dtype):
        return True
    if conv.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return False
    kernel = (1, *conv.kernel)[-2:]  # one axis is computed as an image of height 1
    if not (conv.strided or conv.dilated or conv.samples >= MANY_SAMPLES or kernel != (1, 1) or threads > 1):
        return False
    few = math.prod(x.shape[:4]) <= NATIVE_ELEMENTS
    return conv.groups > 1 or min(kernel) > LARGE_KERNEL or conv.samples > 1 or not few


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


def weight_copies_bytes(conv: Convolution) -> Size:
    """Where channels lie innermost only weights are reordered: first like the input, then into blocks."""
    copied = 0 if conv.depthwise or math.prod(conv.kernel) == 1 else conv.weights
    return conv.width * (copied + conv.weight_elements)


def native_bytes(conv: Convolution, columns: Size, *, copied: Size, answer: Size) -> Size:
    """torch's own kernel takes groups one after the other, of what is `copied`, and joins their answers in the end."""
    if conv.groups == 1:
        return columns
    return max(answer, columns + (copied // conv.groups if conv.samples > 1 else 0))


def columns_bytes(conv: Convolution, *, samples: Size, plain: bool) -> Size:
    """What the native kernel lays the input out in: for every place, all that the kernel sees there.

    Where each place is by itself the input is that already; only some kernels lay out `plain` ones too.
    """
    if _is_laid_out(conv) and not plain:
        return 0
    return samples * conv.channels // conv.groups * math.prod(conv.kernel) * math.prod(conv.places) * conv.width


def _is_laid_out(conv: Convolution) -> bool:
    """Whether each place is by itself."""
    return all(size == 1 for size in (*conv.kernel, *conv.stride)) and not any(conv.padding)


def convolution_gap(x: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Any) -> str | None:
    """Which convolution this is, if it is one whose buffers are not modelled."""
    del bias
    return _gap_of(convolution_of(x, weight, *geometry))


def gradient_gap(
    grad_out: Tensor, x: Tensor, weight: Tensor, bias_sizes: list[int] | None, *geometry_and_mask: Any
) -> str | None:
    """Of which convolution these are the gradients, if their buffers are not modelled."""
    del grad_out, bias_sizes
    *geometry, _ = geometry_and_mask
    conv = convolution_of(x, weight, *geometry)
    gap = _gap_of(conv)
    if gap or conv.dtype != torch.float32:
        return gap
    kinds = {
        "a dilated convolution of this kind": conv.dilated and (conv.groups > 1 or conv.reads_in_place),
        "a convolution with a kernel as wide as its input": _is_wide(conv) and len(conv.size) <= PLANAR,
        "a convolution of volumes in groups": conv.groups > 1 and len(conv.size) > PLANAR,
        "a convolution whose channels lie innermost": is_channels_last(x),
        "a depthwise convolution with a large kernel, or that skips input": (
            conv.depthwise and not _has_depthwise_kernel(conv)
        ),
        "a convolution of groups": conv.groups > 1 and not conv.depthwise,
        "a convolution with a large kernel": not conv.depthwise and conv.kernel[-1] > WIDEST,
    }
    return next((f"gradients of {kind}" for kind, holds in kinds.items() if holds), None)


def _gap_of(conv: Convolution) -> str | None:
    if conv.dtype == torch.bfloat16 or takes_reduced(conv.dtype):
        return f"convolution in {str(conv.dtype).removeprefix('torch.')}"
    if conv.transposed:
        return "transposed convolution"
    volumes, single = len(conv.size) > PLANAR, conv.dtype == torch.float32
    if conv.dilated and (conv.strided or volumes or not single):
        return "dilated convolution of this kind"
    if conv.groups > 1 and volumes and not single:
        return "convolution of volumes in groups"
    return _onednn_gap(conv) if single else None


def _onednn_gap(conv: Convolution) -> str | None:
    """The same of oneDNN's kernels."""
    in_blocks = all(channels // conv.groups % SMALLEST_BLOCK == 0 for channels in (conv.channels, conv.out))
    if conv.groups > 1 and not conv.depthwise and not in_blocks:
        return "convolution of small groups"
    if conv.groups > 1 and max(conv.kernel) > LARGEST_IN_GROUPS:
        return "convolution of groups with a large kernel"
    alone = all(places == 1 for places in conv.places) and any(taps > 1 for taps in conv.kernel)
    return "convolution with a kernel as wide as its input" if alone else None


def _is_wide(conv: Convolution) -> bool:
    """Whether the kernel reaches over the whole of an image."""
    axes = zip(conv.kernel, conv.dilation, conv.size, strict=True)
    return any(reach * (taps - 1) + 1 >= size for taps, reach, size in axes) and not conv.pointwise

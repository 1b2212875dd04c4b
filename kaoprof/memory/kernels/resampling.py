"""What a CPU kernel holds for itself while it makes an image of other size or order, or gathers its windows in columns.

Read off `UpSampleKernel.cpp`, `UpSample.h`, `Im2Col.cpp` and `Col2Im.cpp` of torch, and checked against the allocator's
own events by a test.
"""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from kaoprof.dims import Size
from kaoprof.memory.kernels.layout_copies import copy_of_first, is_innermost
from kaoprof.torch_internals import suggest_memory_format
from kaoprof.workload.tensor_bytes import bytes_of

SMALL_MAP = 128  # height and width together: up to it channels are brought innermost, wherever they lie
FEW_CHANNELS = 3  # up to so many, a large map whose channels lie innermost is computed as any other
INDEX_BYTES = 8
CUBIC_TAPS = 4  # neighbours along each axis


def upsampling(taps: int) -> Callable[..., Size]:
    """The model of `(b c *s) -> (b c *s')` from so many neighbours along each axis."""

    def scratch(x: Tensor, places: list[int], *_: Any, **__: Any) -> Size:
        images, volumes = x.ndim == 4, x.ndim == 5  # noqa: PLR2004 - axes
        innermost = is_innermost(x)
        small = images and places[0] + places[1] <= SMALL_MAP
        if taps < CUBIC_TAPS and (small or ((images or volumes) and innermost and x.shape[1] > FEW_CHANNELS)):
            results = math.prod(x.shape[:2]) * math.prod(places)
            either = x.shape[1] == 1 or math.prod(places) == 1 or (innermost and not x.is_contiguous())
            return (0 if innermost else bytes_of(x)) + (0 if either else results * x.element_size())
        return sum(places) * taps * (INDEX_BYTES + x.element_size())  # where each neighbour lies, and its weight

    return scratch


nearest, linear, cubic = upsampling(1), upsampling(2), upsampling(CUBIC_TAPS)


def upsampling_gradient(grad: Tensor, *_: Any, **__: Any) -> Size:
    """A gradient that lies neither in order nor with its channels innermost is copied."""
    return 0 if is_innermost(grad) else copy_of_first(grad)


def antialiased(x: Tensor, places: list[int], *_: Any, **__: Any) -> Size:
    """Width and height are resampled one after the other; between, an image of the new width and the old height."""
    batch, channels, height, width = x.shape
    if places[0] == height or places[1] == width:
        return copy_of_first(x)
    return copy_of_first(x) + batch * channels * height * places[1] * x.element_size()


def columns(x: Tensor, kernel: list[int], dilation: list[int], padding: list[int], stride: list[int], **_: Any) -> Size:
    """`(b c *s) -> (b c*k n)`: the result begins as one like the input; if it is larger it is made anew beside that."""
    steps = zip(x.shape[-len(kernel) :], kernel, dilation, padding, stride, strict=True)
    places = [(size + 2 * pad - reach * (taps - 1) - 1) // step + 1 for size, taps, reach, pad, step in steps]
    seen = math.prod(x.shape[: -len(kernel)]) * math.prod(kernel) * math.prod(places)
    return copy_of_first(x) + (bytes_of(x) if seen > x.numel() else 0)


def gradient_where_it_lies(grad: Tensor, x: Tensor, *rest: Any, **__: Any) -> Size:
    """A gradient of pooling or padding is computed in the order in which `grad` lies.

    What lies otherwise is copied: the gradient itself, the result, and where there are any the indices of a maximum.
    """
    copied = unless_in_order(grad)
    if suggest_memory_format(x) == suggest_memory_format(grad):
        return copied
    return copied + bytes_of(x) + sum(bytes_of(tensor) for tensor in rest if isinstance(tensor, Tensor))


def unless_in_order(x: Tensor, *_: Any, **__: Any) -> Size:
    """A kernel that knows both orders copies what lies in neither."""
    return 0 if x.is_contiguous(memory_format=suggest_memory_format(x)) else bytes_of(x)

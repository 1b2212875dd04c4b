"""The sizes of a convolution, and of its tensors as oneDNN reorders them on a CPU: channels in blocks.

Read off the kernels of oneDNN 3; see `convolution_scratch`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from kaoprof.dims import Size
from kaoprof.memory.kernels.onednn import in_blocks_of

PLANAR = 2  # spatial axes of an image: what has more is a volume
BLOCKS = {"AVX512": 16, "AVX2": 8}  # channels in oneDNN's block, by torch's name for the processor


class Convolution(NamedTuple):
    """`(samples channels *size) , (out channels/groups *kernel) -> (samples out *places)`.

    A transposed one is described by what it is the gradient of: its input is `(samples out *places)`.
    """

    samples: Size
    channels: Size
    out: Size
    size: tuple[Size, ...]
    places: tuple[Size, ...]
    kernel: tuple[Size, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    transposed: bool
    dtype: torch.dtype

    @property
    def width(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def weights(self) -> Size:
        """How many there are."""
        return self.out * (self.channels // self.groups) * math.prod(self.kernel)

    @property
    def inputs(self) -> Size:
        """Elements of the input."""
        return self.samples * self.channels * math.prod(self.size)

    @property
    def outputs(self) -> Size:
        """Elements of the output."""
        return self.samples * self.out * math.prod(self.places)

    @property
    def depthwise(self) -> bool:
        """Whether each channel is by itself."""
        return self.groups > 1 and bool(self.groups == self.channels == self.out)

    @property
    def strided(self) -> bool:
        """Whether places of the input are skipped."""
        return any(step != 1 for step in self.stride)

    @property
    def dilated(self) -> bool:
        """Whether there are gaps in the kernel."""
        return any(step != 1 for step in self.dilation)

    @property
    def pointwise(self) -> bool:
        """Whether each place is by itself, and oneDNN takes its kernel for that."""
        if self.groups > 1 or any(size != 1 for size in self.kernel) or any(self.padding):
            return False
        even = all(size % step == 0 for size, step in zip(self.size, self.stride, strict=True))
        return not self.strided or (even and len(self.size) <= PLANAR)  # volumes are read in place

    @property
    def reads_in_place(self) -> bool:
        """Whether it is a first layer, whose few channels are read as they are."""
        return self.groups == 1 and not self.pointwise and bool(self.channels < block_of_channels())

    @property
    def input_elements(self) -> Size:
        """Of the input, reordered."""
        return self.samples * self._in_blocks(self.channels) * math.prod(self.size)

    @property
    def source_elements(self) -> Size:
        """Of the input, as it is reordered to be read; none where it is read as it is."""
        return 0 if self.reads_in_place else self.input_elements

    @property
    def result_elements(self) -> Size:
        """Of the output, as it is computed."""
        return self.samples * self._in_blocks(self.out) * math.prod(self.places)

    @property
    def weight_elements(self) -> Size:
        """Of the weights, reordered for the output or for their own gradient."""
        if not self.reads_in_place:
            return self.blocked_weight_elements
        return in_blocks_of(self.out, block_of_channels()) * self.channels * math.prod(self.kernel)

    @property
    def blocked_weight_elements(self) -> Size:
        """Of the weights, reordered for the gradient of the input: in blocks on both sides."""
        block = block_of_channels()
        outer = in_blocks_of(self.out, block) if self.groups == 1 or self.depthwise else self.out
        inner = in_blocks_of(self.channels, block) if self.groups == 1 else self.channels // self.groups
        return outer * inner * math.prod(self.kernel)

    def _in_blocks(self, channels: Size) -> Size:
        """Those of groups stay as they are, and likewise those of volumes that are by themselves."""
        if self.groups > 1 and (not self.depthwise or len(self.size) > PLANAR):
            return channels
        return in_blocks_of(channels, block_of_channels())


def for_each_axis(sizes: list[int], axes: int) -> list[int]:
    """One number for each axis, where one for all may be given."""
    return sizes * axes if len(sizes) == 1 else sizes


def convolution_of(
    x: Tensor,
    weight: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> Convolution:
    """Of `(b c *s) , (o c/groups *k)`, or transposed of `(b o *s') , (o c/groups *k)`; arguments as torch has them."""
    samples, given, *size = x.shape
    out, inner, *kernel = weight.shape
    stride, padding, dilation, output_padding = (
        for_each_axis(given_sizes, len(kernel)) for given_sizes in (stride, padding, dilation, output_padding)
    )
    steps = tuple(zip(size, kernel, stride, padding, dilation, output_padding, strict=True))
    if transposed:
        places = tuple(size)
        size = [
            (axis - 1) * step - 2 * pad + reach * (taps - 1) + more + 1 for axis, taps, step, pad, reach, more in steps
        ]
        given = inner * groups
    else:
        places = tuple(
            (axis + 2 * pad - reach * (taps - 1) - 1) // step + 1 for axis, taps, step, pad, reach, _ in steps
        )
    return Convolution(
        samples, given, out, tuple(size), places, tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), groups,
        transposed, x.dtype,
    )  # fmt: skip


def block_of_channels() -> int:
    """How many channels oneDNN computes at a time on this processor."""
    return BLOCKS.get(torch.backends.cpu.get_cpu_capability(), 1)

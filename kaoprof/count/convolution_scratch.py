"""What a convolution on a CPU holds for itself while it runs: oneDNN's copies, or the columns of the native kernel.

oneDNN computes on channels in blocks of the vector width: it reorders input and weights, computes into an output of
its own, and copies that into the tensor that torch returns. Read off `ConvParams::use_mkldnn` and `slow_conv2d_forward`
of torch, and checked against the allocator by a test. Not modelled: transposed convolutions, half precision, and
channels-last tensors, which oneDNN takes as they are.
"""

import math
from typing import Any

import torch
from torch import Tensor

from kaoprof.dims import Size, ceil_div

NATIVE_ELEMENTS = 20480  # up to so many input elements of one sample torch prefers its native kernel
LARGE_KERNEL = 3  # a kernel larger than this on both axes goes to oneDNN in any case
MANY_SAMPLES = 16  # from so many samples on, 1 x 1 kernels go to oneDNN also on one thread
PLANAR = 4  # dimensions of `(b c h w)`: in three spatial axes a strided 1 x 1 kernel reads its input in place
BLOCKS = {"AVX512": 16, "AVX2": 8}  # channels in oneDNN's block, by torch's name for the processor


def convolution_scratch(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    *,
    threads: int,
    **_: Any,
) -> Size:
    """Bytes beyond the result `(b o *s')` of `(b c *s) , (o c/groups *k)`."""
    del bias, output_padding
    if transposed or not x.is_contiguous():
        return 0
    kernel = weight.shape[2:]
    places = math.prod(
        (size + 2 * pad - reach * (width - 1) - 1) // step + 1
        for size, width, step, pad, reach in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    )
    plain = all(size == 1 for size in (*kernel, *stride)) and not any(padding)
    changed = any(size != 1 for size in (*stride, *dilation))
    if _goes_to_onednn(x, weight, groups, changed=changed, threads=threads):
        strided_point = all(size == 1 for size in kernel) and any(size != 1 for size in stride)
        gathers = strided_point and groups == 1 and x.ndim <= PLANAR  # each thread collects what it will read
        gathered = threads * _blocked(x.shape[1], _block()) * places if gathers else 0
        return (_reordered(x, weight, groups, places) + gathered) * x.element_size()
    return 0 if plain else x.shape[0] * math.prod(weight.shape[1:]) * places * x.element_size()


def _goes_to_onednn(x: Tensor, weight: Tensor, groups: int, *, changed: bool, threads: int) -> bool:
    if x.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return False
    kernel = (1, *weight.shape[2:])[-2:]  # one axis is computed as an image of height 1
    samples, elements = x.shape[0], math.prod(x.shape[:4])
    if not (changed or samples >= MANY_SAMPLES or kernel != (1, 1) or threads > 1):
        return False
    return groups > 1 or min(kernel) > LARGE_KERNEL or samples > 1 or elements > NATIVE_ELEMENTS


def _reordered(x: Tensor, weight: Tensor, groups: int, places: Size) -> Size:
    """Elements at the larger moment: input, weights and result reordered, or the result reordered and returned."""
    samples, channels, n_out = x.shape[0], x.shape[1], weight.shape[0]
    block = _block()
    depthwise = groups == channels == n_out
    if groups > 1 and not depthwise and (weight.shape[1] % block or (n_out // groups) % block):
        block = 1  # channels of a group that fill no block stay as they are
    few_channels = groups == 1 and channels < block  # a first layer reads its input as it is
    source = 0 if few_channels else _blocked(channels, block) * (x.numel() // channels)
    result = samples * _blocked(n_out, block) * places
    inner = weight.shape[1] if few_channels or groups > 1 else _blocked(weight.shape[1], block)
    weights = _blocked(n_out, block) * inner * math.prod(weight.shape[2:])
    returned = samples * n_out * places
    return max(source + weights + result, result + returned) - returned


def _block() -> int:
    return BLOCKS.get(torch.backends.cpu.get_cpu_capability(), 1)


def _blocked(channels: Size, block: int) -> Size:
    return ceil_div(channels, block) * block

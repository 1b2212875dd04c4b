"""What oneDNN holds at most while it computes a convolution or one of its gradients on a CPU, the answer included.

Each reorders what it reads, computes into a tensor of its own, and copies that into the one that torch returns. Read
off `Conv.cpp` of torch's `mkldnn` and the kernels of oneDNN 3, and checked against the allocator by a test. Not
modelled: what is as large as the weights, or as a few rows of an image; what `convolution` names as gaps.
"""

import math

from kaoprof.dims import Size
from kaoprof.memory.kernels.convolution_geometry import PLANAR, Convolution, block_of_channels
from kaoprof.memory.kernels.onednn import BOUNDARY_BYTES, in_blocks_of

SMALL_BLOCK = 8  # channels in the block of oneDNN's older kernels
READ_AS_THEY_ARE = 3  # channels of a volume, at most, that are not reordered
LARGE_SLICE = 256  # places for each thread, from which on threads share samples instead of taking one each
PAGE_BYTES = 4096  # where threads wait for each other they take one, and the whole is moved to where a page begins


def output_bytes(conv: Convolution, threads: int) -> Size:
    """While `(samples out *places)` is computed."""
    result = conv.width * conv.result_elements
    held = _gathered_bytes(conv, threads) + conv.width * (conv.source_elements + conv.weight_elements) + result
    copies = 2 if conv.depthwise and len(conv.size) > PLANAR else 1  # channels come last, and are then put first
    return max(held, result + copies * conv.width * conv.outputs)


def _gathered_bytes(conv: Convolution, threads: int) -> Size:
    """What a strided kernel of single points gathers: of one sample, by each thread, channels in whole blocks."""
    if not (conv.pointwise and conv.strided):
        return 0
    channels = in_blocks_of(conv.channels, block_of_channels())
    return threads * channels * math.prod(conv.places) * conv.width + BOUNDARY_BYTES


def input_gradient_bytes(conv: Convolution, threads: int) -> Size:
    """While the gradient of the input is computed, `(samples channels *size)`."""
    answer = conv.width * conv.inputs
    if conv.strided and conv.groups == 1:  # channels come last
        block = block_of_channels()
        inner = in_blocks_of(conv.channels, 2 * block if conv.channels > block else block)
        weights = conv.out * inner * math.prod(conv.kernel)
        held = conv.width * (conv.outputs + weights) + answer + _padded_bytes(conv, threads)
        copies = 3 if conv.channels > 1 else 2  # as computed, as a tensor of torch, and with the channels put first
        return max(held, copies * answer)
    computed = conv.width * conv.input_elements
    return max(conv.width * (conv.result_elements + conv.blocked_weight_elements) + computed, computed + answer)


def _padded_bytes(conv: Convolution, threads: int) -> Size:
    """The output's gradient of one sample, for each thread, with the zeros around it that a strided kernel reads.

    Where the stride leaves a rest of a row, a row of the sums too.

    Source: `jit_brgemm_conv_bwd_utils.cpp` of oneDNN 3, `init_conf` and `init_scratchpad`.
    """
    padded = []
    for places, size, taps, step, pad in zip(
        conv.places, conv.size, conv.kernel, conv.stride, conv.padding, strict=True
    ):
        after = (places - 1) * step + taps - size - pad
        padded.append(places + max(0, taps - 1 - pad) // step + max(0, taps - 1 - after) // step)
    image = in_blocks_of(in_blocks_of(conv.out, block_of_channels()) * math.prod(padded), PAGE_BYTES)
    held = threads * (conv.width * image + 2 * PAGE_BYTES) + 3 * PAGE_BYTES
    if conv.size[-1] % conv.stride[-1]:
        held += threads * conv.width * in_blocks_of(conv.size[-1] * conv.channels, PAGE_BYTES) + PAGE_BYTES
    return held


def weight_gradient_bytes(conv: Convolution, threads: int) -> Size:
    """While the gradient of the weights is computed, `(out channels/groups *kernel)`."""
    if weights_by_products(conv):
        return conv.width * conv.weights + _product_bytes(conv, threads)
    if few_channels_of_a_volume(conv):
        channels, out = (in_blocks_of(number, SMALL_BLOCK) for number in (conv.channels, conv.out))
        computed = conv.width * out * channels * math.prod(conv.kernel)
        tensors = out * math.prod(conv.places) + channels * math.prod(conv.size)
        held = conv.width * conv.samples * tensors + computed
    else:
        computed = conv.width * conv.weight_elements
        held = conv.width * (conv.result_elements + conv.source_elements) + computed
    return max(held, computed + conv.width * conv.weights)


def few_channels_of_a_volume(conv: Convolution) -> bool:
    """Whether oneDNN takes its older kernel for the weights' gradient, which goes by smaller blocks."""
    volume = len(conv.size) > PLANAR and conv.groups == 1 and not conv.pointwise
    return volume and bool(READ_AS_THEY_ARE < conv.channels < block_of_channels() or block_of_channels() == SMALL_BLOCK)


def weights_by_products(conv: Convolution) -> bool:
    """Whether oneDNN has no kernel of its own for the weights' gradient of a volume, and multiplies matrices.

    Its newer kernel takes no volume that is hardly deeper than the zeros before it, its older one no zeros there.
    """
    if len(conv.size) <= PLANAR or conv.groups > 1 or not conv.padding[0]:
        return False
    return few_channels_of_a_volume(conv) or bool(conv.size[0] <= conv.kernel[0] - conv.padding[0])


def _product_bytes(conv: Convolution, threads: int) -> Size:
    """All that the kernel sees in one slice of places, and four times the weights; for each thread if slices are small.

    Source: `gemm_convolution_utils.cpp` of oneDNN 3, where bytes of the weights are booked as numbers.
    """
    slice_ = math.prod(conv.places[1:])
    each = conv.samples > 1 and slice_ // threads < LARGE_SLICE
    seen = conv.channels * math.prod(conv.kernel) * slice_
    booked = (threads if each else 1) * (seen + conv.width * conv.weights)
    return conv.width * booked + BOUNDARY_BYTES

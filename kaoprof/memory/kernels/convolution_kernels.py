"""What oneDNN holds at most while it computes a convolution or one of its gradients on a CPU, the answer included.

Each reorders what it reads, computes into a tensor of its own, and copies that into the one that torch returns. Read
off `Conv.cpp` of torch's `mkldnn` and the kernels of oneDNN 3, and checked against the allocator by a test. Not
modelled: what is as large as the weights, other than in bfloat16, or as a few rows of an image.
"""

import math

import torch

from kaoprof.dims import Size, ceil_div
from kaoprof.memory.kernels.convolution_geometry import PLANAR, Convolution, block_of_channels
from kaoprof.memory.kernels.onednn import BOUNDARY_BYTES, in_blocks_of, multiplies_in_blocks
from kaoprof.memory.kernels.pointwise_scratch import Points, gathered_bytes, shares_of, summed_bytes
from kaoprof.memory.kernels.weight_gradient_scratch import PAGE_BYTES, weight_scratch
from kaoprof.workload.tensor_bytes import SINGLE_BYTES

# The weights' gradient has a kernel of its own for as many taps of a depthwise kernel along each axis, and of others:
MOST_TAPS = 3
WIDEST, WIDEST_FIRST = 14, 24  # along a row; the second of a first layer in bfloat16
FEWEST_BLOCKED = 4  # channels that a transposed convolution answers with: fewer are read as they are
MOST_SUMMED_CHANNELS = 64  # at a time, by a strided kernel in bfloat16
FEW_PLACES = 256  # for each thread: below that threads take samples and groups, and not parts of one product


def output_bytes(one: Convolution, threads: int) -> Size:
    """While `(samples out *places)` is computed."""
    answer = one.width * one.outputs
    result = one.width * one.result_elements
    held = _point_bytes(one, threads) + one.width * (one.source_elements + one.weight_elements) + result
    copies = 2 if one.depthwise and len(one.size) > PLANAR else 1  # channels come last, and are then put first
    return max(held, result + copies * answer)


def _point_bytes(one: Convolution, threads: int) -> Size:
    """What a kernel of single points gathers, and in bfloat16 its sums."""
    if not one.pointwise:
        return 0
    summed = 0
    if multiplies_in_blocks(one.dtype):
        points = Points(one.samples, one.channels, one.out, one.places)
        summed, threads = summed_bytes(points, threads), shares_of(points, threads).threads
    if not one.strided:
        return summed
    channels = in_blocks_of(one.channels, block_of_channels())
    return summed + gathered_bytes(channels, math.prod(one.places), one.width, threads)


def input_gradient_bytes(one: Convolution, threads: int, *, biased: bool = False) -> Size:
    """While the gradient of the input is computed, `(samples channels *size)`.

    Where that is a transposed convolution with a bias, the bias is added to a result in single precision.
    """
    answer = one.width * one.inputs
    if one.strided and (one.groups == 1 or (one.depthwise and one.dtype == torch.bfloat16)):  # channels come last
        held = one.width * (one.outputs + one.blocked_weight_elements) + answer
        held += _padded_bytes(one, threads, SINGLE_BYTES if biased else one.width)
        held += SINGLE_BYTES * one.inputs if biased else 0
        copies = 3 if one.channels > 1 else 2  # as computed, as a tensor of torch, and with the channels put first
        return max(held, copies * answer)
    if one.depthwise and (one.dilated or len(one.size) > PLANAR):  # plane by plane a product, of what each tap has seen
        columns = SINGLE_BYTES * math.prod(one.kernel) * math.prod(one.places[-2:])
        return answer + max(threads * columns + BOUNDARY_BYTES, answer)
    computed = one.width * one.input_elements
    summed = 0
    if one.pointwise and multiplies_in_blocks(one.dtype):
        summed = summed_bytes(Points(one.samples, one.out, one.channels, one.size), threads)
    summed += SINGLE_BYTES * one.input_elements if biased else 0
    return max(one.width * (one.result_elements + one.blocked_weight_elements) + computed + summed, computed + answer)


def _padded_bytes(one: Convolution, threads: int, summed_width: int) -> Size:
    """The output's gradient of one sample, for each thread, with the zeros around it that a strided kernel reads.

    Where the stride leaves a rest of a row, a row of the sums too; and in bfloat16 those of a block.

    Source: `jit_brgemm_conv_bwd_utils.cpp` of oneDNN 3, `init_conf` and `init_scratchpad`.
    """
    padded = []
    for places, size, taps, step, pad in zip(one.places, one.size, one.kernel, one.stride, one.padding, strict=True):
        after = (places - 1) * step + taps - size - pad
        padded.append(places + max(0, taps - 1 - pad) // step + max(0, taps - 1 - after) // step)
    channels = one.out if one.depthwise else in_blocks_of(one.out, block_of_channels())
    image = in_blocks_of(channels * math.prod(padded), PAGE_BYTES)
    held = threads * (one.width * image + 2 * PAGE_BYTES) + 3 * PAGE_BYTES
    if one.depthwise:
        return held
    if one.size[-1] % one.stride[-1]:
        held += threads * summed_width * in_blocks_of(one.size[-1] * one.channels, PAGE_BYTES) + PAGE_BYTES
    if summed_width < SINGLE_BYTES:
        summed = min(in_blocks_of(one.channels, block_of_channels()), MOST_SUMMED_CHANNELS)
        held += threads * SINGLE_BYTES * summed * ceil_div(one.size[-1], one.stride[-1]) + PAGE_BYTES
    return held


def weight_gradient_bytes(one: Convolution, threads: int) -> Size:
    """While the gradient of the weights is computed, `(out channels/groups *kernel)`."""
    answer = one.width * one.weights
    if _by_products(one):
        return answer + columns_scratch(one, threads)
    if one.transposed and one.reads_in_place and one.channels >= FEWEST_BLOCKED and one.dtype == torch.float32:
        return _narrow_weight_gradient_bytes(one)
    computed = one.width * one.weight_elements
    held = one.width * (one.result_elements + one.source_elements) + computed
    if multiplies_in_blocks(one.dtype) and not one.depthwise:
        held += weight_scratch(one, threads)
    return max(held, computed + answer)


def _narrow_weight_gradient_bytes(one: Convolution) -> Size:
    """The same of a transposed convolution into few channels: those are filled up to half a block, or a whole one."""
    block = block_of_channels()
    filled = in_blocks_of(one.channels, block // 2)
    computed = one.width * in_blocks_of(one.out, block) * filled * math.prod(one.kernel)
    source = one.width * one.samples * filled * math.prod(one.size)
    return max(one.width * one.result_elements + source + computed, computed + one.width * one.weights)


def _by_products(one: Convolution) -> bool:
    """Whether oneDNN has no kernel for the weights' gradient, and lays out in columns what each weight has seen."""
    reduced = one.dtype == torch.bfloat16
    block = block_of_channels()
    if one.depthwise:
        few_taps = all(step <= taps <= MOST_TAPS for taps, step in zip(one.kernel, one.stride, strict=True))
        return one.dilated or len(one.size) > PLANAR or not few_taps
    if one.groups > 1:
        unit = block if reduced or len(one.size) > PLANAR else max(1, block // 2)
        return any(channels // one.groups % unit for channels in (one.channels, one.out))
    if not one.reads_in_place:
        return bool(one.kernel[-1] > WIDEST)
    return bool(one.dilated or one.kernel[-1] > (WIDEST_FIRST if reduced else WIDEST) or (reduced and one.out % block))


def columns_scratch(one: Convolution, threads: int) -> Size:
    """The columns and sums of the weights, for each thread where the work is shared out by samples and groups."""
    places = math.prod(one.places[-2:])  # of a plane
    columns = places * one.channels // one.groups * math.prod(one.kernel)
    apart = places // threads < FEW_PLACES and (one.samples > 1 or one.groups > 2)  # noqa: PLR2004 - oneDNN's own bound
    copies = threads if apart else 1
    if one.dtype == torch.bfloat16:
        sums = SINGLE_BYTES * one.weights
        return copies * (one.width * columns + 2 * sums) + 2 * sums + 3 * BOUNDARY_BYTES
    return copies * one.width * (columns + SINGLE_BYTES * one.weights) + 2 * BOUNDARY_BYTES

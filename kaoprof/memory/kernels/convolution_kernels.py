"""What oneDNN holds at most while it computes a convolution or one of its gradients on a CPU, the answer included.

Each reorders what it reads, computes into a tensor of its own, and copies that into the one that torch returns. Read
off `Conv.cpp` of torch's `mkldnn` and the kernels of oneDNN 3, and checked against the allocator by a test. Not
modelled: what is as large as the weights, or as a few rows of an image; what `convolution` names as gaps.
"""

import math

from kaoprof.dims import Size
from kaoprof.memory.kernels.convolution_geometry import PLANAR, Convolution, block_of_channels
from kaoprof.memory.kernels.onednn import BOUNDARY_BYTES, in_blocks_of

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
        held = conv.width * (conv.outputs + conv.blocked_weight_elements) + answer + _padded_bytes(conv, threads)
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


def weight_gradient_bytes(conv: Convolution) -> Size:
    """While the gradient of the weights is computed, `(out channels/groups *kernel)`."""
    computed = conv.width * conv.weight_elements
    held = conv.width * (conv.result_elements + conv.source_elements) + computed
    return max(held, computed + conv.width * conv.weights)

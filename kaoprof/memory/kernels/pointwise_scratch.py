"""What a convolution of single points holds for itself on a CPU, in oneDNN's kernel for them: gathered input, and sums.

Strides are taken by gathering what will be read; with bfloat16 every thread sums up in single precision. Read off
`rtus_prepare_space_info` and `jit_avx512_core_bf16_1x1_conv_kernel.cpp` of oneDNN 3, and checked against the allocator
by a test. Not modelled: channels-last tensors.
"""

import math
from typing import NamedTuple

import torch

from kaoprof.dims import Size, ceil_div
from kaoprof.memory.kernels.onednn import BOUNDARY_BYTES, in_blocks_of, single
from kaoprof.workload.tensor_bytes import HALF_BYTES, SINGLE_BYTES

BLOCK = 16  # channels
HALVED_INPUT = 64  # places of an image up to which large weights are shared out among more threads
SMALL_IMAGE = 49  # likewise where there are far more channels after than before
MANY_CHANNELS = 512
WIDENING = 4
TINY_INPUT_BYTES = 8192  # below that no more threads are used than there are blocks
MOST_THREADS_JUDGED = 28  # up to so many threads oneDNN weighs how to share out, beyond it does not
ARITHMETIC_COST, SHARED_COST = 0.01, 1.3


class Points(NamedTuple):
    """`(samples source *s) -> (samples target *s)`, each place by itself; backwards, source is what is given there."""

    samples: int
    source: int
    target: int
    size: tuple[int, ...]


class Shares(NamedTuple):
    """How the work is shared out: threads, groups of them that divide the target channels, places of a block."""

    threads: int
    groups: int
    places: int


def gathered_bytes(channels: Size, places: Size, width: int, threads: int) -> Size:
    """What strided points are gathered in: of one sample, by each thread, channels in whole blocks."""
    return threads * channels * places * width + BOUNDARY_BYTES


def summed_bytes(points: Points, threads: int) -> int:
    """What bfloat16 sums are kept in: by each thread, of one sample, of those target channels that it computes."""
    shares = shares_of(points, threads)
    places: int = in_blocks_of(math.prod(points.size), shares.places)
    channels: int = in_blocks_of(ceil_div(in_blocks_of(points.target, BLOCK), shares.groups), BLOCK)
    return SINGLE_BYTES * shares.threads * places * channels + BOUNDARY_BYTES


def shares_of(points: Points, threads: int) -> Shares:
    """As oneDNN decides."""
    samples, source, target = points.samples, in_blocks_of(points.source, BLOCK), in_blocks_of(points.target, BLOCK)
    places = math.prod(points.size)
    many = 8 * samples >= threads  # several samples for each thread: then weights stay in registers
    block = _places_of_block(points.size, target, many=many)
    in_blocks = Points(samples, source, target // BLOCK, (ceil_div(places, block),))
    groups = _groups(in_blocks, block, places, threads)
    if many and places <= HALVED_INPUT and target * source >= second_cache_bytes() // HALF_BYTES:
        groups = max(groups, 4)
    elif places <= SMALL_IMAGE and samples <= threads and target > MANY_CHANNELS and target // source >= WIDENING:
        groups = max(groups, 2)
    blocks = in_blocks.size[0]
    tiny = HALF_BYTES * samples * places * source < TINY_INPUT_BYTES
    if tiny and blocks * in_blocks.target < threads:
        threads = max(blocks, in_blocks.target)
    return Shares(threads, ceil_div(threads, ceil_div(threads, groups)), block)


def _places_of_block(size: tuple[int, ...], target: int, *, many: bool) -> int:
    """Places that are computed together: a divisor of the rows if there is one, else what leaves the fullest rest."""
    places, rows = math.prod(size), math.prod(size[:-1])
    most, least = (9, 6) if many else (30, 9)
    if many and 128 < target < 256 and 10 < rows < 28:  # noqa: PLR2004 - oneDNN's own bounds
        most, least = 6, 5
    divided = rows if rows >= 14 else places  # noqa: PLR2004 - likewise
    for block in range(most, least - 1, -1):
        if divided % block == 0:
            return block
    best, rest = min(most, places), places % most
    for block in range(most, least - 1, -1):
        if places % block == 0:
            return block
        if places % block > rest:
            best, rest = block, places % block
    return best


def _groups(blocks: Points, block: int, places: int, threads: int) -> int:
    """Into how many groups of threads the target channels are divided; `blocks` has targets and places in blocks."""
    samples, source, targets, (n_blocks,) = blocks
    if threads <= MOST_THREADS_JUDGED and samples < threads and targets * n_blocks > threads:
        heavy = single(single(targets * BLOCK * source) / single(samples * places * source)) > 1
        order = range(threads, 0, -1) if heavy else range(1, threads + 1)
        return min(order, key=lambda groups: _cost(blocks, block, threads, groups))
    fewest = ceil_div(threads, samples * n_blocks)
    return divider(threads, fewest, 2 * fewest)


def _cost(blocks: Points, block: int, threads: int, groups: int) -> float:
    """oneDNN's guess, in the single precision in which it compares."""
    samples, source, targets, (n_blocks,) = blocks
    factor = 1.0 if ceil_div(threads, groups) == 1 else SHARED_COST

    def job(channels: int, shared_by: int) -> float:
        at_once = samples * ceil_div(n_blocks, shared_by) * block
        arithmetic = single(single(single(at_once) * channels * BLOCK) * source)
        moved = single(single(at_once + channels * BLOCK) * source)
        return single(single(single(ARITHMETIC_COST) * arithmetic) + single(single(factor) * moved))

    if threads % groups < targets % groups:
        return job(ceil_div(targets, groups), threads // groups)
    return max(job(ceil_div(targets, groups), ceil_div(threads, groups)), job(targets // groups, threads // groups))


def divider(whole: int, least: int, most: int, *, step: int = 1) -> int:
    """The smallest of the divisors in sight, from the most downwards, that leave the least over."""
    return min(reversed(_in_sight(whole, least, most, step)), key=lambda part: _left_over(whole, part))


def largest_divider(whole: int, least: int, most: int) -> int:
    """The largest of every second divisor, from the most downwards, that leave the least over."""
    return min(_in_sight(whole, least, most, 2), key=lambda part: _left_over(whole, part))


def _in_sight(whole: int, least: int, most: int, step: int) -> range:
    most = min(most, whole)
    return range(most, min(least, most) - 1, -step)


def _left_over(whole: int, part: int) -> float:
    return single((in_blocks_of(whole, part) - whole) / in_blocks_of(whole, part))


def second_cache_bytes() -> int:
    """Of the second level, of one core."""
    return int(torch.cpu.get_capabilities()["l2_cache_size"])

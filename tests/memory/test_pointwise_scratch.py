"""Buffers of oneDNN's kernels for single points, and of weight gradients in bfloat16: to the byte, as allocated."""

import math

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from kaoprof.bench.meters import MEMORY_EVENT
from kaoprof.memory.kernels.convolution_geometry import convolution_of
from kaoprof.memory.kernels.onednn import in_blocks_of, multiplies_in_blocks
from kaoprof.memory.kernels.pointwise_scratch import BLOCK, Points, gathered_bytes, shares_of, summed_bytes
from kaoprof.memory.kernels.weight_gradient_scratch import weight_scratch

aten = torch.ops.aten
pytestmark = pytest.mark.skipif(
    not multiplies_in_blocks(torch.bfloat16), reason="bfloat16 goes another way on this processor"
)
POINTS = [  # batch, channels in, out, size; each is taken for a decision that no other one shows
    (1, 24, 120, (56, 56)),
    (3, 640, 136, (20,)),  # one axis
    (1, 33, 8, (20, 3)),  # fewer rows than are worth dividing
    (3, 200, 1280, (14, 4)),  # far more channels after than before
    (5, 33, 120, (3,)),  # a tiny input
    (2, 24, 8, (10, 4)),
    (5, 640, 1280, (4,)),  # weights larger than a cache
    (3, 64, 8, (5, 3)),  # places beyond whole blocks
    (1, 8, 64, (4, 4, 4)),  # few channels, a volume
    (1, 8, 120, (4, 6, 6)),
    (5, 33, 640, (3,)),
    (1, 96, 64, (10, 3, 3)),
    (3, 640, 640, (5,)),
    (3, 640, 1280, (5, 14)),
]
KERNELS = [  # batch, channels in, out, size, kernel, stride, padding, groups; chosen likewise
    (2, 32, 48, (28, 28), 3, 1, 1, 1),
    (1, 32, 64, (3, 56), 3, 1, 1, 2),
    (1, 2, 64, (5, 9), 7, 3, 3, 1),  # a first layer
    (4, 8, 16, (60, 130), 7, 1, 0, 1),
    (3, 8, 32, (60, 126), 1, 2, 0, 1),
    (1, 1, 96, (14, 20), 1, 1, 0, 1),
    (1, 2, 16, (3, 15), 1, 1, 0, 1),
    (3, 5, 32, (14, 5, 9), 1, 3, 0, 1),
    (1, 8, 96, (18, 9, 18), 5, 1, 2, 1),
    (1, 1, 96, (130, 250), 3, 1, 1, 1),  # a first layer with wide rows, of more than a cache
    (1, 1, 96, (250, 100), 3, 1, 1, 1),  # its rows are not wide
    (1, 1, 64, (20000,), 3, 1, 1, 1),  # it has but one row
    (1, 1, 96, (2, 64, 128), 3, 1, 1, 1),  # wide planes
    (1, 160, 72, (5, 9), 2, 1, 1, 1),
    (1, 160, 32, (14, 56), 3, 1, 1, 1),  # images that are taken whole
    (1, 128, 32, (8, 300), 7, 1, 3, 1),  # a few of its rows are too much for that
    (2, 64, 1280, (2, 125), 2, 1, 1, 1),
    (3, 33, 64, (56, 7), 1, 3, 0, 1),
    (1, 24, 64, (20,), 1, 1, 0, 1),  # single points: small images are transposed
    (1, 96, 72, (9,), 1, 3, 0, 1),
    (2, 33, 72, (15, 56), 1, 1, 0, 1),
    (1, 32, 32, (15, 301), 1, 1, 0, 1),  # long rows that nothing divides
    (1, 24, 32, (9, 15, 18), 1, 1, 0, 1),
    (2, 16, 130, (14, 15, 18), 1, 1, 0, 1),
]


MANY_THREADS = pytest.mark.parametrize("threads", [1, 3, 8, 32], indirect=True)


def allocations(step):
    """The bytes of every allocation."""
    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        answer = step()
    del answer
    return [event.nbytes() for event in profiler.profiler.kineto_results.events() if event.name() == MEMORY_EVENT]


def bfloat16s(*shape):
    return torch.randn(shape).bfloat16()


@pytest.mark.parametrize(("batch", "channels", "out", "size"), POINTS)
@MANY_THREADS
def test_sums_of_single_points_and_of_their_inputs_gradient(batch, channels, out, size, threads):
    x, weight = bfloat16s(batch, channels, *size), bfloat16s(out, channels, *[1] * len(size))
    rest = [1] * len(size), [0] * len(size), [1] * len(size), False, [0] * len(size), 1
    found = allocations(lambda: aten.convolution(x, weight, None, *rest))
    assert summed_bytes(Points(batch, channels, out, size), threads) in found
    grad_out = bfloat16s(batch, out, *size)
    wanted = [True, False, False]
    found = allocations(lambda: aten.convolution_backward(grad_out, x, weight, None, *rest, wanted)[0])
    assert summed_bytes(Points(batch, out, channels, size), threads) in found


@pytest.mark.parametrize(("batch", "channels", "out", "size"), [(3, 64, 128, (28, 28)), (1, 3, 40, (20, 8))])
@MANY_THREADS
def test_strided_points_are_gathered(batch, channels, out, size, threads):
    x, weight = bfloat16s(batch, channels, *size), bfloat16s(out, channels, 1, 1)
    found = allocations(lambda: torch.conv2d(x, weight, stride=2))
    points = Points(batch, channels, out, tuple(axis // 2 for axis in size))
    used = shares_of(points, threads).threads
    gathered = gathered_bytes(in_blocks_of(channels, BLOCK), math.prod(points.size), 2, used)
    assert summed_bytes(points, threads) + gathered in found


@pytest.mark.parametrize(("batch", "channels", "out", "size", "kernel", "stride", "padding", "groups"), KERNELS)
@MANY_THREADS
def test_weight_gradients(batch, channels, out, size, kernel, stride, padding, groups, threads):
    axes = len(size)
    x, weight = bfloat16s(batch, channels, *size), bfloat16s(out, channels // groups, *[kernel] * axes)
    rest = [stride] * axes, [padding] * axes, [1] * axes, False, [0] * axes, groups
    grad_out = torch.randn_like(aten.convolution(x, weight, None, *rest))
    wanted = [False, True, False]
    found = allocations(lambda: aten.convolution_backward(grad_out, x, weight, None, *rest, wanted)[1])
    assert weight_scratch(convolution_of(x, weight, *rest), threads) in found

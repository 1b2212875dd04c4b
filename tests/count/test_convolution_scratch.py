"""What oneDNN and the native kernel hold for themselves, against the allocator's events."""

import pytest
import torch
from torch.nn import functional as F

from kaoprof.count.convolution_scratch import BLOCKS, convolution_scratch
from kaoprof.measure.meters import CpuMeters

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
SHAPES = [  # axes, batch, channels in, out, size, kernel, stride, groups
    (2, 1, 3, 32, 224, 3, 2, 1),  # a first layer: its input is read as it is
    (2, 1, 24, 120, 56, 1, 1, 1),  # channels padded to whole blocks
    (2, 1, 144, 144, 56, 3, 2, 144),  # depthwise
    (2, 1, 160, 320, 7, 1, 1, 1),  # so small that the native kernel takes it; 1 x 1 needs no columns
    (2, 1, 32, 32, 10, 3, 1, 1),  # native, with columns
    (2, 2, 160, 320, 7, 1, 1, 1),  # a batch goes to oneDNN
    (2, 3, 64, 128, 28, 1, 2, 1),  # a strided 1 x 1 gathers what it reads
    (2, 1, 64, 64, 28, 3, 1, 4),  # groups of whole blocks
    (2, 2, 20, 64, 28, 5, 2, 1),
    (1, 2, 32, 48, 300, 5, 1, 1),
    (3, 1, 16, 32, 14, 3, 1, 1),
]


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() not in BLOCKS, reason="unknown vector width")
@pytest.mark.parametrize(("axes", "batch", "channels", "out", "size", "kernel", "stride", "groups"), SHAPES)
def test_the_prediction_is_within_two_percent_of_the_allocator(
    axes, batch, channels, out, size, kernel, stride, groups
):
    x = torch.randn(batch, channels, *[size] * axes)
    weight = torch.randn(out, channels // groups, *[kernel] * axes)
    padding = kernel // 2

    def step():
        with torch.no_grad():
            return CONVOLUTIONS[axes](x, weight, stride=stride, padding=padding, groups=groups)

    result = step()
    measured = CpuMeters().peak(step)["allocated"]
    hidden = convolution_scratch(
        x, weight, None, [stride] * axes, [padding] * axes, [1] * axes, False, [0] * axes, groups,
        threads=torch.get_num_threads(),
    )  # fmt: skip
    assert result.nbytes + hidden == pytest.approx(measured, rel=0.02)


def test_what_is_not_modelled_claims_nothing():
    x, weight = torch.randn(1, 8, 9, 9), torch.randn(8, 4, 3, 3)
    assert convolution_scratch(x, weight, None, [2, 2], [0, 0], [1, 1], True, [0, 0], 1, threads=2) == 0

"""The rules for what torch counts wrongly or not at all."""

import pytest
import torch
from torch import nn

from kaoprof.counting.dispatcher import CountingMode


def counted(module, x, *, backward=False):
    module = module.to("meta")
    x = x.to("meta").requires_grad_(backward)
    with torch.inference_mode(not backward), CountingMode() as counting:
        output = module(x)
        if backward:
            output.backward(torch.ones_like(output))
    return counting


@pytest.mark.parametrize("groups", [1, 8, 64])
def test_the_backward_of_a_grouped_convolution_is_twice_its_forward(groups):
    forward = 2 * 10 * 10 * 64 * (64 // groups) * 9  # b=2, 10 x 10 outputs of 64 channels, 3 x 3 kernels
    convolution = nn.Conv2d(64, 64, 3, padding=1, groups=groups, bias=False)
    assert counted(convolution, torch.empty(2, 64, 10, 10)).macs == forward
    assert counted(convolution, torch.empty(2, 64, 10, 10), backward=True).macs == 3 * forward


def test_a_transposed_convolution_costs_by_its_input():
    # 2 x 3 inputs of 5 channels, each scattered to 7 channels by a 4 x 4 kernel
    assert counted(nn.ConvTranspose2d(5, 7, 4, bias=False), torch.empty(1, 5, 2, 3)).macs == 2 * 3 * 5 * 7 * 16


@pytest.mark.parametrize("fused", [False, True])
def test_multi_head_attention_is_counted_whole(fused):
    attention = nn.MultiheadAttention(8, 2, batch_first=True, bias=False).eval().to("meta")
    x = torch.empty(3, 5, 8, device="meta")
    with torch.inference_mode(), CountingMode() as counting:
        attention(x, x, x, need_weights=not fused)
    projections = 4 * 3 * 5 * 8 * 8
    contractions = 2 * 3 * 5 * 5 * 8
    assert counting.macs == projections + contractions


def test_elementwise_reduction_and_copy_have_their_rules():
    x = torch.empty(2, 3, 5, device="meta")
    with torch.inference_mode(), CountingMode() as counting:
        (x * 2).exp()  # 30 + 30
        x.mean(dim=2)  # 30 elements read
        torch.cat([x, x]).clone()  # moved, not computed
        x.softmax(-1)  # 5 x 30
    assert counting.macs == 0
    assert counting.flops_all == 30 + 30 + 30 + 5 * 30
    assert not counting.uncounted


def test_a_pooling_window_counts_all_that_it_covers():
    # ceil mode: 3 x 5 -> 2 x 3 windows of 4
    assert counted(nn.MaxPool2d(2, ceil_mode=True), torch.empty(1, 7, 3, 5)).flops_all == 7 * 2 * 3 * 4


def test_adding_a_mask_costs_one_flop_for_each_coefficient_in_either_spelling():
    q, k, v = (torch.empty(2, 3, length, 7, device="meta") for length in (5, 11, 11))
    mask = torch.empty(5, 11, device="meta")
    coefficients = 2 * 3 * 5 * 11
    counts = {}
    for name, masks in {"plain": {}, "masked": {"attn_mask": mask}}.items():
        with torch.inference_mode(), CountingMode() as counting:
            nn.functional.scaled_dot_product_attention(q, k, v, **masks)
        counts[name] = counting.elementwise
        assert counting.macs == coefficients * (7 + 7)
    with torch.inference_mode(), CountingMode() as explicit:
        ((q @ k.mT) * 7**-0.5 + mask).softmax(-1) @ v
    assert counts == {"plain": coefficients * 6, "masked": coefficients * 7}
    assert explicit.elementwise == counts["masked"]


def test_what_is_drawn_added_gated_or_only_moved_has_its_rule():
    x, index = torch.empty(2, 4, 6, 10, device="meta"), torch.empty(3, dtype=torch.int64, device="meta")
    with torch.inference_mode(), CountingMode() as counting:
        nn.functional.glu(x, dim=1)  # half the channels: sigmoid and product
        x.index_add(0, index, torch.empty(3, 4, 6, 10, device="meta"))  # 3 x 240 additions
        torch.rand(13, device="meta")  # drawn
        x.clone().masked_fill_(x > 0, 1.0)  # 480 comparisons, 480 choices
        nn.functional.pixel_shuffle(x, 2)  # moved, as all that follows
        nn.functional.pad(x, (1, 1, 1, 1), mode="reflect").tril()
        x.clone().unsqueeze_(0)
    assert counting.flops_all == 2 * 240 + 3 * 240 + 13 + 480 + 480
    assert not counting.uncounted


def test_a_complex_product_is_four_real_ones():
    x = torch.empty(3, 5, dtype=torch.complex64, device="meta")
    with torch.inference_mode(), CountingMode() as counting:
        x @ x.mT
    assert counting.macs == 4 * 3 * 5 * 3


def test_a_bilinear_layer_is_a_contraction_of_three():
    n, i, j, o = 5, 3, 7, 2
    layer = nn.Bilinear(i, j, o, bias=False).to("meta")
    with torch.inference_mode(), CountingMode() as counting:
        layer(torch.empty(n, i, device="meta"), torch.empty(n, j, device="meta"))
    assert counting.macs == n * o * i * j
    assert counting.elementwise == 2 * n * o * j  # the products with the second input, and their sums
    x, y = torch.empty(n, i, device="meta", requires_grad=True), torch.empty(n, j, device="meta", requires_grad=True)
    with CountingMode() as counting:
        layer(x, y).sum().backward()
    assert counting.macs == 4 * n * o * i * j  # forward, and the gradients of both inputs and of the weights
    assert not counting.uncounted


def test_complex_numbers_cost_what_their_parts_do():
    x = torch.empty(3, 5, dtype=torch.complex64, device="meta")
    with torch.inference_mode(), CountingMode() as counting:
        x * x  # four products and two sums for each of 15
        x * 2.0  # two products
        x + x  # two sums
        torch.complex(x.real, x.imag)  # moved
    assert counting.flops_all == 15 * (6 + 2 + 2)
    assert not counting.uncounted


def test_cubic_interpolation_weighs_sixteen_neighbours_in_either_direction():
    x = torch.empty(1, 2, 3, 5, device="meta", requires_grad=True)
    with CountingMode() as counting:
        larger = nn.functional.interpolate(x, scale_factor=2, mode="bicubic")
        forward = counting.elementwise
        larger.backward(torch.empty_like(larger))
    outputs = 2 * 6 * 10
    assert forward == outputs * (16 + 15)
    assert counting.elementwise - forward == outputs * 2 * 16
    assert not counting.uncounted

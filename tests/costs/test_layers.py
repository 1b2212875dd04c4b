"""Closed forms of layers against what torch does on meta: shapes, MACs, FLOPs; and generic over symbols."""

import pytest
import sympy
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from kaoprof.costs import layers as forms
from kaoprof.costs.layer_tree import chain, group
from kaoprof.costs.modules import attn_module, base_module, conv_norm
from kaoprof.counting.dispatcher import CountingMode
from kaoprof.errors import UsageError

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLS = {
    "max_pool": {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d},
    "avg_pool": {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d},
}


def counted(module, shape):
    """(output shape, MACs, elementwise FLOPs, parameters) of one sample, run on meta; None if torch refuses."""
    module = module.eval().to("meta")
    counting = CountingMode()
    try:
        with torch.inference_mode(), counting:
            out = module(torch.empty(1, *shape, device="meta"))
    except RuntimeError:
        return None
    assert not counting.uncounted
    return tuple(out.shape[1:]), counting.macs, counting.elementwise, sum(p.numel() for p in module.parameters())


def stated(cost):
    return cost.output_shape, cost.macs, cost.elementwise, cost.params + cost.params_norm


sizes = st.lists(st.integers(1, 9), min_size=1, max_size=3)


@given(
    spatial=sizes,
    channels=st.integers(1, 3),
    out=st.integers(1, 3),
    groups=st.integers(1, 3),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.none() | st.integers(0, 2),
    bias=st.booleans(),
)
def test_a_convolution_is_what_torch_counts(spatial, channels, out, groups, kernel, stride, dilation, padding, bias):
    shape, axes = (channels * groups, *spatial), len(spatial)
    pads = dilation * (kernel - 1) // 2 if padding is None else padding
    module = CONVOLUTIONS[axes](shape[0], out * groups, kernel, stride, pads, dilation, groups, bias)
    found = counted(module, shape)
    settings = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if any(size + 2 * pads < dilation * (kernel - 1) + 1 for size in spatial):
        with pytest.raises(UsageError, match="nothing is left"):
            forms.convolution("conv", shape, out=out * groups, bias=bias, **settings)
        return
    assert stated(forms.convolution("conv", shape, out=out * groups, bias=bias, **settings)) == found


@given(
    kind=st.sampled_from(sorted(POOLS)),
    spatial=sizes,
    kernel=st.integers(1, 4),
    stride=st.none() | st.integers(1, 4),
    padding=st.integers(0, 2),
    ceil=st.booleans(),
)
def test_a_pool_is_what_torch_counts(kind, spatial, kernel, stride, padding, ceil):
    assume(2 * padding <= kernel)
    found = counted(POOLS[kind][len(spatial)](kernel, stride, padding, ceil_mode=ceil), (5, *spatial))
    settings = {"kind": kind, "kernel": kernel, "stride": stride, "padding": padding, "ceil": ceil}
    if found is None:
        with pytest.raises(UsageError, match="nothing is left"):
            forms.pool("pool", (5, *spatial), **settings)
        return
    assert stated(forms.pool("pool", (5, *spatial), **settings)) == found


def test_linear_batch_norm_and_activation_by_hand():
    # linear: 6 x 4 MACs, 4 additions of the bias, 6 x 4 + 4 weights
    assert stated(forms.linear("l", (6,), out=4)) == ((4,), 24, 4, 28)
    assert stated(forms.linear("l", (6,), out=4, bias=False)) == ((4,), 24, 0, 24)
    # batch norm: 4 FLOPs for each of 6 x 5 x 7 elements, 2 weights for each of 6 channels
    norm = forms.batch_norm("n", (6, 5, 7))
    assert (norm.elementwise, norm.params, norm.params_norm) == (840, 0, 12)
    assert forms.activation("a", (6, 5, 7), function="gelu").elementwise == 210


def test_moving_and_averaging_by_hand():
    assert stated(forms.global_avg_pool("g", (6, 5, 7))) == ((6,), 0, 210, 0)
    assert stated(forms.global_avg_pool("g", (6, 5, 7), keep=True)) == ((6, 1, 1), 0, 210, 0)
    assert stated(forms.flatten("f", (6, 5, 7))) == ((210,), 0, 0, 0)
    assert stated(forms.dropout("d", (6, 5, 7))) == ((6, 5, 7), 0, 0, 0)
    # bilinear: 4 neighbours, 4 products and 3 additions for each of 6 x 10 x 14 outputs
    assert stated(forms.upsample("u", (6, 5, 7), size=(10, 14), mode="linear")) == ((6, 10, 14), 0, 5880, 0)
    assert stated(forms.upsample("u", (6, 5, 7), size=(10, 14), mode="nearest")) == ((6, 10, 14), 0, 0, 0)
    # three branches: two additions for each element
    assert stated(forms.summed("s", (6, 5, 7), terms=3)) == ((6, 5, 7), 0, 420, 0)


def test_a_group_is_the_sum_of_its_leaves_and_paths_are_dotted():
    layer = chain("outer", "block", (3, 8, 8), (
        lambda shape: conv_norm("first", shape, out=4, kernel=3),
        lambda shape: conv_norm("second", shape, out=5, kernel=1, norm="none", activation="none"),
    ))  # fmt: skip
    root = group("", "model", (layer,), layer.output_shape)
    leaves = dict(root.leaves())
    assert list(leaves) == ["outer.first.conv", "outer.first.norm", "outer.first.activation", "outer.second.conv"]
    for quantity in ("macs", "elementwise", "params", "params_norm", "map_entries", "flops_all"):
        assert getattr(root, quantity) == sum(getattr(leaf, quantity) for leaf in leaves.values())
    assert [(path, depth) for path, depth, _ in root.walk()][:3] == [("", 0), ("outer", 1), ("outer.first", 2)]


def test_the_modules_by_the_papers_formulas_with_symbols():
    h, w, c, d = sympy.symbols("h w c d", positive=True, integer=True)
    r = 6

    def nothing(name, shape):
        return forms.dropout(name, shape)

    base = base_module("m", (c, h, w), out=d, expand=r, stride=1)
    # 1x1: c r c, depthwise: 9 r c, 1x1: r c d, at every position
    assert sympy.expand(base.macs - h * w * (r * c**2 + 9 * r * c + r * c * d)) == 0
    skip = base_module("m", (c, h, w), out=d, expand=r, stride=1, skip=True)
    # the first 1x1 makes only (r - 1) c channels; the input is the rest
    assert sympy.expand(skip.macs - h * w * ((r - 1) * c**2 + 9 * r * c + r * c * d)) == 0
    assert sympy.expand(base.macs - skip.macs - h * w * c**2) == 0
    attn = attn_module("m", (c, h, w), out=d, expand=r, stride=1, attention=nothing, skip=False)
    # depthwise only on (r - 1) c channels
    assert sympy.expand(attn.macs - h * w * ((r - 1) * c**2 + 9 * (r - 1) * c + r * c * d)) == 0
    assert sympy.expand(attn.params - ((r - 1) * c**2 + 9 * (r - 1) * c + r * c * d)) == 0


@pytest.mark.parametrize(("out", "stride", "has_residual"), [(8, 1, True), (12, 1, False), (8, 2, False)])
def test_the_residual_is_there_when_the_shape_stays(out, stride, has_residual):
    for skip in (False, True):
        base = base_module("m", (8, 6, 6), out=out, expand=6, stride=stride, skip=skip)
        names = [child.name for child in base.children]
        assert ("residual" in names) == has_residual


def test_without_expansion_there_is_no_first_convolution():
    for skip in (False, True):
        cost = base_module("m", (8, 6, 6), out=4, expand=1, stride=1, skip=skip)
        assert [child.name for child in cost.children] == ["depthwise", "project"]
        assert cost.macs == 36 * (9 * 8 + 8 * 4)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="groups do not divide"):
        forms.convolution("c", (6, 8, 8), out=4, kernel=3, groups=4)
    with pytest.raises(UsageError, match="needs flat channels"):
        forms.linear("l", (6, 8, 8), out=4)
    with pytest.raises(UsageError, match="no spatial axes any more"):
        forms.pool("p", (6,), kind="max_pool", kernel=2)
    with pytest.raises(UsageError, match="more padding than half"):
        forms.pool("p", (6, 8, 8), kind="max_pool", kernel=3, padding=2)
    with pytest.raises(UsageError, match="3 numbers for 2 spatial axes"):
        forms.convolution("c", (6, 8, 8), out=4, kernel=(3, 3, 3))
    with pytest.raises(UsageError, match="no channels"):
        attn_module("a", (6, 8, 8), out=6, expand=1, stride=1, attention=forms.dropout, skip=True)

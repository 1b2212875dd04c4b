"""The global context block: against loops, and against the public module's count."""

import pytest
from rivals import assert_as_in_loops, assert_gradients, by_place, layer_normed, linear, shares

from kaoprof.catalog import OPERATORS
from kaoprof.dims import AttentionOptions, Dims

SIZES = [(7,), (3, 4), (2, 3, 4)]
TOLD = "gc(ratio=2)"


def in_loops(x, weights, options):
    del options
    vectors = list(x.flatten(1).T)
    weighting = shares([float(linear(weights, "weight", vector)) for vector in vectors])
    context = sum(share * vector for share, vector in zip(weighting, vectors, strict=True))
    narrow = layer_normed(weights, "norm", linear(weights, "narrow", context)).clamp(min=0)
    return by_place([vector + linear(weights, "widen", narrow) for vector in vectors], x.shape[1:])


@pytest.mark.parametrize("spatial", SIZES)
def test_it_is_what_loops_compute(spatial):
    assert_as_in_loops(in_loops, TOLD, spatial)


def test_its_gradients_are_right():
    assert_gradients(TOLD, (3, 4))


@pytest.mark.parametrize(("ratio", "macs", "params"), [(16, 28_160, 653), (4, 29_696, 2_225)])
def test_it_costs_what_the_public_module_does(ratio, macs, params):
    """Counted on mmcv's context block: 2 N c + 2 c p, with p = c / ratio."""
    told = OPERATORS["gc"].telling({"ratio": ratio})
    for projection in ("none", "value", "published"):  # it has nothing that could be projected
        cost = told.cost(Dims(b=1, c=64, spatial=(12, 18)), AttentionOptions(heads=8, projection=projection))
        assert (cost.macs, cost.params, cost.map_entries) == (macs, params, 12 * 18)


def test_few_channels_go_through_one():
    cost = OPERATORS["gc"].cost(Dims(b=1, c=8, spatial=(3, 5)), AttentionOptions())
    assert cost.macs == 2 * 15 * 8 + 2 * 8 * 1

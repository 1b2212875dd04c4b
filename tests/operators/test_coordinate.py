"""Coordinate attention: against loops, and against the public module's count."""

import math

import pytest
import torch
from rivals import assert_as_in_loops, assert_gradients, batch_normed, by_place, linear, places_of

from kaoprof.catalog import OPERATORS
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.errors import UndefinedError

SIZES = [(3, 4), (2, 3, 4)]


def in_loops(x, weights, options):
    del options
    spatial = x.shape[1:]
    gates = []
    for axis, size in enumerate(spatial):
        means = [x.select(axis + 1, i).flatten(1).mean(1) for i in range(size)]
        narrow = [batch_normed(weights, "norm", linear(weights, "narrow", mean)) for mean in means]
        hidden = [vector * (vector + 3).clamp(0, 6) / 6 for vector in narrow]
        gates.append([torch.sigmoid(linear(weights, f"gates.{axis}", vector)) for vector in hidden])
    gated = [
        x[(slice(None), *place)] * math.prod(gates[axis][i] for axis, i in enumerate(place))
        for place in places_of(spatial)
    ]
    return by_place(gated, spatial)


@pytest.mark.parametrize("spatial", SIZES)
def test_it_is_what_loops_compute(spatial):
    assert_as_in_loops(in_loops, "coordinate", spatial)


@pytest.mark.parametrize("spatial", SIZES)
def test_its_gradients_are_right(spatial):
    assert_gradients("coordinate", spatial)


@pytest.mark.parametrize(("channels", "macs", "params"), [(64, 30_720, 1_688), (512, 491_520, 25_648)])
def test_it_costs_what_the_public_module_does(channels, macs, params):
    """Counted on houqb's CoordAtt: 2 S c m, with m = max(8, c / 32)."""
    options = AttentionOptions(projection="published")
    cost = OPERATORS["coordinate"].cost(Dims(b=1, c=channels, spatial=(12, 18)), options)
    assert (cost.macs, cost.params) == (macs, params)


def test_one_axis_has_no_others_to_average_over():
    with pytest.raises(UndefinedError, match="with one axis there is none"):
        OPERATORS["coordinate"].cost(Dims(b=1, c=64, spatial=(7,)), AttentionOptions())


def test_it_is_cheaper_than_kao_qkv_as_is_the_global_context():
    dims, bare = Dims(b=1, c=64, spatial=(56, 56)), AttentionOptions(projection="none")
    coordinate, context, kao_qkv = (OPERATORS[name].cost(dims, bare).macs for name in ("coordinate", "gc", "kao_qkv"))
    assert (coordinate, context, kao_qkv) == (114_688, 401_920, 1_605_632)

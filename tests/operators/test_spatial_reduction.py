"""Spatial-reduction attention: against loops, and against the public module's count."""

import itertools

import pytest
import torch
from representatives import mostly_slow
from rivals import (
    assert_as_in_loops,
    assert_gradients,
    by_place,
    layer_normed,
    linear,
    places_of,
    weighted,
)
from torch.nn import functional as F

from kaoprof.catalog import OPERATORS, find_operator
from kaoprof.dims import IMPLEMENTATIONS, AttentionOptions, Dims
from kaoprof.errors import UndefinedError

SIZES = [(7,), (5, 4), (3, 5, 4)]
TOLD = ["spatial_reduction(reduction=1)", "spatial_reduction(reduction=2)", "spatial_reduction(reduction=3)",
        "spatial_reduction(pooled=3)"]  # fmt: skip
PROJECTED = [("none", 1, "none"), ("value", 2, "sqrt"), ("qkvo", 3, "sqrt"), ("published", 2, "none")]


def windows(spatial, own):
    """For each key the slices of the positions that it stands for."""
    if own["pooled"]:
        ends = [
            [(i * size // own["pooled"], -(-(i + 1) * size // own["pooled"])) for i in range(own["pooled"])]
            for size in spatial
        ]
    else:
        by = own["reduction"]
        ends = [[(i * by, i * by + by) for i in range(size // by)] for size in spatial]
    return [tuple(slice(*end) for end in window) for window in itertools.product(*ends)]


def key_of(patch, weights, own):
    """What stands for the positions of a patch `(c *sizes)`: their mean, or what is published."""
    kernels, bias = weights.get("reduce.convolution.weight"), weights.get("reduce.convolution.bias")
    mean = patch.flatten(1).mean(1)
    if kernels is None:
        return mean
    if own["pooled"]:
        return F.gelu(layer_normed(weights, "reduce.norm", kernels.flatten(1) @ mean + bias))
    reduced = torch.stack([(kernel * patch).sum() for kernel in kernels]) + bias
    return layer_normed(weights, "reduce.norm", reduced)


def in_loops(name):
    own = find_operator(name).own

    def reference(x, weights, options):
        options = options.as_in("qkvo", "sqrt")
        weights = {key.removeprefix("attention."): value for key, value in weights.items()}
        sources = [key_of(x[(slice(None), *window)], weights, own) for window in windows(x.shape[1:], own)]
        keys, values = ([linear(weights, part, source) for source in sources] for part in ("key", "value"))
        attended = [
            weighted(linear(weights, "query", x[(slice(None), *place)]), keys, values, heads=options.heads,
                     scale=options.scale)
            for place in places_of(x.shape[1:])
        ]  # fmt: skip
        return by_place([linear(weights, "output", vector) for vector in attended], x.shape[1:])

    return reference


@pytest.mark.parametrize(
    ("name", "spatial", "implementation", "projected"),
    mostly_slow(list(itertools.product(TOLD, SIZES, IMPLEMENTATIONS, PROJECTED)), together=2),
)
def test_it_is_what_loops_compute(name, spatial, implementation, projected):
    projection, heads, scale = projected
    assert_as_in_loops(
        in_loops(name), name, spatial, projection=projection, heads=heads, scale=scale, implementation=implementation
    )


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", TOLD[1::2])
def test_its_gradients_are_right(name, implementation):
    assert_gradients(name, (3, 4), heads=2, projection="published", implementation=implementation)


@pytest.mark.parametrize(
    ("own", "macs", "params"),
    [({"reduction": 1}, 8_128_512, 16_448), ({"reduction": 2}, 4_039_168, 33_024), ({"pooled": 7}, 3_437_056, 20_736)],
)
def test_it_costs_what_the_public_modules_do(own, macs, params):
    """Counted on the attention of PVT, and on that of PVT v2 in its linear form."""
    options = AttentionOptions(heads=8, projection="published")
    cost = OPERATORS["spatial_reduction"].telling(own).cost(Dims(b=1, c=64, spatial=(14, 14)), options)
    assert (cost.macs, cost.params) == (macs, params)


def test_a_fixed_reduction_grows_as_regular_attention_does_and_a_fixed_pool_does_not():
    reduced, pooled = (OPERATORS["spatial_reduction"].telling(own) for own in ({"reduction": 8}, {"pooled": 7}))
    assert reduced.orders(("h", "w"), AttentionOptions()) == ("O(h^4 c)", "O(h^4)")
    assert pooled.orders(("h", "w"), AttentionOptions()) == ("O(h^2 c)", "O(h^2)")
    # it meets KAO_KV, 2 N S c, where N / R^2 = S: at h = 2 R^2
    at_128 = Dims(b=1, c=64, spatial=(128, 128))
    bare = AttentionOptions(projection="none")
    assert reduced.cost(at_128, bare).macs == OPERATORS["kao_kv"].cost(at_128, bare).macs == 536_870_912


def test_what_leaves_no_keys_is_said():
    with pytest.raises(UndefinedError, match="a reduction by 8 leaves nothing of 9 x 7 positions"):
        OPERATORS["spatial_reduction"].cost(Dims(b=1, c=8, spatial=(9, 7)), AttentionOptions())

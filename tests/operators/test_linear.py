"""Linear attention: against loops that weigh every position for every other."""

import itertools

import pytest
import torch
from representatives import mostly_slow
from rivals import CHANNELS, assert_as_in_loops, assert_gradients, by_place, linear
from torch.nn import functional as F

from kaoprof.catalog import OPERATORS
from kaoprof.dims import AttentionOptions, Dims

SIZES = [(7,), (3, 4), (2, 3, 4)]
PROJECTED = [("none", 1), ("value", 2), ("qkv", 3), ("qkvo", 2), ("published", 3)]


def features(vector):
    return F.elu(vector) + 1


def in_loops(x, weights, options):
    vectors = list(x.flatten(1).T)
    q, k, v = ([linear(weights, name, vector) for vector in vectors] for name in ("query", "key", "value"))
    size, results = CHANNELS // options.heads, []
    for query in q:
        parts = []
        for head in range(options.heads):
            own = slice(head * size, (head + 1) * size)
            products = [float(features(query[own]) @ features(key[own])) for key in k]
            total = sum(products) + 1e-6
            parts.append(sum(product / total * value[own] for product, value in zip(products, v, strict=True)))
        results.append(linear(weights, "output", torch.cat(parts)))
    return by_place(results, x.shape[1:])


@pytest.mark.parametrize(("spatial", "projected"), mostly_slow(list(itertools.product(SIZES, PROJECTED))))
def test_it_is_what_loops_compute(spatial, projected):
    projection, heads = projected
    assert_as_in_loops(in_loops, "linear", spatial, projection=projection, heads=heads)


@pytest.mark.parametrize("projection", ["qkvo", "none"])
def test_its_gradients_are_right(projection):
    assert_gradients("linear", (3, 4), heads=2, projection=projection)


def test_it_costs_what_the_public_module_does():
    """Counted on fast-transformers' linear attention, which is given queries, keys and values: 2 N c^2 / 8 + N c."""
    options = AttentionOptions(heads=8, projection="published")
    cost = OPERATORS["linear"].cost(Dims(b=1, c=64, spatial=(12, 18)), options)
    assert (cost.macs, cost.params, cost.map_entries) == (235_008, 0, 8 * 8 * 8)


def test_heads_change_what_it_costs():
    assert OPERATORS["linear"].orders(("h", "w"), AttentionOptions(heads=3)) == ("O(h^2 c^2)", "O(c^2)")
    by_heads = [
        OPERATORS["linear"].cost(Dims(b=1, c=12, spatial=(5, 4)), AttentionOptions(heads=heads, projection="none")).macs
        for heads in (1, 2, 3)
    ]
    assert by_heads == [2 * 20 * 12 * 12 // heads + 20 * 12 for heads in (1, 2, 3)]

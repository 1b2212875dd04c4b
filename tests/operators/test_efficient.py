"""Efficient attention: against loops, and against the public module's count."""

import itertools

import pytest
import torch
from representatives import mostly_slow
from rivals import assert_as_in_loops, assert_gradients, by_place, linear, shares

from kaoprof.catalog import OPERATORS
from kaoprof.dims import AttentionOptions, Dims

SIZES = [(7,), (3, 4), (2, 3, 4)]
PROJECTED = [("none", 1), ("value", 2), ("qkv", 3), ("qkvo", 2), ("published", 2), ("published", 1)]
TOLD = ["efficient", "efficient(key_channels=4,value_channels=2)"]


def summed(vectors, weights):
    return sum(weight * vector for weight, vector in zip(weights, vectors, strict=True))


def in_loops(x, weights, options):
    vectors = list(x.flatten(1).T)
    q, k, v = ([linear(weights, name, vector) for vector in vectors] for name in ("query", "key", "value"))
    by_head = []
    for head in range(options.heads):
        queries, keys, values = (torch.stack(part).chunk(options.heads, dim=1)[head] for part in (q, k, v))
        contexts = [summed(values, shares(channel.tolist())) for channel in keys.T]
        by_head.append([summed(contexts, shares(query.tolist())) for query in queries])
    output = [linear(weights, "output", torch.cat(parts)) for parts in zip(*by_head, strict=True)]
    return by_place(output, x.shape[1:]) + (x if options.projection == "published" else 0)


@pytest.mark.parametrize(
    ("name", "spatial", "projected"), mostly_slow(list(itertools.product(TOLD, SIZES, PROJECTED)), together=2)
)
def test_it_is_what_loops_compute(name, spatial, projected):
    projection, heads = projected
    assert_as_in_loops(in_loops, name, spatial, projection=projection, heads=heads)


@pytest.mark.parametrize("projection", ["published", "none"])
def test_its_gradients_are_right(projection):
    assert_gradients(TOLD[1], (3, 4), heads=2, projection=projection)


@pytest.mark.parametrize(("heads", "macs"), [(1, 2_875_392), (4, 2_377_728)])
def test_it_costs_what_the_public_module_does(heads, macs):
    """Counted on cmsflash's efficient attention: N (2 c dk + 2 c dv + 2 dk dv / heads)."""
    told = OPERATORS["efficient"].telling({"key_channels": 32, "value_channels": 48})
    cost = told.cost(Dims(b=1, c=64, spatial=(12, 18)), AttentionOptions(heads=heads, projection="published"))
    assert (cost.macs, cost.params) == (macs, 2 * 64 * (32 + 48) + 2 * 32 + 48 + 64)

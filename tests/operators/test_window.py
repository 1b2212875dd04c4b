"""Attention within windows against loops that ask, for each position, which positions are in its window."""

import itertools

import pytest
import torch
from representatives import mostly_slow
from rivals import assert_as_in_loops, assert_gradients, linear, weighted

from kaoprof.catalog import OPERATORS, find_operator
from kaoprof.dims import IMPLEMENTATIONS, AttentionOptions, Dims
from kaoprof.errors import UsageError

SIZES = [(7,), (4, 7), (3, 4, 5)]  # with M = 3 all of them are padded along some axis
TOLD = [("none", 1, "none"), ("value", 2, "sqrt"), ("qkv", 1, "sqrt"), ("qkvo", 3, "none"), ("published", 2, "sqrt")]
M = 3


def in_loops(shift, *, strided=False):
    """As Swin defines it: roll the padded map back by the shift, attend within M x M, keep apart what only wrapped."""

    def reference(x, weights, options):
        own = {key.removeprefix("attention."): value for key, value in weights.items()}
        padded = [-(-size // M) * M for size in x.shape[1:]]
        places = list(itertools.product(*map(range, padded)))
        inside = {place: all(i < size for i, size in zip(place, x.shape[1:], strict=True)) for place in places}
        zero = torch.zeros(x.shape[0], dtype=x.dtype)
        vectors = {place: x[(slice(None), *place)] if inside[place] else zero for place in places}
        out = torch.zeros_like(x)
        for place in filter(inside.get, places):
            companions = [other for other in places if together(place, other, padded, shift, strided=strided)]
            query = linear(own, "query", vectors[place])
            keys, values = ([linear(own, name, vectors[other]) for other in companions] for name in ("key", "value"))
            bias = None
            if "bias.table" in weights:
                bias = torch.stack([relative(weights, place, other, padded, shift, strided) for other in companions]).T
            attended = weighted(query, keys, values, heads=options.heads, scale=options.scale, bias=bias)
            out[(slice(None), *place)] = linear(own, "output", attended)
        return out

    return reference


def rolled(place, padded, shift):
    """Where a position of the padded map lies once the map is rolled back by the shift."""
    return [(i - shift) % size for i, size in zip(place, padded, strict=True)]


def together(place, other, padded, shift, *, strided):
    if strided:
        return all(a % (size // M) == b % (size // M) for a, b, size in zip(place, other, padded, strict=True))
    ends = zip(rolled(place, padded, shift), rolled(other, padded, shift), place, other, strict=True)
    return all(a // M == b // M and (before < shift) == (after < shift) for a, b, before, after in ends)


def relative(weights, place, other, padded, shift, strided):
    """The bias of each head: by how far apart the two tokens lie in their window."""
    index = 0
    for a, b, size in zip(rolled(place, padded, shift), rolled(other, padded, shift), padded, strict=True):
        first, second = (a // (size // M), b // (size // M)) if strided else (a % M, b % M)
        index = index * (2 * M - 1) + first - second + M - 1
    return weights["bias.table"][index]


CASES = [
    (name, spatial, kind, told)
    for name in ("window(window=3)", "window(window=3,shift=2)", "grid(window=3)")
    for spatial in SIZES
    for kind in IMPLEMENTATIONS
    for told in TOLD
]


@pytest.mark.parametrize(("name", "spatial", "implementation", "told"), mostly_slow(CASES))
def test_it_is_what_loops_compute(name, spatial, implementation, told):
    projection, heads, scale = told
    options = {"projection": projection, "heads": heads, "scale": scale, "implementation": implementation}
    reference = in_loops(2 if "shift" in name else 0, strided=name.startswith("grid"))
    assert_as_in_loops(reference, name, spatial, **options)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", ["window(window=3,shift=1)", "grid(window=2)"])
def test_its_gradients_are_right(name, implementation):
    assert_gradients(name, (4, 5), heads=2, projection="published", implementation=implementation)


def test_it_costs_what_the_public_module_does():
    """Counted on Swin's window attention, M = 6 and 8 heads; and its core, padded from 128 to 133 where M = 7."""
    published = AttentionOptions(heads=8, projection="published")
    cost = find_operator("window(window=6)").cost(Dims(b=1, c=64, spatial=(12, 18)), published)
    assert (cost.macs, cost.params) == (4_534_272, 17_608)
    bare = AttentionOptions(projection="none")
    cores = [OPERATORS["window"].cost(Dims(b=1, c=64, spatial=(h, h)), bare).macs for h in (14, 28, 56, 128)]
    assert cores == [1_229_312, 4_917_248, 19_668_992, 2 * 49 * 133**2 * 64]


def test_a_shift_is_below_the_window():
    with pytest.raises(UsageError, match="shift: must be below the window of 3, not 3"):
        find_operator("window(window=3,shift=3)").cost(Dims(b=1, c=8, spatial=(9,)), AttentionOptions())

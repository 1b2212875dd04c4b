"""Axial attention against loops over the positions of each line."""

import pytest
import torch
from representatives import mostly_slow
from rivals import assert_as_in_loops, assert_gradients, linear, places_of, weighted

from kaoprof.catalog import OPERATORS
from kaoprof.dims import IMPLEMENTATIONS, AttentionOptions, Dims

SIZES = [(5,), (3, 4), (2, 3, 4)]
TOLD = [("none", 1, "none"), ("value", 2, "sqrt"), ("qkv", 1, "sqrt"), ("qkvo", 3, "none"), ("published", 2, "sqrt")]


def in_loops(x, weights, options):
    out = torch.zeros_like(x)
    for place in places_of(x.shape[1:]):
        for axis, size in enumerate(x.shape[1:]):
            own = {key.removeprefix(f"along.{axis}."): value for key, value in weights.items() if f".{axis}." in key}
            line = [x[(slice(None), *place[:axis], i, *place[axis + 1 :])] for i in range(size)]
            query = linear(own, "query", x[(slice(None), *place)])
            keys, values = ([linear(own, name, vector) for vector in line] for name in ("key", "value"))
            attended = weighted(query, keys, values, heads=options.heads, scale=options.scale)
            out[(slice(None), *place)] += linear(own, "output", attended)
    return out


@pytest.mark.parametrize(
    ("spatial", "implementation", "told"),
    mostly_slow([(spatial, kind, told) for spatial in SIZES for kind in IMPLEMENTATIONS for told in TOLD], together=1),
)
def test_it_is_what_loops_compute(spatial, implementation, told):
    projection, heads, scale = told
    assert_as_in_loops(
        in_loops, "axial", spatial, projection=projection, heads=heads, scale=scale, implementation=implementation
    )


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_its_gradients_are_right(implementation):
    assert_gradients("axial", (2, 3, 4), heads=2, projection="published", implementation=implementation)


def test_it_costs_what_the_public_module_does():
    """Counted on lucidrains' axial attention, 8 heads."""
    published = AttentionOptions(heads=8, projection="published")
    image, video = (OPERATORS["axial"].cost(Dims(b=1, c=64, spatial=s), published) for s in ((12, 18), (6, 12, 18)))
    assert image.macs == 7_907_328
    assert image.params == 2 * (4 * 64**2 + 64)
    assert video.macs == 69_672_960


def test_its_core_is_that_of_kao_kv():
    bare = AttentionOptions(projection="none")
    for spatial in ((14, 14), (56, 56), (8, 14, 14)):
        dims = Dims(b=1, c=64, spatial=spatial)
        axial, kao_kv = (OPERATORS[name].cost(dims, bare) for name in ("axial", "kao_kv"))
        assert (axial.macs, axial.map_entries) == (kao_kv.macs, kao_kv.map_entries)

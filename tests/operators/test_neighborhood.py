"""Neighbourhood attention against loops over the positions around each position."""

import itertools
from functools import partial

import pytest
import torch
from representatives import mostly_slow
from rivals import assert_as_in_loops, assert_gradients, linear, made, made_input, places_of, weighted

from kaoprof.catalog import OPERATORS, find_operator
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.errors import UsageError

SIZES = [(7,), (4, 7), (3, 4, 5), (2, 6)]  # the last is shorter than the kernel along one axis
TOLD = [("none", 1, "none"), ("value", 2, "sqrt"), ("qkv", 1, "sqrt"), ("qkvo", 3, "none"), ("published", 2, "sqrt")]
KERNEL = 3


def around(i, size, kernel):
    """The window begins at i - k // 2, but not before the axis, and ends within it."""
    length = min(kernel, size)
    start = min(max(i - kernel // 2, 0), size - length)
    return range(start, start + length)


def in_loops(x, weights, options, kernels=(KERNEL,) * 3):
    out = torch.zeros_like(x)
    for place in places_of(x.shape[1:]):
        ranges = [around(*along) for along in zip(place, x.shape[1:], kernels, strict=False)]
        vectors = [x[(slice(None), *other)] for other in itertools.product(*ranges)]
        query = linear(weights, "query", x[(slice(None), *place)])
        keys, values = ([linear(weights, name, vector) for vector in vectors] for name in ("key", "value"))
        attended = weighted(query, keys, values, heads=options.heads, scale=options.scale)
        out[(slice(None), *place)] = linear(weights, "output", attended)
    return out


@pytest.mark.parametrize(("spatial", "told"), mostly_slow(list(itertools.product(SIZES, TOLD))))
def test_it_is_what_loops_compute(spatial, told):
    projection, heads, scale = told
    assert_as_in_loops(
        in_loops, f"neighborhood(kernel={KERNEL})", spatial, projection=projection, heads=heads, scale=scale
    )


def test_a_kernel_may_differ_from_axis_to_axis():
    reference = partial(in_loops, kernels=(1, 3, 5))
    assert_as_in_loops(reference, "neighborhood(kernel=1x3x5)", (3, 4, 6), projection="published", heads=2)


def test_its_gradients_are_right():
    assert_gradients("neighborhood(kernel=3)", (4, 5), heads=2, projection="published")


def test_a_neighbourhood_as_large_as_the_map_is_regular_attention():
    x = made_input((5, 5))
    everywhere, regular = (made(name, (5, 5), projection="none") for name in ("neighborhood(kernel=5)", "nonlocal"))
    torch.testing.assert_close(everywhere(x), regular(x))


def test_it_costs_what_the_public_module_does():
    """Counted on NATTEN's modules."""
    published = AttentionOptions(heads=4, projection="published")
    image = OPERATORS["neighborhood"].cost(Dims(b=1, c=32, spatial=(14, 20)), published)
    smaller = find_operator("neighborhood(kernel=5)").cost(Dims(b=1, c=32, spatial=(9, 11)), published)
    assert (image.macs, smaller.macs) == (2_024_960, 563_904)
    assert image.params == 4 * 32**2 + 4 * 32


def test_an_even_kernel_has_no_middle():
    with pytest.raises(UsageError, match="kernel: must be odd, not 4"):
        find_operator("neighborhood(kernel=4)").cost(Dims(b=1, c=8, spatial=(9,)), AttentionOptions())

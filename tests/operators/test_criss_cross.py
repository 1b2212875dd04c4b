"""Criss-cross attention against loops over the positions of each position's lines."""

import pytest
import torch
from representatives import mostly_slow
from rivals import assert_as_in_loops, assert_gradients, linear, made, made_input, places_of, weighted

from kaoprof.catalog import OPERATORS, find_operator
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.errors import UndefinedError

CHANNELS = 16  # as published its queries have an eighth of them
TOLD = [("none", 1, "none"), ("value", 2, "sqrt"), ("qkv", 1, "sqrt"), ("qkvo", 4, "none"), ("published", 2, "sqrt")]


def in_loops(loops):
    def reference(x, weights, options):
        own = {key.removeprefix("attention."): value for key, value in weights.items()}
        for _ in range(loops):
            x = one_loop(x, own, options)
        return x

    return reference


def one_loop(x, weights, options):
    published = options.projection == "published"
    out = torch.zeros_like(x)
    for place in places_of(x.shape[1:]):
        lines = [
            (*place[:axis], i, *place[axis + 1 :])
            for axis, size in enumerate(x.shape[1:])
            for i in range(size)
            if i != place[axis] or axis == x.ndim - 2  # itself once
        ]
        vectors = [x[(slice(None), *other)] for other in lines]
        query = linear(weights, "query", x[(slice(None), *place)])
        keys, values = ([linear(weights, name, vector) for vector in vectors] for name in ("key", "value"))
        heads, scale = (1, "none") if published else (options.heads, options.scale)
        out[(slice(None), *place)] = linear(weights, "output", weighted(query, keys, values, heads=heads, scale=scale))
    return x + weights["gamma"] * out if published else out


@pytest.fixture
def with_weight(monkeypatch):
    """What was attended counts, also as published, where its weight begins at 0."""
    monkeypatch.setattr(torch, "zeros", lambda *size: torch.full(size, 0.7))


@pytest.mark.usefixtures("with_weight")
@pytest.mark.parametrize(
    ("spatial", "loops", "told"),
    mostly_slow([(spatial, loops, told) for spatial in [(3, 4), (2, 3, 4)] for loops in (1, 2) for told in TOLD]),
)
def test_it_is_what_loops_compute(spatial, loops, told):
    projection, heads, scale = told
    name = f"criss_cross(loops={loops})"
    options = {"projection": projection, "heads": heads, "scale": scale}
    assert_as_in_loops(in_loops(loops), name, spatial, channels=CHANNELS, **options)


@pytest.mark.usefixtures("with_weight")
@pytest.mark.parametrize(("projection", "heads"), [("qkvo", 2), ("published", 1)])
def test_its_gradients_are_right(projection, heads):
    assert_gradients("criss_cross(loops=2)", (3, 4), channels=CHANNELS, heads=heads, projection=projection)


def test_every_position_reaches_every_other_in_two_loops_but_not_in_one():
    for loops, reached in ((1, 4 + 5 - 1), (2, 4 * 5)):
        x = made_input((4, 5)).requires_grad_()
        made(f"criss_cross(loops={loops})", (4, 5))(x)[0, 0, 1, 2].backward()
        assert int((x.grad[0].abs().sum(0) > 0).sum()) == reached


def test_it_costs_what_the_public_module_does():
    """Counted on mmcv's CrissCrossAttention and on CCNet's own; and the author's FLOPs of the paper's table."""
    published = AttentionOptions(heads=8, projection="published")
    once = OPERATORS["criss_cross"].cost(Dims(b=1, c=64, spatial=(12, 18)), published)
    assert (once.macs, once.params) == (1_572_480, 5_201)
    twice = find_operator("criss_cross(loops=2)").cost(Dims(b=1, c=512, spatial=(97, 97)), published)
    values = 97 * 97 * 512 * 512  # the author counts queries and keys of 64 channels, which are 512 / 8
    assert f"{2 * twice.macs / 1e9:.2f}" == "16.54"
    assert twice.macs == 2 * (2 * 97 * 97 * 512 * 64 + values + 97 * 97 * 194 * 576)


def test_on_one_axis_it_says_that_it_has_no_meaning():
    with pytest.raises(UndefinedError, match="no meaning on one axis"):
        OPERATORS["criss_cross"].cost(Dims(b=1, c=8, spatial=(9,)), AttentionOptions())

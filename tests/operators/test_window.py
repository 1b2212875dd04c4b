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
CUBE = (3, 3, 3)  # the window along each axis, of as many as there are


def in_loops(windows, shifts, *, strided=False):
    """As Swin defines it: roll the padded map back by the shift, attend within windows, keep apart what wrapped."""

    def reference(x, weights, options):
        own = {key.removeprefix("attention."): value for key, value in weights.items()}
        padded = [-(-size // m) * m for size, m in zip(x.shape[1:], windows, strict=True)]
        how = {"windows": windows, "shifts": shifts, "strided": strided}
        places = list(itertools.product(*map(range, padded)))
        inside = {place: all(i < size for i, size in zip(place, x.shape[1:], strict=True)) for place in places}
        zero = torch.zeros(x.shape[0], dtype=x.dtype)
        vectors = {place: x[(slice(None), *place)] if inside[place] else zero for place in places}
        out = torch.zeros_like(x)
        for place in filter(inside.get, places):
            companions = [other for other in places if together(place, other, padded, **how)]
            query = linear(own, "query", vectors[place])
            keys, values = ([linear(own, name, vectors[other]) for other in companions] for name in ("key", "value"))
            bias = None
            if "bias.table" in weights:
                bias = torch.stack([relative(weights, place, other, padded, **how) for other in companions]).T
            attended = weighted(query, keys, values, heads=options.heads, scale=options.scale, bias=bias)
            out[(slice(None), *place)] = linear(own, "output", attended)
        return out

    return reference


def rolled(place, padded, shifts):
    """Where a position of the padded map lies once the map is rolled back by the shift."""
    return [(i - shift) % size for i, size, shift in zip(place, padded, shifts, strict=True)]


def together(place, other, padded, *, windows, shifts, strided):
    if strided:
        along = zip(place, other, padded, windows, strict=True)
        return all(a % (size // m) == b % (size // m) for a, b, size, m in along)
    ends = zip(rolled(place, padded, shifts), rolled(other, padded, shifts), place, other, windows, shifts, strict=True)
    return all(a // m == b // m and (before < shift) == (after < shift) for a, b, before, after, m, shift in ends)


def relative(weights, place, other, padded, *, windows, shifts, strided):
    """The bias of each head: by how far apart the two tokens lie in their window."""
    index = 0
    ends = zip(rolled(place, padded, shifts), rolled(other, padded, shifts), padded, windows, strict=True)
    for a, b, size, m in ends:
        first, second = (a // (size // m), b // (size // m)) if strided else (a % m, b % m)
        index = index * (2 * m - 1) + first - second + m - 1
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
    shifts = (2 if "shift" in name else 0,) * len(spatial)
    reference = in_loops(CUBE[: len(spatial)], shifts, strided=name.startswith("grid"))
    assert_as_in_loops(reference, name, spatial, **options)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(
    ("name", "spatial", "windows", "shifts"),
    [
        ("window(window=3x2,shift=1x0)", (4, 5), (3, 2), (1, 0)),
        ("window(window=1x3x2,shift=0x2x1)", (2, 4, 3), (1, 3, 2), (0, 2, 1)),
        ("grid(window=2x3)", (4, 5), (2, 3), (0, 0)),
    ],
)
def test_a_window_may_differ_from_axis_to_axis(name, spatial, windows, shifts, implementation):
    reference = in_loops(windows, shifts, strided=name.startswith("grid"))
    options = {"projection": "published", "heads": 2, "implementation": implementation}
    assert_as_in_loops(reference, name, spatial, **options)


def test_a_number_for_each_axis_is_what_one_number_is():
    """And Video Swin's window of 8 x 7 x 7 has 392 tokens, and a bias for each of 15 x 13 x 13 relative positions."""
    dims, published = Dims(b=1, c=64, spatial=(8, 56, 56)), AttentionOptions(heads=2, projection="published")
    same, cube = (find_operator(f"window(window={told})").cost(dims, published) for told in ("7x7x7", "7"))
    assert same == cube
    video = find_operator("window(window=8x7x7,shift=4x3x3)").cost(dims, published)
    n = 8 * 56 * 56
    assert (video.macs, video.params) == (4 * n * 64**2 + 2 * n * 392 * 64, 4 * 64**2 + 4 * 64 + 2 * 15 * 13 * 13)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("window=3x3", "window: 2 numbers for 3 spatial axes"),
        ("window=3x3x3,shift=0x0x3", "shift: must be below the window of 3x3x3, not 0x0x3"),
        ("window=3x3x0", "operators window: must be a whole number >= 1, not 3x3x0"),
        ("window=2x2x2x2", "operators window: numbers must be <= 3, not 2x2x2x2"),
    ],
)
def test_numbers_that_do_not_fit_the_axes_are_one_sentence(told, said):
    with pytest.raises(UsageError) as raised:
        find_operator(f"window({told})").cost(Dims(b=1, c=8, spatial=(6, 6, 6)), AttentionOptions())
    assert str(raised.value).startswith(said)


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

"""Neighbourhood attention against loops over the positions around each position."""

import itertools
from functools import partial

import pytest
import torch
from representatives import mostly_slow
from rivals import assert_as_in_loops, assert_gradients, linear, made, made_input, places_of, weighted
from torch.nn.attention.flex_attention import flex_attention

from kaoprof.catalog import OPERATORS, chosen_operators, find_operator, operator_workload
from kaoprof.comparing.census import count as census
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.errors import UndefinedError, UsageError
from kaoprof.operators import neighborhood

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


def flexible(spatial, told="neighborhood", **options):
    operator = find_operator(told)
    chosen = AttentionOptions(implementation="flex", **options)
    return operator, Dims(b=2, c=32, spatial=spatial), chosen


def test_flexible_attention_computes_whole_blocks():
    """14 x 14 positions are two blocks of 128, which see each other: all pairs; of 28 x 28 20 pairs of 7 x 7 blocks."""
    for spatial, pairs in (((14, 14), 196**2), ((28, 28), 20 * 128**2)):
        operator, dims, chosen = flexible(spatial, projection="none")
        cost = operator.cost(dims, chosen)
        assert (cost.macs, cost.map_entries) == (2 * pairs * 32, pairs)
    with pytest.raises(UndefinedError, match="counted up to 65,536 positions"):
        operator.cost(Dims(b=1, c=8, spatial=(512, 512)), chosen)


def test_flexible_attention_is_asked_for_by_name():
    assert chosen_operators("neighborhood") == [("neighborhood", "matmul")]
    assert chosen_operators("neighborhood:flex") == [("neighborhood", "flex")]
    with pytest.raises(UsageError, match="unknown implementation 'flex'"):
        chosen_operators("window:flex")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize(
    ("told", "spatial"), [("neighborhood", (28, 10)), ("neighborhood(kernel=3x1x5)", (4, 6, 9)), ("neighborhood", (9,))]
)
def test_flexible_attention_is_counted_as_its_formula_says_and_gives_the_same(told, spatial, monkeypatch):
    monkeypatch.setattr(neighborhood, "compiled_attention", lambda: flex_attention)  # as it is before it is compiled
    operator, dims, chosen = flexible(spatial, told, heads=2, projection="published")
    cost = operator.cost(dims, chosen)
    for mode, macs in (("forward", cost.macs), ("train", cost.macs_trained)):
        work = operator_workload(told, dims, chosen, dtype="fp32", mode=mode, seed=0)
        counted = census(work, device="cpu", threads=1)
        assert (counted.macs, counted.uncounted) == (2 * macs, {})
        assert mode == "train" or counted.flops_all == 2 * cost.flops_all
    gathered = made(told, spatial, channels=32, heads=2, projection="published").float()
    blocks = made(told, spatial, channels=32, heads=2, projection="published", implementation="flex").float()
    blocks.load_state_dict(gathered.state_dict())
    x = made_input(spatial, channels=32).float()
    with torch.no_grad():
        torch.testing.assert_close(blocks(x), gathered(x), rtol=1e-5, atol=1e-5)

"""Agent attention against loops: averages of queries attend to positions, then positions to these averages."""

import itertools

import pytest
import torch
from representatives import mostly_slow
from rivals import assert_as_in_loops, assert_gradients, by_place, layer_normed, linear, places_of, weighted
from torch.nn import functional as F

from kaoprof.catalog import OPERATORS, find_operator
from kaoprof.dims import IMPLEMENTATIONS, AttentionOptions, Dims
from kaoprof.errors import UsageError
from kaoprof.operators.agent import AgentAttention

SIZES = [(7,), (4, 5), (2, 3, 4)]
TOLD = [("none", 1, "none"), ("value", 2, "sqrt"), ("qkv", 1, "sqrt"), ("qkvo", 3, "none"), ("published", 2, "sqrt")]


def in_loops(along, reduction):
    def reference(x, weights, options):
        spatial = x.shape[1:]
        own = {key.removeprefix("attention."): value for key, value in weights.items()}
        positions = [x[(slice(None), *place)] for place in places_of(spatial)]
        sources, smaller = reduced(x, weights, reduction)
        queries = [linear(own, "query", vector) for vector in positions]
        keys, values = ([linear(own, name, vector) for vector in sources] for name in ("key", "value"))
        told = {"heads": options.heads, "scale": options.scale}
        agents = averages(dict(zip(places_of(spatial), queries, strict=True)), spatial, along)
        of_keys, of_queries = (bias_of(weights, name) for name in ("bias_of_keys", "bias_of_queries"))
        collected = [
            weighted(agent, keys, values, **told, bias=None if of_keys is None else of_keys[:, number])
            for number, agent in enumerate(agents)
        ]
        attended = by_place(
            [
                weighted(
                    query, agents, collected, **told, bias=None if of_queries is None else of_queries[:, :, number]
                )
                for number, query in enumerate(queries)
            ],
            spatial,
        )
        if "beside.weight" in weights:
            attended = attended + convolved(by_place(values, smaller), spatial, weights)
        return by_place(
            [linear(own, "output", attended[(slice(None), *place)]) for place in places_of(spatial)], spatial
        )

    return reference


def bias_of(weights, name):
    """`(heads agents positions)`: a map of 7 along each axis, enlarged, and what each of the position's lines adds."""
    if f"{name}.coarse" not in weights:
        return None
    lines = [weights[f"{name}.line_{axis}"] for axis in range(weights[f"{name}.coarse"].ndim - 2)]
    sizes = [line.shape[-1] for line in lines]
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(sizes)]
    enlarged = F.interpolate(weights[f"{name}.coarse"], size=sizes, mode=mode, align_corners=False)
    every = [
        enlarged[(..., *place)] + sum(line[..., i] for line, i in zip(lines, place, strict=True))
        for place in places_of(sizes)
    ]
    return torch.stack(every, dim=-1)


def reduced(x, weights, reduction):
    """What keys and values are made of, and its sizes."""
    if reduction == 1:
        return [x[(slice(None), *place)] for place in places_of(x.shape[1:])], x.shape[1:]
    smaller = [size // reduction for size in x.shape[1:]]
    vectors = []
    for place in places_of(smaller):
        patch = x[(slice(None), *(slice(i * reduction, (i + 1) * reduction) for i in place))]
        if "reduce.norm.weight" in weights:
            product = (weights["reduce.convolution.weight"] * patch).flatten(1).sum(1) + weights[
                "reduce.convolution.bias"
            ]
            vectors.append(layer_normed(weights, "reduce.norm", product))
        else:
            vectors.append(patch.flatten(1).mean(1))
    return vectors, smaller


def averages(vectors, spatial, along):
    """Means over windows that overlap where sizes are no multiples: from floor(i s / a) to ceil((i + 1) s / a)."""
    windows = [[range(i * size // along, -(-(i + 1) * size // along)) for i in range(along)] for size in spatial]
    return [
        torch.stack([vectors[place] for place in itertools.product(*chosen)]).mean(0)
        for chosen in itertools.product(*windows)
    ]


def convolved(values, spatial, weights):
    """The values, enlarged to the whole map, under a window of 3 along each axis with zeros around."""
    if list(values.shape[1:]) != list(spatial):
        mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(spatial)]
        values = F.interpolate(values[None], size=list(spatial), mode=mode, align_corners=False)[0]
    padded = F.pad(values, [1, 1] * len(spatial))
    patches = [padded[(slice(None), *(slice(i, i + 3) for i in place))] for place in places_of(spatial)]
    return by_place(
        [(weights["beside.weight"][:, 0] * p).flatten(1).sum(1) + weights["beside.bias"] for p in patches], spatial
    )


@pytest.mark.parametrize(
    ("spatial", "reduction", "implementation", "told"),
    mostly_slow(list(itertools.product(SIZES, (1, 2), IMPLEMENTATIONS, TOLD))),
)
def test_it_is_what_loops_compute(spatial, reduction, implementation, told):
    projection, heads, scale = told
    name = f"agent(agents={2 ** len(spatial)},reduction={reduction})"
    options = {"projection": projection, "heads": heads, "scale": scale, "implementation": implementation}
    assert_as_in_loops(in_loops(2, reduction), name, spatial, **options)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_its_gradients_are_right(implementation):
    name = "agent(agents=4,reduction=2)"
    assert_gradients(name, (4, 5), heads=2, projection="published", implementation=implementation)


def test_it_costs_what_the_public_module_does():
    """Counted on the authors' module at 14 x 14: 49 agents, without and with keys that are reduced by 2."""
    published, dims = AttentionOptions(heads=8, projection="published"), Dims(b=1, c=64, spatial=(14, 14))
    assert OPERATORS["agent"].cost(dims, published).macs == 5_782_784
    assert find_operator("agent(reduction=2)").cost(dims, published).macs == 4_459_392


def test_its_biases_are_weights_of_the_size_of_the_input():
    """At 14 x 14 with 49 agents and 8 heads: 7 x 7 and 14 + 14 entries for each, of keys and of queries."""
    published, dims = AttentionOptions(heads=8, projection="published"), Dims(b=1, c=64, spatial=(14, 14))
    around = 4 * 64**2 + 4 * 64 + 9 * 64 + 64  # transformations with biases, and the depthwise convolution
    assert OPERATORS["agent"].cost(dims, published).params == around + 2 * 8 * 49 * (49 + 28)
    halved = find_operator("agent(reduction=2)").cost(dims, published).params - (4 * 64**2 + 3 * 64)  # its convolution
    assert halved == around + 8 * 49 * (49 + 28) + 8 * 49 * (49 + 14)
    with pytest.raises(UsageError, match="spatial: its position biases have the sizes of the input"):
        AgentAttention(64, projection="published")


def test_there_are_so_many_agents_whatever_the_axes():
    bare = AttentionOptions(projection="none")
    for spatial, few in (((50,), 49), ((10, 5), 49), ((2, 5, 5), 4**3)):  # 49 is no cube: the nearest one
        assert OPERATORS["agent"].cost(Dims(b=1, c=8, spatial=spatial), bare).macs == 4 * few * 50 * 8

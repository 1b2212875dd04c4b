"""Agent attention: a few tokens attend to all positions, and all positions attend to these few."""

import math

from msgspec.structs import replace

from kaoprof.costs.arithmetic import interpolation_flops, mean_flops, shared_out
from kaoprof.costs.cost import Cost, attention_cost, transformations
from kaoprof.costs.spatial_reduction import averaged, convolved, keys_of
from kaoprof.dims import PUBLISHED, AttentionOptions, Dims, Size

COARSE = 7  # as published: entries along each axis of the map from which biases are enlarged
DEPTHWISE = 3  # as published: a depthwise convolution of so many positions along each axis


def agent(dims: Dims, options: AttentionOptions, *, agents: int = 49, reduction: int = 1) -> Cost:
    """A agents, averages of the queries, attend to n_kv positions; then all positions attend to the agents.

    MACs 2 A (N + n_kv) c + N c^2, where n_kv is N unless keys are reduced, by R along each axis. Along each of d axes
    there are A^(1/d) agents, rounded. As published: query, key, value and output, all with biases, and a depthwise
    convolution of the values, which is added; reduced keys come from a convolution, and their values are enlarged again
    for the depthwise one; and a bias for each head, agent and position, of keys and of queries: a coarse map that is
    enlarged, and a line for each axis.

    Source: Han et al., arXiv:2312.08874.

    Raises:
        UndefinedError: nothing is left along an axis.
    """
    published = options.projection == PUBLISHED
    options = options.as_in("qkvo", "sqrt")
    bare = replace(options, projection="none")
    keys = keys_of(dims, reduction, 0)
    few = agents_along(agents, len(dims.spatial)) ** len(dims.spatial)
    transformed, params = transformations(dims.positions, keys, dims.c, options)
    parts = (
        Cost(macs=transformed, elementwise=mean_flops(dims.positions * dims.c), params=params, map_entries=0),
        attention_cost(few, keys, dims.c, bare, elementwise_around=0),
        attention_cost(dims.positions, few, dims.c, bare, elementwise_around=0),
        (convolved if published else averaged)(dims, keys, reduction, 0),
        *([_beside(dims, keys, enlarged=reduction > 1)] if published else []),
        *([_position_bias(dims, rank, few, options.heads) for rank in (1, reduction)] if published else []),
    )
    return Cost(
        macs=sum(part.macs for part in parts),
        elementwise=sum(part.elementwise for part in parts),
        params=sum(part.params for part in parts),
        map_entries=sum(part.map_entries for part in parts),
    )


def agents_along(agents: int, axes: int) -> int:
    """How many agents there are along each axis."""
    return round(float(agents ** (1 / axes)))


def _position_bias(dims: Dims, reduction: int, agents: int, heads: int) -> Cost:
    """The biases between the agents and all positions, of which the reduced ones are asked; they are made once.

    Two are made at each position, by interpolation and as a sum of lines, and added up; then to the similarities.
    """
    sizes = [size // reduction for size in dims.spatial]
    each = agents * heads
    entries = each * math.prod(sizes)
    outer_sum = each * sum(math.prod(sizes[:axes]) for axes in range(2, len(sizes) + 1))
    made = interpolation_flops(entries, len(sizes)) + outer_sum + entries
    return Cost(
        macs=0,
        elementwise=entries + shared_out(made, dims.b),
        params=each * (COARSE ** len(sizes) + sum(sizes)),
        map_entries=0,
    )


def _beside(dims: Dims, keys: Size, *, enlarged: bool) -> Cost:
    """The biases, and the depthwise convolution of the values, which is added to what was attended."""
    elements = dims.positions * dims.c
    filters = DEPTHWISE ** len(dims.spatial)
    enlarging = interpolation_flops(elements, len(dims.spatial)) if enlarged else 0
    biases = 2 * elements + 2 * keys * dims.c  # of query and output, of key and value
    return Cost(
        macs=filters * elements,
        elementwise=biases + enlarging + 2 * elements,  # the convolution's bias and the sum
        params=(filters + 1) * dims.c + 4 * dims.c,
        map_entries=0,
    )

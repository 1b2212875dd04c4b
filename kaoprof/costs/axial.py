"""Axial attention: along each axis for itself, and the sum of the axes."""

import math

from kaoprof.costs.cost import Cost, attention_cost
from kaoprof.dims import PUBLISHED, AttentionOptions, Dims


def axial(dims: Dims, options: AttentionOptions) -> Cost:
    """Along each axis k every position attends to the s_k positions of its line: MACs 2 N S c + d N c^2, d axes.

    The transformations are each axis's own. As published: query, key, value and output, the last with a bias.
    Source: Ho et al., arXiv:1912.12180, as a sum of the axes; for one spatial axis it is regular attention.
    """
    published = options.projection == PUBLISHED
    options = options.as_in("qkvo", "sqrt")
    positions, axes = dims.positions, len(dims.spatial)
    lines = [attention_cost(size, size, dims.c, options, elementwise_around=0) for size in dims.spatial]
    times = [math.prod(dims.spatial[:axis] + dims.spatial[axis + 1 :]) for axis in range(axes)]  # lines of each axis
    biases = axes * dims.c if published else 0
    summed = (axes - 1) * positions * dims.c + biases * positions
    return Cost(
        macs=sum(number * line.macs for number, line in zip(times, lines, strict=True)),
        elementwise=summed + sum(number * line.elementwise for number, line in zip(times, lines, strict=True)),
        params=sum(line.params for line in lines) + biases,
        map_entries=sum(number * line.map_entries for number, line in zip(times, lines, strict=True)),
    )

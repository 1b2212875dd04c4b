"""Neighbourhood attention: every position attends to the positions around it."""

import math

from kaoprof.costs.arithmetic import softmax_flops
from kaoprof.costs.cost import Cost, transformations
from kaoprof.dims import PUBLISHED, AttentionOptions, Dims, Size
from kaoprof.errors import UsageError


def neighborhood(dims: Dims, options: AttentionOptions, *, kernel: int = 7) -> Cost:
    """Every position attends to k positions along each axis: MACs 2 N k^d c + N c^2.

    At an edge the neighbourhood is moved inwards, so that every position has as many. Along an axis that is shorter
    than k it is the whole axis. As published: query, key, value and output, all with biases, without the relative bias
    that was taken back.

    Source: Hassani et al., arXiv:2204.07143, and its library NATTEN.

    Raises:
        UsageError: the kernel is even, so that it has no middle.
    """
    if kernel % 2 == 0:
        raise UsageError(f"must be odd, not {kernel}", where="kernel")
    biases = 4 * dims.c if options.projection == PUBLISHED else 0
    options = options.as_in("qkvo", "sqrt")
    pairs = dims.positions * math.prod(_keys_along(size, kernel) for size in dims.spatial)
    transformed, params = transformations(dims.positions, dims.positions, dims.c, options)
    scaled = dims.positions * dims.c if options.scale == "sqrt" else 0
    return Cost(
        macs=2 * pairs * dims.c + transformed,
        elementwise=biases * dims.positions + scaled + softmax_flops(options.heads * pairs),
        params=params + biases,
        map_entries=options.heads * pairs,
    )


def _keys_along(size: Size, kernel: int) -> Size:
    """Keys along an axis; a symbol stands for a size that is at least the kernel."""
    return min(size, kernel) if isinstance(size, int) else kernel

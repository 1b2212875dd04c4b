"""Neighbourhood attention: every position attends to the positions around it."""

import itertools
import math

from kaoprof.costs.arithmetic import softmax_flops
from kaoprof.costs.cost import Cost, transformations
from kaoprof.dims import PUBLISHED, AttentionOptions, Dims, PerAxis, Size, kernels_of


def neighborhood(dims: Dims, options: AttentionOptions, *, kernel: PerAxis = 7) -> Cost:
    """Every position attends to k positions along each axis: MACs 2 N k^d c + N c^2; k may differ from axis to axis.

    At an edge the neighbourhood is moved inwards, so that every position has as many. Along an axis that is shorter
    than k it is the whole axis. As published: query, key, value and output, all with biases, without the relative bias
    that was taken back.

    Source: Hassani et al., arXiv:2204.07143, and its library NATTEN.

    Raises:
        UsageError: the kernel is even, so that it has no middle; or there are not as many numbers as axes.
    """
    kernels = kernels_of(kernel, len(dims.spatial))
    biases = 4 * dims.c if options.projection == PUBLISHED else 0
    options = options.as_in("qkvo", "sqrt")
    pairs = dims.positions * math.prod(itertools.starmap(_keys_along, zip(dims.spatial, kernels, strict=True)))
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

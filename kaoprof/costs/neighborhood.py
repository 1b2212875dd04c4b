"""Neighbourhood attention: every position attends to the positions around it."""

import itertools
import math
from collections.abc import Sequence

from kaoprof.costs.arithmetic import FUSED_SCALE_FLOPS, softmax_flops
from kaoprof.costs.cost import Cost, transformations
from kaoprof.dims import FLEXIBLE, PUBLISHED, AttentionOptions, Dims, PerAxis, Size, kernels_of
from kaoprof.errors import UndefinedError

MOST_POSITIONS = 2**16  # whose blocks are counted within a few seconds
BLOCK = 128  # queries or keys of a block of FlexAttention


def neighborhood(dims: Dims, options: AttentionOptions, *, kernel: PerAxis = 7) -> Cost:
    """Every position attends to k positions along each axis: MACs 2 N k^d c + N c^2; k may differ from axis to axis.

    At an edge the neighbourhood is moved inwards, so that every position has as many. Along an axis that is shorter
    than k it is the whole axis. As published: query, key, value and output, all with biases, without the relative bias
    that was taken back. Through FlexAttention whole blocks of 128 queries and 128 keys are computed wherever a query of
    the one has a key of the other, which is what MACs and map count then.

    Source: Hassani et al., arXiv:2204.07143, and its library NATTEN.

    Raises:
        UsageError: the kernel is even, so that it has no middle; or there are not as many numbers as axes.
        UndefinedError: blocks are asked for at sizes that are no numbers.
    """
    kernels = kernels_of(kernel, len(dims.spatial))
    biases = 4 * dims.c if options.projection == PUBLISHED else 0
    options = options.as_in("qkvo", "sqrt")
    if options.implementation == FLEXIBLE:
        pairs = min(dims.positions**2, BLOCK**2 * blocks_visited(dims.spatial, kernels))
    else:
        pairs = dims.positions * math.prod(itertools.starmap(_keys_along, zip(dims.spatial, kernels, strict=True)))
    transformed, params = transformations(dims.positions, dims.positions, dims.c, options)
    scaled = dims.positions * dims.c if options.scale == "sqrt" else 0
    if options.implementation == FLEXIBLE:
        scaled = FUSED_SCALE_FLOPS * options.heads * pairs
    return Cost(
        macs=2 * pairs * dims.c + transformed,
        elementwise=biases * dims.positions + scaled + softmax_flops(options.heads * pairs),
        params=params + biases,
        map_entries=options.heads * pairs,
    )


def blocks_visited(spatial: Sequence[Size], kernels: Sequence[int]) -> int:
    """Pairs of a block of queries and a block of keys, of which any attends to any.

    Raises:
        UndefinedError: the sizes are no numbers, or too many positions.
    """
    if not all(isinstance(size, int) for size in spatial):
        raise UndefinedError("the blocks of FlexAttention have no closed form: they are counted at each size")
    if math.prod(spatial) > MOST_POSITIONS:
        raise UndefinedError(f"the blocks of FlexAttention are counted up to {MOST_POSITIONS:,} positions")
    visited: set[tuple[int, int]] = set()
    for number, place in enumerate(itertools.product(*map(range, spatial))):
        *outer, last = (
            _window(i, size, min(size, kernel)) for i, size, kernel in zip(place, spatial, kernels, strict=True)
        )
        for line in itertools.product(*outer):
            first = _number((*line, last[0]), spatial)
            blocks = range(first // BLOCK, (first + len(last) - 1) // BLOCK + 1)
            visited.update((number // BLOCK, block) for block in blocks)
    return len(visited)


def _window(i: int, size: int, length: int) -> range:
    start = min(max(i - length // 2, 0), size - length)
    return range(start, start + length)


def _number(place: Sequence[int], spatial: Sequence[int]) -> int:
    """The number of a position, row by row."""
    number = 0
    for i, size in zip(place, spatial, strict=True):
        number = number * size + i
    return number


def _keys_along(size: Size, kernel: int) -> Size:
    """Keys along an axis; a symbol stands for a size that is at least the kernel."""
    return min(size, kernel) if isinstance(size, int) else kernel

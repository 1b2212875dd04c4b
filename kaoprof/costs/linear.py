"""Attention without a map of positions by positions: linear attention, and efficient attention."""

from kaoprof.costs.arithmetic import softmax_flops
from kaoprof.costs.cost import Cost
from kaoprof.dims import AttentionOptions, Dims, Size

FEATURE_FLOPS = 2  # per element: elu, and the 1 that is added
MATRICES = {"none": 0, "value": 1, "qkv": 3, "qkvo": 4}  # c x c, by projection


def linear_attention(dims: Dims, options: AttentionOptions) -> Cost:
    """Values are summed by features of the keys, then asked for: MACs 2 N c^2 / heads + N c, of which N c normalise.

    As published it has no transformations of its own: these belong to the layer around it.
    Source: arXiv:2006.16236, equations 4 to 7.
    """
    options = options.as_in("none", "none")
    elements = dims.positions * dims.c
    featured = 2 if options.projection in ("qkv", "qkvo") else 1  # else queries and keys are the same
    summed = elements - dims.c  # the keys, over the positions
    weights = options.heads * dims.positions  # each is kept from being zero
    divided = elements
    return Cost(
        macs=2 * context_macs(dims.positions, dims.c, dims.c, options.heads)
        + elements
        + MATRICES[options.projection] * dims.positions * dims.c**2,
        elementwise=featured * FEATURE_FLOPS * elements + summed + weights + divided,
        params=MATRICES[options.projection] * dims.c**2,
        map_entries=context_entries(dims.c, dims.c, options.heads),
    )


def efficient_attention(
    dims: Dims, options: AttentionOptions, *, key_channels: int = 0, value_channels: int = 0
) -> Cost:
    """Softmax of the keys over positions, of the queries over a head's channels: MACs 2 N dk dv / heads.

    As published `key_channels` (dk) and `value_channels` (dv) are other than c, all four transformations have biases,
    and the input is added; where they are 0, and without the published projections, dk = dv = c.
    Source: arXiv:1812.01243, equation 4.
    """
    published = options.projection == "published"
    options = options.as_in("none", "none")
    n, c = dims.positions, dims.c
    dk, dv = (key_channels or c, value_channels or c) if published else (c, c)
    matrices = 2 * c * dk + 2 * c * dv if published else MATRICES[options.projection] * c**2
    biases = 2 * dk + dv + c if published else 0
    residual = n * c if published else 0
    return Cost(
        macs=2 * context_macs(n, dk, dv, options.heads) + n * matrices,
        elementwise=2 * softmax_flops(n * dk) + n * biases + residual,
        params=matrices + biases,
        map_entries=context_entries(dk, dv, options.heads) + 2 * n * dk,
    )


def context_macs(positions: Size, keys: Size, values: Size, heads: int) -> Size:
    """Of one product between positions and the heads' context matrices: N dk dv / heads, and so often is each made."""
    return positions * context_entries(keys, values, heads)


def context_entries(keys: Size, values: Size, heads: int) -> Size:
    """Of the context matrices, (dk / heads) x (dv / heads) for each head; heads divide both."""
    return keys * values // heads

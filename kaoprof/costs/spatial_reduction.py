"""Spatial-reduction attention: every position asks, fewer answer."""

import math

from kaoprof.costs.arithmetic import layer_norm_flops, mean_flops, pool_flops
from kaoprof.costs.cost import Cost, attention_cost
from kaoprof.dims import AttentionOptions, Dims, Size
from kaoprof.errors import UndefinedError


def spatial_reduction(
    dims: Dims, options: AttentionOptions, *, reduction: int = 8, pooled: int = 0, biases: int = 0
) -> Cost:
    """Keys and values are taken of prod(s_k // R) positions, or of `pooled` along each axis: MACs 2 N n_kv c.

    With a fixed `reduction` R this still grows with N^2, divided by R^d; with `pooled` it grows with N. Without the
    published projections the positions are averages of R^d positions each, or adaptive ones. As published they are
    transformed, by a convolution of kernel and stride R or after pooling, and normalised; the output has a bias, and
    with `biases`, as in PVT's networks, queries, keys and values have one, too.
    Source: Wang et al., PVT, arXiv:2102.12122, section 3.3 (`reduction`; 8, 4, 2, 1 in its four stages); PVT v2,
    arXiv:2106.13797, section 3.1 (`pooled`, 7 there).

    Raises:
        UndefinedError: nothing is left along an axis.
    """
    published = options.projection == "published"
    options = options.as_in("qkvo", "sqrt")
    keys = keys_of(dims, reduction, pooled)
    reducing = convolved(dims, keys, reduction, pooled) if published else averaged(dims, keys, reduction, pooled)
    attended = attention_cost(dims.positions, keys, dims.c, options, elementwise_around=reducing.elementwise)
    biased = dims.positions if published else 0  # positions of the output, of queries, and of keys and values
    biased += dims.positions + 2 * keys if published and biases else 0
    vectors = (4 if biases else 1) if published else 0
    return Cost(
        macs=attended.macs + reducing.macs,
        elementwise=attended.elementwise + biased * dims.c,
        params=attended.params + reducing.params + vectors * dims.c,
        map_entries=attended.map_entries,
    )


def keys_of(dims: Dims, reduction: int, pooled: int) -> Size:
    """How many positions answer."""
    if pooled:
        return pooled ** len(dims.spatial)
    if any(isinstance(size, int) and size < reduction for size in dims.spatial):
        sizes = " x ".join(map(str, dims.spatial))
        raise UndefinedError(f"a reduction by {reduction} leaves nothing of {sizes} positions")
    return math.prod(size // reduction for size in dims.spatial)


def averaged(dims: Dims, keys: Size, reduction: int, pooled: int) -> Cost:
    """The means of the positions that each key stands for; none where it stands for one."""
    if pooled:
        flops = mean_flops(dims.positions * dims.c)
    else:
        flops = 0 if reduction == 1 else pool_flops(keys * dims.c, reduction ** len(dims.spatial))
    return Cost(macs=0, elementwise=flops, params=0, map_entries=0)


def convolved(dims: Dims, keys: Size, reduction: int, pooled: int) -> Cost:
    """What is published instead: a convolution with bias, or a transformation of the means and GELU; a layer norm."""
    if reduction == 1 and not pooled:
        return averaged(dims, keys, reduction, pooled)
    matrices = (1 if pooled else reduction ** len(dims.spatial)) * dims.c**2
    elements = keys * dims.c
    pooling = mean_flops(dims.positions * dims.c) + elements if pooled else 0  # and activation
    return Cost(
        macs=keys * matrices,
        elementwise=pooling + elements + layer_norm_flops(elements),
        params=matrices + 3 * dims.c,
        map_entries=0,
    )

"""Attention within windows, shifted or not, and within grids of tokens that lie apart."""

import math

from msgspec.structs import replace

from kaoprof.costs.cost import Cost, attention_cost
from kaoprof.dims import PUBLISHED, AttentionOptions, Dims, PerAxis, ceil_div, per_axis, shifts_of


def window_attention(dims: Dims, options: AttentionOptions, *, window: PerAxis = 7, shift: PerAxis = 0) -> Cost:
    """Every position attends to the M^d positions of its window: MACs 2 M^d N' c + N' c^2, d axes.

    M may differ from axis to axis: M^d is then their product, as in Video Swin (arXiv:2106.13230). N' are the positions
    after each axis is padded to a multiple of M: what Swin computes. Shifted windows wrap around
    the edges, and a mask keeps apart what does not lie together. As published: query, key, value and output, all with
    biases, and a bias for each head and relative position.

    Source: Liu et al., Swin Transformer, arXiv:2103.14030.

    Raises:
        UsageError: the shift is not below the window, or there are not as many numbers as axes.
    """
    shifted = any(shifts_of(window, shift, len(dims.spatial)))
    cost = _in_groups(dims, options, window)
    return replace(cost, elementwise=cost.elementwise + cost.map_entries) if shifted else cost  # the mask is added


def grid_attention(dims: Dims, options: AttentionOptions, *, window: PerAxis = 7) -> Cost:
    """Every position attends to M^d positions that lie at equal distances all over the map; MACs as of windows.

    Source: Tu et al., MaxViT, arXiv:2204.01697.
    """
    return _in_groups(dims, options, window)


def _in_groups(dims: Dims, options: AttentionOptions, window: PerAxis) -> Cost:
    """Attention within each of N' / M^d groups of M^d positions."""
    published = options.projection == PUBLISHED
    options = options.as_in("qkvo", "sqrt")
    windows = per_axis(window, len(dims.spatial), "window")
    tokens = math.prod(windows)
    groups = math.prod(ceil_div(size, length) for size, length in zip(dims.spatial, windows, strict=True))
    each = attention_cost(tokens, tokens, dims.c, options, elementwise_around=0)
    biases = 4 * dims.c if published else 0
    relative = options.heads * math.prod(2 * length - 1 for length in windows) if published else 0
    around = biases * tokens + (each.map_entries if published else 0)  # biases of projections, and of coefficients
    return Cost(
        macs=groups * each.macs,
        elementwise=groups * (each.elementwise + around),
        params=each.params + biases + relative,
        map_entries=groups * each.map_entries,
    )

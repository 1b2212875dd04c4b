"""Criss-cross attention: every position attends to its row and its column, with one softmax over both."""

from kaoprof.costs.arithmetic import softmax_flops
from kaoprof.costs.cost import Cost, transformations
from kaoprof.dims import PUBLISHED, AttentionOptions, Dims
from kaoprof.errors import UndefinedError

KEY_SHARE = 8  # as published, queries and keys have c / 8 channels


def criss_cross(dims: Dims, options: AttentionOptions, *, loops: int = 1) -> Cost:
    """Each of R loops: similarities with the S positions of its lines and a weighted sum, MACs R (2 N S c + N c^2).

    All loops share their weights. As published: one head, queries and keys of c / 8 channels, values of c, all with
    biases, no scale, a residual sum with one weight: R (N c^2 / 4 + N c^2 + N S (c / 8 + c)). R = 2 is RCCA.

    Source: Huang et al., CCNet, arXiv:1811.11721. Over three axes the lines are those of t, h and w.

    Raises:
        UndefinedError: of one axis; or as published, of fewer than 8 channels.
    """
    if len(dims.spatial) == 1:
        raise UndefinedError("criss-cross attention has no meaning on one axis: its only line is the whole input")
    if options.projection == PUBLISHED and isinstance(dims.c, int) and dims.c < KEY_SHARE:
        raise UndefinedError(f"as published its keys have c / {KEY_SHARE} channels: of {dims.c} none are left")
    positions, coefficients = dims.positions, options.heads * dims.positions * dims.averages
    added = (len(dims.spatial) - 1) * positions * dims.c
    if options.projection == PUBLISHED:
        keys = dims.c // KEY_SHARE
        coefficients = positions * dims.averages
        macs = positions * (2 * keys + dims.c) * dims.c + coefficients * (keys + dims.c)
        around = positions * (2 * keys + dims.c) + 2 * positions * dims.c  # biases; the residual sum and its weight
        params = (2 * keys + dims.c) * (dims.c + 1) + 1
    else:
        transformed, params = transformations(positions, positions, dims.c, options)
        macs = 2 * positions * dims.averages * dims.c + transformed
        around = positions * dims.c if options.scale == "sqrt" else 0
    return Cost(
        macs=loops * macs,
        elementwise=loops * (added + around + softmax_flops(coefficients)),
        params=params,
        map_entries=coefficients,
    )

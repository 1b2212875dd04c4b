"""Coordinate attention: gates for each axis, made of the averages over all the others."""

from kaoprof.costs.arithmetic import batch_norm_flops
from kaoprof.costs.cost import Cost
from kaoprof.costs.kronecker import averages_flops
from kaoprof.dims import AttentionOptions, Dims, at_least
from kaoprof.errors import UndefinedError

LEAST_CHANNELS = 8


def coordinate_attention(dims: Dims, options: AttentionOptions, *, ratio: int = 32) -> Cost:
    """S averages go through max(8, c / ratio) channels and become gates of the positions: MACs 2 S c m.

    The means and the products with the gates are no MACs, and take most of the time; see `flops_all`. It has no
    queries, keys or values: `projection` changes nothing.
    Source: Hou et al., Coordinate Attention, arXiv:2103.02907, section 3.2; with three axes a gate more.

    Raises:
        UndefinedError: there is one axis only.
    """
    del options
    axes = len(dims.spatial)
    if axes == 1:
        raise UndefinedError("coordinate attention averages over the other axes, and with one axis there is none")
    c, s = dims.c, dims.averages
    narrow = at_least(LEAST_CHANNELS, c // ratio)
    biases = s * narrow + s * c
    hidden = batch_norm_flops(s * narrow) + s * narrow  # and activated
    gates = s * c
    gating = axes * dims.positions * c
    return Cost(
        macs=s * c * narrow + s * narrow * c,
        elementwise=averages_flops(dims) * c + biases + hidden + gates + gating,
        params=(c * narrow + narrow) + 2 * narrow + axes * (narrow * c + c),
        map_entries=s * c,
    )

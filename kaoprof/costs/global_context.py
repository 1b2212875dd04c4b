"""The global context block: one weighted mean of all positions, added to each of them."""

from kaoprof.costs.arithmetic import layer_norm_flops, softmax_flops
from kaoprof.costs.cost import Cost
from kaoprof.dims import AttentionOptions, Dims, at_least


def global_context(dims: Dims, options: AttentionOptions, *, ratio: int = 16) -> Cost:
    """A context of all positions, transformed through c / ratio channels: MACs 2 N c + 2 c (c / ratio).

    It has no queries, keys or values to transform: `projection` changes nothing, and its own transformation always
    counts.
    Source: Cao et al., GCNet, arXiv:1904.11492, figure 4d.
    """
    del options
    n, c = dims.positions, dims.c
    narrow = at_least(1, c // ratio)
    weighing = n * c
    context = n * c
    transformed = 2 * c * narrow
    biases_weights = n + narrow + c
    normalised = layer_norm_flops(narrow) + narrow  # and rectified
    added = n * c
    return Cost(
        macs=weighing + context + transformed,
        elementwise=softmax_flops(n) + biases_weights + normalised + added,
        params=(c + 1) + (c * narrow + narrow) + 2 * narrow + (narrow * c + c),
        map_entries=n,
    )

"""Kronecker attention: KAO_KV and KAO_QKV."""

import math

from kaoprof.costs.arithmetic import mean_flops
from kaoprof.costs.cost import Cost, attention_cost
from kaoprof.costs.non_local import nonlocal_attention
from kaoprof.dims import AttentionOptions, Dims, Size


def kao_kv(dims: Dims, options: AttentionOptions) -> Cost:
    """Every position attends to the S averages: n_q = N, n_kv = S, MACs 2 N S c + S c^2.

    Source: arXiv:2007.08442, section 3.3 (KAO_KV). For one spatial axis it is regular attention.
    """
    if len(dims.spatial) == 1:
        return nonlocal_attention(dims, options)
    return attention_cost(
        dims.positions, dims.averages, dims.c, options, elementwise_around=averages_flops(dims) * dims.c
    )


def kao_qkv(dims: Dims, options: AttentionOptions) -> Cost:
    """The S averages attend to each other: n_q = n_kv = S, MACs 2 S^2 c + S c^2.

    Source: arXiv:2007.08442, section 3.3 (KAO_QKV). Averages and outer sum are not MACs; see `flops_all`.
    For one spatial axis it is regular attention.
    """
    if len(dims.spatial) == 1:
        return nonlocal_attention(dims, options)
    around = (averages_flops(dims) + outer_sum_flops(dims)) * dims.c
    return attention_cost(dims.averages, dims.averages, dims.c, options, elementwise_around=around)


def averages_flops(dims: Dims) -> Size:
    """Per channel: for each spatial axis the mean over all the others.

    What is left is read twice for each axis but the last: for that axis's averages, and to average the axis away; 2 h w
    in all for 2-D, and 2 t h w + 2 h w for 3-D.
    """
    return sum(2 * mean_flops(math.prod(dims.spatial[axis:])) for axis in range(len(dims.spatial) - 1))


def outer_sum_flops(dims: Dims) -> Size:
    """Per channel: `Y[i_1, ..., i_d] = sum_k O_k[i_k]`, built up axis by axis (s_1 s_2, then s_1 s_2 s_3 additions)."""
    return sum(math.prod(dims.spatial[:axes]) for axes in range(2, len(dims.spatial) + 1))

"""Regular (non-local) attention, and attention with pooled keys."""

import math

from kaoprof.costs.arithmetic import pool_flops
from kaoprof.costs.cost import Cost, attention_cost
from kaoprof.dims import AttentionOptions, Dims, ceil_div

POOL_STRIDE = 2  # per spatial axis, ceil mode: 7 positions become 4


def nonlocal_attention(dims: Dims, options: AttentionOptions) -> Cost:
    """Every position attends to every position: n_q = n_kv = N, MACs 2 N^2 c + N c^2.

    Source: arXiv:2007.08442, section 3.1 (regular attention on the mode-3 unfolding); the non-local operator.
    """
    return attention_cost(dims.positions, dims.positions, dims.c, options, elementwise_around=0)


def nonlocal_pooled_attention(dims: Dims, options: AttentionOptions) -> Cost:
    """Keys and values come from the input after 2-per-axis max pooling: n_q = N, n_kv = prod(ceil(s_k / 2)).

    For even sizes n_kv = N / 4 in 2-D. Keys and values are transformed after pooling.
    Source: arXiv:2007.08442, section 4 ("attention + pooling").
    """
    n_keys = math.prod(ceil_div(size, POOL_STRIDE) for size in dims.spatial)
    pooling = pool_flops(n_keys * dims.c, POOL_STRIDE ** len(dims.spatial))
    return attention_cost(dims.positions, n_keys, dims.c, options, elementwise_around=pooling)

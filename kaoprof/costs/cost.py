"""What a closed form says: the cost of one sample, and the order that follows from it."""

import math
from collections.abc import Callable

import msgspec

from kaoprof.costs.arithmetic import FLOPS_PER_MAC, FUSED_SCALE_FLOPS, TRAIN_FACTOR, softmax_flops
from kaoprof.dims import AttentionOptions, Size

STAYING = 2**10  # what does not grow has this size: more than any window, far less than a degree is read off at
HUGE = 2**40  # doubling so large a size tells a polynomial's degree exactly: its lower terms no longer show


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of one forward pass of one sample.

    `macs` are contractions only; `elementwise` is every other FLOP, by the rules of `arithmetic`; `params` are weights;
    `map_entries` is the number of attention coefficients, all heads together: the paper's space complexity.
    `macs_backward` are the contractions of the backward pass, where they are not twice those of the forward pass.
    """

    macs: Size
    elementwise: Size
    params: Size
    map_entries: Size
    macs_backward: Size | None = None

    @property
    def macs_trained(self) -> Size:
        """Contractions of forward and backward: each has two inputs that need gradients, unless it says otherwise."""
        return self.macs * TRAIN_FACTOR if self.macs_backward is None else self.macs + self.macs_backward

    @property
    def flops_all(self) -> Size:
        """All arithmetic, with 1 MAC = 2 FLOPs."""
        return FLOPS_PER_MAC * self.macs + self.elementwise


CostFunction = Callable[..., Cost]  # of dims and options; and, by keyword, of what only this operator can be told


def attention_cost(
    n_queries: Size, n_keys: Size, c: Size, options: AttentionOptions, *, elementwise_around: Size
) -> Cost:
    """Similarities, softmax over the keys and weighted sum, with the linear transformations that `options` ask for.

    MACs: 2 n_q n_kv c for the two products, and c^2 per transformed position (arXiv:2007.08442, counted as in its
    MAdd tables: exactly one transformation, on the values, for `projection="value"`; `published` is that, unscaled).

    Args:
        n_queries: positions that ask (n_q).
        n_keys: positions that answer (n_kv).
        c: channels.
        options: heads, projection, scale and implementation.
        elementwise_around: FLOPs of the steps before and after: averages, pooling, outer sum.
    """
    options = options.as_in()
    coefficients = options.heads * n_queries * n_keys
    similarities = n_queries * n_keys * c
    weighted_sum = n_queries * n_keys * c
    transformed, params = transformations(n_queries, n_keys, c, options)
    return Cost(
        macs=similarities + weighted_sum + transformed,
        elementwise=elementwise_around + scale_flops(coefficients, n_keys * c, options) + softmax_flops(coefficients),
        params=params,
        map_entries=coefficients,
    )


def transformations(n_queries: Size, n_keys: Size, c: Size, options: AttentionOptions) -> tuple[Size, Size]:
    """MACs and weights of the c x c transformations that `options` ask for: c^2 per transformed position."""
    transformed = {
        "none": 0,
        "value": n_keys,
        "qkv": n_queries + 2 * n_keys,
        "qkvo": 2 * n_queries + 2 * n_keys,
    }[options.projection]
    matrices = {"none": 0, "value": 1, "qkv": 3, "qkvo": 4}[options.projection]
    return transformed * c**2, matrices * c**2


def scale_flops(coefficients: Size, key_elements: Size, options: AttentionOptions) -> Size:
    """The explicit form scales the keys, if at all; a fused kernel always scales every coefficient."""
    if options.implementation == "sdpa":
        return FUSED_SCALE_FLOPS * coefficients
    return key_elements if options.scale == "sqrt" else 0


def order(macs: Callable[[int, int], int], size_name: str) -> str:
    """The order of growth such as `O(h^4 c)`, read off a polynomial in size and channels with positive coefficients.

    All spatial sizes grow together (h = w = t) and the channels stay: the term with the highest power of the size wins.
    """
    size_power = degree(lambda size: macs(size, STAYING))
    channel_power = degree(lambda channels: macs(HUGE**4, channels))
    powers = {size_name: size_power, "c": channel_power}
    factors = [name if power == 1 else f"{name}^{power}" for name, power in powers.items() if power]
    return f"O({' '.join(factors) or '1'})"


def degree(polynomial: Callable[[int], int]) -> int:
    """The highest power of a polynomial with positive coefficients."""
    return round(math.log2(polynomial(2 * HUGE) / polynomial(HUGE)))

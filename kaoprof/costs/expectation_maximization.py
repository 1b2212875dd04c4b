"""Expectation-maximization attention: a few bases found by iteration, and the positions rebuilt of them."""

from kaoprof.costs.arithmetic import NORM_FLOPS, batch_norm_flops, softmax_flops
from kaoprof.costs.cost import Cost
from kaoprof.dims import AttentionOptions, Dims, Size


def expectation_maximization(dims: Dims, options: AttentionOptions, *, bases: int = 64, iterations: int = 3) -> Cost:
    """Each iteration weighs the bases at every position and averages the positions: MACs (2 T + 1) N K c.

    As published two transformations and a batch norm stand around it, 2 N c^2. It has no queries, keys or values that
    could be transformed otherwise. Iterations take no gradients, so neither does what is rebuilt of their results: a
    backward pass has no contraction but the gradient of the last transformation's weights.
    Source: Li et al., EMANet, arXiv:1907.13426, section 3.
    """
    n, c = dims.positions, dims.c
    published = options.projection == "published"
    residual = n * c
    around = 2 * n * c**2 if published else 0
    elementwise_around = n * c + 2 * n * c + batch_norm_flops(n * c) if published else 0  # a bias, two rectifications
    return Cost(
        macs=(2 * iterations + 1) * n * bases * c + around,
        elementwise=iterations * iteration_flops(n, c, bases) + residual + elementwise_around,
        params=2 * c**2 + c + 2 * c if published else 0,
        map_entries=n * bases,
        macs_backward=n * c**2 if published else 0,
    )


def iteration_flops(positions: Size, channels: Size, bases: int) -> Size:
    """Softmax over the bases, weighted means of the positions, and bases of length 1; nothing is divided by zero."""
    weights = softmax_flops(positions * bases)
    divisors = (positions - 1) * bases + bases  # sums over positions, kept from zero
    means = channels * bases
    lengths = NORM_FLOPS * channels * bases + bases
    normalised = channels * bases
    return weights + divisors + means + lengths + normalised

"""What one operation costs: the rules behind every FLOP that kaoprof prints, on paper and when it counts.

Convention: 1 multiply-add (MAC) = 2 FLOPs. Outside contractions each of +, -, x, /, max, compare, exp and any other
function of one element is 1 FLOP. Copies, views, concatenation and padding are 0: they move data and compute nothing.
"""

from kaoprof.dims import Size, ceil_div

FLOPS_PER_MAC = 2
SOFTMAX_FLOPS = 5  # per coefficient: maximum, subtraction, exponential, sum, division
FUSED_SCALE_FLOPS = 1  # per coefficient: a fused kernel scales the similarities, also by 1
NORMALISE_FLOPS = 4  # per element: subtract, multiply, and the affine pair
STATISTICS_FLOPS = 4  # per element of a normalisation: mean 1, variance 3
NORM_FLOPS = 2  # per element of a length: square, sum
TRAIN_FACTOR = 3  # a contraction of two inputs that both need gradients: one product forward, two backward


def mean_flops(elements: Size) -> Size:
    """A mean of k elements is k - 1 additions and a division: one FLOP for each element read."""
    return elements


def pool_flops(outputs: Size, window: int) -> Size:
    """A pooling window counts one FLOP for each element that it covers, also where it hangs over the edge."""
    return outputs * window


def layer_norm_flops(elements: Size) -> Size:
    """Statistics, normalisation and the affine pair."""
    return (STATISTICS_FLOPS + NORMALISE_FLOPS) * elements


def batch_norm_flops(elements: Size) -> Size:
    """Normalisation by known statistics, and the affine pair."""
    return NORMALISE_FLOPS * elements


def softmax_flops(coefficients: Size) -> Size:
    """Softmax over rows that hold `coefficients` entries in all."""
    return SOFTMAX_FLOPS * coefficients


def shared_out(flops: Size, batch: Size) -> Size:
    """What is done once for a whole batch, as the share of each sample: rounded up, as counts are; exact of symbols."""
    return ceil_div(flops, batch) if isinstance(flops, int) and isinstance(batch, int) else flops / batch


def interpolation_flops(outputs: Size, axes: int) -> Size:
    """Linear interpolation along `axes` axes: each output is a weighted sum of its 2^axes neighbours."""
    neighbours = 2**axes
    return outputs * (2 * neighbours - 1)

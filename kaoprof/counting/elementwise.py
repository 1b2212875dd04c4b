"""FLOPs outside of contractions: one rule for each kind of operation; see `costs.arithmetic` for the convention."""

import math
from collections.abc import Callable
from typing import Any

from kaoprof.costs.arithmetic import NORMALISE_FLOPS, STATISTICS_FLOPS
from kaoprof.counting.shapes import Shaped, first_tensor, is_shaped
from kaoprof.dims import Size

Rule = Callable[..., Size | None]  # (*args of the operation, out=its output, **kwargs) -> count; None where unknown

COMPLEX_PRODUCT_FLOPS = 6  # four products and two sums
COMPLEX_SUM_FLOPS = 2
AFFINE_FLOPS = 1  # per element: a weight is multiplied, or a bias is added
FFT_FLOPS = 5  # n log2(n) times this, as is the custom, also of real numbers
RMS_FLOPS = 3  # per element: square, sum, scale; the weight comes on top
CELL_FLOPS = 4 + 3 + 1 + 1  # per hidden number of an LSTM: activations of the gates, products, a sum, the last tanh
GATE_SUMS = 3  # per gate: both biases, and the sum of both products
LSTM_GATES = 4
DISTANCE_FLOPS = 3
LERP_FLOPS = 3  # difference, product, sum


def per_output(flops: int) -> Rule:
    """A rule of `flops` for each element of the (first) output."""
    return lambda *_, out, **__: flops * first_tensor(out).numel()


def per_input(flops: int) -> Rule:
    """A rule of `flops` for each element of the first input."""
    return lambda x, *_, **__: flops * first_tensor(x).numel()


def convolution_flops(x: Shaped, weight: Shaped, bias: object, *_: object, out: Shaped, **__: object) -> Size:
    """Adding the bias to each output element."""
    del x, weight
    return 0 if bias is None else out.numel()


def convolution_backward_flops(grad_out: Shaped, *args: Any, **_: object) -> Size:
    """The gradient of the bias is a sum over all but the channels."""
    return grad_out.numel() - grad_out.shape[1] if args[-1][2] else 0


def _normalising(weight: object, bias: object) -> int:
    given = (weight is not None) + (bias is not None)
    return NORMALISE_FLOPS - AFFINE_FLOPS * (2 - given)


def batch_norm_flops(x: Shaped, weight: object, bias: object, *args: Any, **_: object) -> Size:
    """Normalise; while training also the statistics of the batch. Weight and bias count where they are given."""
    training = any(arg is True for arg in args)
    return x.numel() * (_normalising(weight, bias) + (STATISTICS_FLOPS if training else 0))


def layer_norm_flops(x: Shaped, _: object, weight: object, bias: object, *__: object, **___: object) -> Size:
    """Statistics and normalisation; weight and bias count where they are given."""
    return x.numel() * (STATISTICS_FLOPS + _normalising(weight, bias))


def group_norm_flops(x: Shaped, weight: object, bias: object, *_: object, **__: object) -> Size:
    """Statistics and normalisation of `x`, as for a layer norm, whose arguments come in another order."""
    return layer_norm_flops(x, None, weight, bias)


def rms_norm_flops(x: Shaped, _: object, weight: object = None, *__: object, **___: object) -> Size:
    """Squares, their sum, the scale; the weight counts where it is given."""
    return x.numel() * (RMS_FLOPS + (weight is not None) * AFFINE_FLOPS)


def sum_rule(x: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """The sum of k elements is k - 1 additions; with the division that follows it, a mean."""
    return x.numel() - out.numel()


def _is_complex(value: Any) -> bool:
    return bool(value.is_complex()) if is_shaped(value) else isinstance(value, complex)


def product_rule(x: Shaped, y: object, *_: object, out: Shaped, **__: object) -> Size:
    """Element by element; of two complex numbers it takes four products and two sums, with a real one two products."""
    if not out.is_complex():
        return out.numel()
    both = _is_complex(x) and _is_complex(y)
    return out.numel() * (COMPLEX_PRODUCT_FLOPS if both else COMPLEX_SUM_FLOPS)


def scaled_sum_rule(*_: object, out: Shaped, alpha: object = 1, **__: object) -> Size:
    """Element by element, and a product where the second one is scaled; complex numbers cost what their parts do."""
    return out.numel() * (COMPLEX_SUM_FLOPS if out.is_complex() else 1) * (1 if alpha == 1 else 2)


def added_product_rule(*_: object, out: Shaped, value: object = 1, **__: object) -> Size:
    """`x + value * y * z`, or `y / z`: two for each element, three where it is scaled."""
    return out.numel() * (2 if value == 1 else 3)


def added_rule(x: Shaped, dim: int, index: object, source: Shaped, *_: object, **__: object) -> Size:
    """Each element of the source is added to one of `x`."""
    del x, dim, index
    return source.numel()


def accumulated_rule(
    x: Shaped, indices: object, values: Shaped, accumulate: bool = False, *_: object, **__: object
) -> Size:
    """`index_put`: free where values are put, a sum for each where they are added."""
    del x, indices
    return values.numel() if accumulate else 0


def _log2(length: Size) -> int | None:
    """How often a length can be halved; None for a symbol, of which no formula of ours has a logarithm."""
    return math.ceil(math.log2(length)) if isinstance(length, int) and length > 0 else 0 if length == 0 else None


def _sorting(x: Shaped, length: Size) -> Size | None:
    halvings = _log2(length)
    return None if halvings is None else x.numel() * max(halvings, 1)


def sort_rule(x: Shaped, *args: Any, dim: int = -1, **_: object) -> Size | None:
    """n log2(n) comparisons along the sorted axis."""
    whole_numbers = [arg for arg in args if isinstance(arg, int) and not isinstance(arg, bool)]
    axis = whole_numbers[0] if whole_numbers else dim
    return _sorting(x, x.shape[axis] if x.ndim else 1)


def sort_all_rule(x: Shaped, *_: object, **__: object) -> Size | None:
    """n log2(n) comparisons of all elements."""
    return _sorting(x, x.numel())


def topk_rule(x: Shaped, k: Size, *_: object, **__: object) -> Size | None:
    """The greatest k of n: n log2(k) comparisons, and at least n."""
    return _sorting(x, k)


def search_rule(ordered: Shaped, values: Any, *_: object, **__: object) -> Size | None:
    """A binary search for each value."""
    return _sorting(first_tensor(values), ordered.shape[-1]) if is_shaped(values) else _log2(ordered.shape[-1])


def bucket_rule(values: Any, ordered: Shaped, *_: object, **__: object) -> Size | None:
    """A binary search for each value."""
    return search_rule(ordered, values)


def fft_rule(x: Shaped, axes: list[int], *_: object, out: Shaped, **__: object) -> Size | None:
    """5 n log2(n) for each transform of n numbers, real or complex, over one axis or several."""
    longer = x if x.numel() >= out.numel() else out
    length = math.prod(longer.shape[axis] for axis in axes)
    if not isinstance(length, int):
        return None
    return round(FFT_FLOPS * longer.numel() * math.log2(length)) if length > 1 else 0


def recurrent_flops(x: Shaped, _: object, recurrent: Shaped, *__: object, **___: object) -> Size:
    """One layer of an LSTM in one direction: biases and sums of the gates, activations, products, the new state."""
    gates, hidden = recurrent.shape
    return x.shape[0] * x.shape[1] * (GATE_SUMS * gates + CELL_FLOPS * hidden)


def stacked_recurrent_flops(x: Shaped, weights: list[Shaped], *_: object, **__: object) -> Size:
    """All layers of a recurrent network in one kernel, as of an LSTM: for each its second matrix tells the gates."""
    steps = math.prod(x.shape[:-1])
    matrices = [weight for weight in weights if weight.ndim > 1]
    return sum(
        steps * (GATE_SUMS * recurrent.shape[0] + CELL_FLOPS * recurrent.shape[0] // LSTM_GATES)
        for recurrent in matrices[1::2]
    )


def cell_flops(gates: Shaped, *_: object, **__: object) -> Size:
    """One step of a recurrent cell after its products: biases, sums, activations, products."""
    return GATE_SUMS * gates.numel() + CELL_FLOPS * gates.numel() // LSTM_GATES


def distance_rule(x: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """Of each pair of points: difference, square or size, and their sum along the axes."""
    return DISTANCE_FLOPS * out.numel() * x.shape[-1]


def distance_backward_rule(grad_out: Shaped, x: Shaped, *_: object, **__: object) -> Size:
    """Of each pair of points and axis: difference, product with the gradient, and its sum."""
    return DISTANCE_FLOPS * grad_out.numel() * x.shape[-1]


def euclidean_rule(x: Shaped, y: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """Beside the product: the length of each point, twice the product, both lengths added to it, and a root."""
    return 2 * (x.numel() + y.numel()) + 4 * out.numel()


def bag_rule(grad_out: Shaped, indices: Shaped, *_: object, **__: object) -> Size:
    """The gradient of a bag is added to each number that was in it."""
    return indices.numel() * grad_out.shape[-1]

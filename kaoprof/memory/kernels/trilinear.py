"""What products of three tensors hold for themselves."""

from typing import Any

from torch import Tensor

from kaoprof.counting.trilinear import Trilinear, trilinear_of
from kaoprof.dims import Size
from kaoprof.memory.kernels.bfloat16_blocks import Product, blocked_bytes
from kaoprof.memory.kernels.onednn import multiplies_in_blocks


def trilinear_scratch(*args: Any, threads: int, **kwargs: Any) -> Size:
    """Bytes of a slice's first product, and of that with the third tensor."""
    form = trilinear_of(*args, **kwargs)
    element = args[0].element_size()
    between = form.count(form.between)
    result = form.count((form.between | form.third) - form.summed - {form.unrolled})
    first, second = element * between, element * (between + result)
    if multiplies_in_blocks(args[0].dtype):
        first += _blocks(form, form.first, form.second, form.early, threads)
        second += _blocks(form, form.between, form.third, form.summed - form.early - {form.unrolled}, threads)
    return max(first, second)


def _blocks(form: Trilinear, left: frozenset[int], right: frozenset[int], over: frozenset[int], threads: int) -> Size:
    """What oneDNN holds during a batch of products that sum `over` axes; without any it is none."""
    left, right = left - {form.unrolled}, right - {form.unrolled}
    if not over:
        return 0
    shared = (left & right) - over
    rows, columns = left - right, right - left
    product = Product(form.count(shared), form.count(rows), form.count(over), form.count(columns), columnwise=False)
    return blocked_bytes(product, threads)


def trilinear_gap(one: Tensor, *_: Any) -> str | None:
    """Which product this is, if its buffers are not wholly modelled."""
    return "trilinear product in bfloat16" if multiplies_in_blocks(one.dtype) else None

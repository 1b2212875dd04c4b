"""What products of three tensors hold for themselves."""

from typing import Any

from kaoprof.counting.trilinear import trilinear_of
from kaoprof.dims import Size


def trilinear_scratch(*args: Any, threads: int, **kwargs: Any) -> Size:
    """Bytes of a slice's first product, and of that with the third tensor."""
    del threads
    form = trilinear_of(*args, **kwargs)
    result = form.count((form.between | form.third) - form.summed - {form.unrolled})
    held: Size = args[0].element_size() * (form.count(form.between) + result)
    return held

"""Products of three tensors, as `Bilinear` computes them: the sizes of their axes, their MACs and FLOPs."""

import math
from typing import Any, NamedTuple

from kaoprof.counting.shapes import Shaped
from kaoprof.dims import Size

UNROLLED_AXIS = 1  # by default


class Trilinear(NamedTuple):
    """The sizes of all axes that the three tensors share, and the axes that each of them has.

    `summed` are those that the result has not; `unrolled` is the one whose slices are taken one after the other.
    """

    sizes: tuple[Size, ...]
    first: frozenset[int]
    second: frozenset[int]
    third: frozenset[int]
    summed: frozenset[int]
    unrolled: int

    @property
    def early(self) -> frozenset[int]:
        """Axes that are summed over in the first product: the third tensor has them not."""
        return self.summed - self.third - {self.unrolled}

    @property
    def between(self) -> frozenset[int]:
        """Axes of the first product of a slice."""
        return (self.first | self.second) - self.early - {self.unrolled}

    def count(self, axes: frozenset[int]) -> Size:
        """How many elements they span."""
        return math.prod(self.sizes[axis] for axis in axes)


def trilinear_of(
    one: Shaped,
    two: Shaped,
    three: Shaped,
    lacks_one: list[int],
    lacks_two: list[int],
    lacks_three: list[int],
    summed: list[int],
    unrolled: int = UNROLLED_AXIS,
) -> Trilinear:
    """Of the arguments of `aten._trilinear`: three tensors, and the axes that each of them lacks."""
    every = range(one.ndim + len(lacks_one))
    first, second, third = (frozenset(every) - frozenset(lacks) for lacks in (lacks_one, lacks_two, lacks_three))
    sizes: dict[int, Size] = {}
    for tensor, axes in ((one, first), (two, second), (three, third)):
        sizes |= dict(zip(sorted(axes), tensor.shape, strict=True))
    return Trilinear(tuple(sizes[axis] for axis in every), first, second, third, frozenset(summed), unrolled)


def trilinear_macs(*args: Any, out: Shaped, **kwargs: Any) -> Size:
    """`(n i) , (o i j) , (n j) -> (n o)` takes n o i j MACs, and likewise each of its gradients."""
    del out
    return math.prod(trilinear_of(*args, **kwargs).sizes)


def trilinear_flops(*args: Any, out: Shaped, **kwargs: Any) -> Size:
    """The product that is no such contraction: a multiplication for each element, and an addition where it is summed.

    Forward it is the second one: n o j multiplications and as many additions.
    """
    del out
    form = trilinear_of(*args, **kwargs)
    slices = form.sizes[form.unrolled]
    first = slices * form.count((form.first | form.second) - {form.unrolled})
    second = slices * form.count((form.between | form.third) - {form.unrolled})
    if first == math.prod(form.sizes) and form.early:
        return (2 if form.summed - form.early else 1) * second
    return first

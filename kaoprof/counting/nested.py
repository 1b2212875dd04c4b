"""MACs of products of nested tensors, whose parts differ in size: the sum over the parts.

torch takes the composite operations among these apart only for tensors with a shape.
"""

import math
from typing import Any

from kaoprof.counting.contractions import packed_linear_macs
from kaoprof.counting.elementwise import Rule
from kaoprof.counting.shapes import Shaped, first_tensor
from kaoprof.dims import Size


def parts_of(tensor: Any) -> tuple[tuple[int, ...], ...] | None:
    """The sizes of each part of a nested tensor; None of any other."""
    parts: tuple[tuple[int, ...], ...] | None = getattr(tensor, "parts", None)
    return parts


def product_macs(left: Shaped, right: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`(m k) , (k n) -> (m n)` of each part; the right one may be the same for all."""
    lefts, rights = parts_of(left), parts_of(right)
    if lefts is None:
        return out.numel() * left.shape[-1]
    if rights is None:
        return left.numel() * right.shape[-1]
    return sum(math.prod(one) * other[-1] for one, other in zip(lefts, rights, strict=True))


NESTED_MACS: dict[str, Rule] = {"linear": packed_linear_macs, "matmul": product_macs, "bmm": product_macs}


def nested_counts(name: str, args: Any, out: Any) -> tuple[Size, Size] | None:
    """MACs and other FLOPs of a product with a nested tensor; None of anything else."""
    if name not in NESTED_MACS or all(parts_of(arg) is None for arg in args):
        return None
    biased = name == "linear" and len(args) > 2 and args[2] is not None  # noqa: PLR2004 - input, weight, bias
    return NESTED_MACS[name](*args, out=out) or 0, first_tensor(out).numel() if biased else 0

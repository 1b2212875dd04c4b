"""Lets torch's tracer, on which fvcore rests, pass through convolutions of meta tensors, where it would crash.

While tracing, sizes are tensors, which the shape rule of a meta convolution cannot compute with. So the convolution is
traced as one opaque operation, whose output comes from a thread that does not trace.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


class OpaqueConvolution(torch.autograd.Function):
    """A convolution as one traced operation: `(b c *s) , (o c/groups *k) -> (b o *s')`."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, weight: Tensor, compute: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The output, computed where nothing traces."""
        with ThreadPoolExecutor(1) as untraced:
            return untraced.submit(compute, x, weight).result()


class OpaqueTransposedConvolution(OpaqueConvolution):
    """A transposed convolution as one traced operation."""


class TracedConvolutions(TorchFunctionMode):
    """While active, convolutions of meta tensors are traced as `OpaqueConvolution`s."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in CONVOLUTIONS + TRANSPOSED or not args[0].is_meta:
            return func(*args, **kwargs)
        x, weight, *rest = args

        def compute(x: Tensor, weight: Tensor) -> Tensor:
            with torch.no_grad():  # the thread has torch's defaults
                return func(x.detach(), weight.detach(), *rest, **kwargs)  # type: ignore[no-any-return]

        opaque = OpaqueConvolution if func in CONVOLUTIONS else OpaqueTransposedConvolution
        return opaque.apply(x, weight, compute)  # type: ignore[no-untyped-call]


def convolution_handler(*, transposed: bool) -> Callable[[list[Any], list[Any]], int]:
    """Counts a convolution by fvcore's own formula, from the shapes of input, weight and output."""

    def handler(inputs: list[Any], outputs: list[Any]) -> int:
        from fvcore.nn.jit_handles import conv_flop_count  # fvcore itself is imported, with care, by `second_opinion`

        x, weight, out = ([int(size) for size in value.type().sizes()] for value in (*inputs[:2], outputs[0]))
        if len(x) < len(weight):  # a single sample, without an axis for it, which the formula would misread
            x, out = [1, *x], [1, *out]
        return int(conv_flop_count(x, weight, out, transposed=transposed))

    return handler


CONVOLUTION_HANDLERS = {
    "prim::PythonOp.OpaqueConvolution": convolution_handler(transposed=False),
    "prim::PythonOp.OpaqueTransposedConvolution": convolution_handler(transposed=True),
}

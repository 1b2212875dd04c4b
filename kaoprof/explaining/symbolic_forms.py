"""Functions of torch that turn symbolic sizes into numbers, written with others that do not; the counts stay."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from kaoprof.torch_internals import LINEAR_FIXES_SIZES
from kaoprof.workload.foreign import foreign

MATRIX, TOKENS = 2, 3  # axes


def max_pool1d(
    x: Tensor, kernel_size: int, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    **_: object,
) -> Tensor:  # fmt: skip
    """`(b c n) -> (b c n')` as torch computes it outside its CPU kernel: pooling of `(b c 1 n)` with a flat window."""

    def flat(value: Any, across: int) -> tuple[int, int]:
        return (across, value[0] if isinstance(value, (tuple, list)) else value)

    pooled: Tensor = functional.max_pool2d(
        x.unsqueeze(-2),
        flat(kernel_size, 1),
        flat(stride or kernel_size, 1),
        flat(padding, 0),
        flat(dilation, 1),
        ceil_mode=ceil_mode,
    )
    return pooled.squeeze(-2)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`(.. c) -> (.. o)` as torch itself takes it apart; up to 2.12 it asks for sizes as numbers while it does so."""
    *outer, channels = x.shape
    rows = x if x.ndim == MATRIX else x.reshape(math.prod(outer), channels)
    if bias is not None and (x.ndim == MATRIX or (x.ndim == TOKENS and x.is_contiguous())):
        product = torch.addmm(bias, rows, weight.t())
    else:
        product = torch.mm(rows, weight.t())
        product = product if bias is None else product.add_(bias)
    return product.view(*outer, weight.shape[0])


FORMS: dict[Any, Callable[..., Any]] = {torch.max_pool1d: max_pool1d, functional.max_pool1d: max_pool1d}
LINEAR = linear if LINEAR_FIXES_SIZES else functional.linear  # to stand in torch's place, which calls its own there


class SymbolicForms(TorchFunctionMode):
    """While active, the functions of `FORMS` are replaced."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return foreign(FORMS.get(func, func), *args, **(kwargs or {}))

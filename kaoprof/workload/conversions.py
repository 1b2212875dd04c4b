"""Lets a constructor convert what it built, `.to(torch.float64)` or `.to(device)`, also where tensors hold no data."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from kaoprof.torch_internals import CONVERT, convert, held_tensors, parsed_conversion


@contextmanager
def conversions_without_data() -> Iterator[None]:
    """While active, converting a module replaces its tensors: in place torch can convert none that hold no data.

    What would move them to another device is left out, since there is nothing to move. Shared tensors stay shared.
    """
    converted: dict[int, tuple[Tensor, Tensor]] = {}  # by identity; what was converted is kept, or its number is reused

    def replaced(tensor: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        if id(tensor) not in converted:
            try:
                made = change(tensor.detach())
            except NotImplementedError:  # `.cpu()`, `.cuda()`: there is nothing to copy
                made = tensor.detach()
            if isinstance(tensor, nn.Parameter):
                made = nn.Parameter(made, requires_grad=tensor.requires_grad)
            converted[id(tensor)] = tensor, made
        return converted[id(tensor)][1]

    def apply_without_data(module: nn.Module, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        for child in module.children() if recurse else ():
            convert(child, fn)
        for tensors in held_tensors(module):
            tensors.update({name: replaced(tensor, fn) for name, tensor in tensors.items() if tensor is not None})
        return module

    def to_without_device(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        _, dtype, _, memory_format = parsed_conversion(*args, **kwargs)

        def changed(tensor: Tensor) -> Tensor:
            floats = dtype is not None and (tensor.is_floating_point() or tensor.is_complex())
            layout = memory_format if memory_format is not None and tensor.ndim in (4, 5) else torch.preserve_format
            return tensor.to(tensor.device, dtype if floats else tensor.dtype, memory_format=layout)

        convert(module, changed)
        return module

    with patch.object(nn.Module, CONVERT, apply_without_data), patch.object(nn.Module, "to", to_without_device):
        yield

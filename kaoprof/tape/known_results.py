"""Remembers what operations on tensors without data give, by what they are given: most of a model repeats itself.

torch has such a memory of its own; this one rests on the records that are made anyway, which is quicker.
"""

from collections.abc import Hashable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kaoprof.tape.entries import Recorded
from kaoprof.torch_internals import FakeTensor, FakeTensorMode, is_higher_order, storage_identity

CPU = torch.device("cpu")
NEVER = frozenset({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape, torch.Tag.inplace_view})
SIMPLE = (bool, int, float, str, torch.dtype, torch.device, torch.memory_format, torch.layout, type(None))


class Fresh(NamedTuple):
    """A result in a storage of its own."""

    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype


class View(NamedTuple):
    """A result that shares the storage of the argument at `position`."""

    position: int
    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype
    offset: int


class Same(NamedTuple):
    """The argument at `position` itself."""

    position: int


Result = Fresh | View | Same | None


class KnownResults:
    """What was seen while recording one run."""

    def __init__(self, fakes: FakeTensorMode) -> None:
        self.fakes = fakes
        self._known: dict[Hashable, tuple[bool, tuple[Result, ...]] | None] = {}

    def run(self, func: Any, types: Any, args: Any, kwargs: Any, noted: list[Any]) -> Any:
        """The operation's result, whose arguments are recorded as `noted`; all tensors are without data."""
        key = _key(func, noted, kwargs)
        known = None if key is None else self._known.get(key)
        if known is not None:
            several, results = known
            made = [self._made(result, args) for result in results]
            return tuple(made) if several else made[0]
        out = self.fakes.dispatch(func, types, args, kwargs)
        if key is not None and key not in self._known:
            self._known[key] = _described(out, args)
        return out

    def _made(self, result: Result, args: Any) -> Any:
        if result is None:
            return None
        if isinstance(result, Same):
            return args[result.position]
        empty = torch.empty_strided(result.shape, result.strides, dtype=result.dtype, device="meta")
        if isinstance(result, View):
            storage = args[result.position].untyped_storage()
            empty.set_(storage, result.offset, result.shape, result.strides)
        return FakeTensor(self.fakes, empty, CPU)


def _key(func: Any, noted: list[Any], kwargs: Any) -> Hashable:
    """What decides the result; None where it is not remembered."""
    if is_higher_order(func) or func.namespace != "aten" or not NEVER.isdisjoint(func.tags):
        return None
    if torch.is_inference_mode_enabled():
        return None
    parts: list[Hashable] = [func]
    if _add_key(parts, noted) and _add_key(parts, list(kwargs.values())):
        parts.extend(kwargs)
        return tuple(parts)
    return None


def _add_key(parts: list[Hashable], values: list[Any]) -> bool:
    for value in values:
        if isinstance(value, Recorded):
            if value.strides is None or value.dtype.is_complex:
                return False
            parts += (value.shape, value.dtype, value.strides, value.offset)
        elif isinstance(value, list):
            parts.append(len(value))
            if not _add_key(parts, value):
                return False
        elif isinstance(value, SIMPLE):
            parts.append((type(value).__name__, value))
        else:
            return False
    return True


def _described(out: Any, args: Any) -> tuple[bool, tuple[Result, ...]] | None:
    """How the result can be made again; None where it cannot."""
    several = type(out) is tuple
    results = tuple(_result(part, args) for part in (out if several else (out,)))
    if any(result is NotImplemented for result in results):
        return None
    return several, results


def _result(part: Any, args: Any) -> Any:
    """How one tensor of a result can be made again; `NotImplemented` where it cannot."""
    if part is None:
        return None
    if not isinstance(part, FakeTensor) or part.fake_device != CPU or part.layout is not torch.strided:
        return NotImplemented
    storage = storage_identity(part)
    for position, arg in enumerate(args):
        if arg is part:
            return Same(position)
        if isinstance(arg, Tensor) and storage_identity(arg) == storage:
            return View(position, part.shape, part.stride(), part.dtype, int(part.storage_offset()))
    lists = [arg for arg in args if isinstance(arg, list | tuple)]
    hidden = any(isinstance(inner, Tensor) and storage_identity(inner) == storage for arg in lists for inner in arg)
    if hidden or part.storage_offset() or part.dtype.is_complex:
        return NotImplemented
    return Fresh(part.shape, part.stride(), part.dtype)

"""What code is called with, at another size or with more samples: the shapes of its inputs, rewritten as data."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from kaoprof.errors import UsageError
from kaoprof.specs.code import input_tensors, is_tensor
from kaoprof.specs.documents import CodeSpec
from kaoprof.specs.layers import MAX_SIZE

IMAGE_RANK = 4  # (b, c, h, w): from here on a single size stands for h = w
UNBATCHED_RANK = 3  # (c, h, w), if h = w; else (b, c, n)


def override_inputs(spec: CodeSpec, *, batch: int | None = None, size: Sequence[int] | None = None) -> CodeSpec:
    """The spec with inputs of another size and batch; as it is where it says no inputs.

    The first tensor decides: its last axes become `size`, its first one `batch`, and likewise of every other tensor
    that has the same there, such as a mask beside tokens.

    Args:
        spec: of code.
        batch: samples at once.
        size: the last axes; a single one stands for h = w of an image, else for the last axis.

    Raises:
        UsageError: the first tensor has no such axes, or its samples lie in a list.
    """
    if spec.inputs is None or (batch is None and size is None):
        return spec
    tensors = input_tensors(spec)
    if not tensors:
        raise UsageError("there is no tensor whose size could be another one", where=spec.module)
    first = tensors[0].shape
    last = () if size is None else _last_axes(first, tuple(size), spec.module)
    if batch is not None and not _is_batched(spec, batch):
        hint = "change its inputs"
        raise UsageError("its samples lie in a list, not along an axis", where=spec.module, hint=hint)

    def changed(value: Any) -> Any:
        if not is_tensor(value):
            return value
        shape = list(value["shape"])
        if last and len(shape) >= len(last) and tuple(shape[-len(last) :]) == first[-len(last) :]:
            shape[-len(last) :] = last
        if batch is not None and shape and shape[0] == first[0]:
            shape[0] = batch
        return value | {"shape": shape}

    return replace(spec, inputs=_mapped(spec.inputs, changed))


def _last_axes(shape: tuple[int, ...], size: tuple[int, ...], where: str) -> tuple[int, ...]:
    """What the last axes become; at least one axis stays before them."""
    image = len(shape) >= IMAGE_RANK or (len(shape) == UNBATCHED_RANK and shape[-1] == shape[-2])
    last = size * 2 if len(size) == 1 and image else size
    if len(last) >= len(shape):
        shown = "x".join(map(str, size))
        raise UsageError(f"an input of shape {shape} has no axes for {shown}", where=where, hint="change its inputs")
    for length in last:
        if not 1 <= length <= MAX_SIZE:
            raise UsageError(f"must be between 1 and {MAX_SIZE:,}, not {length}", where="size")
    return last


def _is_batched(spec: CodeSpec, batch: int) -> bool:
    """Whether samples lie along the first axis: a tensor stands by itself, not in a list of images."""
    if not 1 <= batch <= MAX_SIZE:
        raise UsageError(f"must be between 1 and {MAX_SIZE:,}, not {batch}", where="batch")
    values = spec.inputs.values() if isinstance(spec.inputs, dict) else spec.inputs or ()
    return any(is_tensor(value) and value["shape"] for value in values)


def _mapped(value: Any, change: Any) -> Any:
    """The nested value with every tensor in it changed."""
    if is_tensor(value):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    return [_mapped(inner, change) for inner in value] if isinstance(value, list) else value

"""What a sum on an NVIDIA GPU holds for itself: where few outputs have many terms, blocks of threads share an output.

Each block then leaves its part in memory: for a sum over the leading axes, as of a bias' gradient, several times the
input. Source: `Reduce.cuh`, `setReduceConfig`; the same in torch 2.11 and 2.14, to the byte.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kaoprof.dims import ceil_div
from kaoprof.workload.gpu import Gpu, this_gpu
from kaoprof.workload.tensor_bytes import REDUCED, SINGLE_BYTES

MOST_THREADS = 512  # of a block
WARP = 32
VECTOR = 4  # elements that a thread reads at once
ENOUGH_TERMS = 16  # for a thread, before more of them share an output
MOST_TERMS = 256
COUNTER_BYTES = 4  # for each group of outputs: how many blocks are done
SUMS = ("sum", "mean", "linalg_vector_norm")
GAP = "sum over outer axes"


class Shape(NamedTuple):
    """A reduction as torch's iterator sees it: outputs, terms of each, and how the input lies in memory."""

    outputs: int
    terms: int
    innermost_is_summed: bool
    lies_in_a_row: bool
    outputs_in_a_row: int


def scratch_of(name: str) -> Callable[..., int]:
    """The model of one such operation."""

    def scratch(x: Tensor, *args: Any, dtype: torch.dtype | None = None, **kwargs: Any) -> int:
        kwargs.pop("threads", None)
        shape = _shape_of(name, x, args, kwargs)
        width = SINGLE_BYTES if (dtype or x.dtype) in REDUCED else max(SINGLE_BYTES, (dtype or x.dtype).itemsize)
        return shared_bytes(shape, width, this_gpu()) if shape else 0

    return scratch


def gap(x: Tensor, *_: Any) -> str | None:
    """Named where sizes are symbols: then nobody knows how it is shared."""
    return None if all(type(size) is int for size in x.shape) else GAP


def shared_bytes(shape: Shape, width: int, gpu: Gpu) -> int:
    """Parts of outputs, of `width` bytes each, that blocks of threads leave for the last one to sum up."""
    inner = shape.innermost_is_summed
    vector = 1 if inner else math.gcd(VECTOR, shape.outputs_in_a_row)
    columns, rows = _block(shape, vector)
    of_a_row = ceil_div(shape.terms, columns if inner else 1)
    if of_a_row < min(rows * ENOUGH_TERMS, MOST_TERMS):
        return 0  # rows of threads have outputs of their own
    of_a_thread = ceil_div(shape.terms, (columns if inner else 1) * rows)
    groups: int = ceil_div(shape.outputs // vector, 1 if inner else columns)
    room = gpu.multiprocessors * (gpu.threads_of_a_multiprocessor // (columns * rows))
    if of_a_thread < MOST_TERMS or groups > room:
        return 0  # one block has all terms of its outputs
    wished = min(ceil_div(room, groups), ceil_div(of_a_thread, ENOUGH_TERMS))
    blocks = max(wished, ceil_div(of_a_thread, MOST_TERMS))
    if blocks == 1:
        return 0
    parts: int = shape.outputs * blocks * (1 if inner else columns * vector)
    return width * parts + COUNTER_BYTES * groups


def _block(shape: Shape, vector: int) -> tuple[int, int]:
    """Threads of a block across the innermost axis, and along the others."""
    across, along = (
        (shape.terms, shape.outputs) if shape.innermost_is_summed else (shape.outputs // vector, shape.terms)
    )
    if shape.innermost_is_summed and shape.lies_in_a_row and across > VECTOR * WARP:
        across //= VECTOR
    most = MOST_THREADS // vector
    wide, high = (min(1 << max(size.bit_length() - 1, 0), most) for size in (across, along))
    rows = min(high, most // min(wide, WARP))
    return min(wide, most // rows), rows


def _shape_of(name: str, x: Tensor, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Shape | None:
    """How the axes of `x` that are summed over lie; None of symbolic sizes, or nothing to sum."""
    if not all(type(size) is int for size in x.shape) or not x.numel():
        return None
    after_order = args[1:] if name == "linalg_vector_norm" else args
    axes = kwargs.get("dim", after_order[0] if after_order else None) or range(x.ndim)
    summed = {axis % x.ndim for axis in axes} if x.ndim else set()
    lie = sorted((x.stride(axis), x.shape[axis], axis) for axis in range(x.ndim) if x.shape[axis] > 1)
    terms = math.prod(size for _, size, axis in lie if axis in summed)
    joined = _joined([((stride,), size) for stride, size, axis in lie if axis in summed])
    of_output = {axis: math.prod(x.shape[after] for after in range(axis + 1, x.ndim) if after not in summed)
                 for axis in range(x.ndim)}  # fmt: skip
    of_kept = sorted(((of_output[axis], stride, size) for stride, size, axis in lie if axis not in summed))
    kept = _joined([((stride, output_stride), size) for output_stride, stride, size in of_kept])  # by the output's
    fastest = not kept or (bool(joined) and joined[0][0][0] < kept[0][0][0])
    even = math.gcd(*(size for _, size in kept[:1]), *(strides[1] for strides, _ in kept[1:]))
    return Shape(
        outputs=x.numel() // terms, terms=terms, innermost_is_summed=fastest,
        lies_in_a_row=not kept and len(joined) == 1 and joined[0][0][0] == 1,
        outputs_in_a_row=even if kept and kept[0][0][0] == 1 else 1,
    )  # fmt: skip


def _joined(axes: list[tuple[tuple[int, ...], int]]) -> list[tuple[tuple[int, ...], int]]:
    """Axes, each with its strides and its size, of which those are one that lie together in input and output."""
    joined = axes[:1]
    for strides, size in axes[1:]:
        inner_strides, inner_size = joined[-1]
        if all(inner * inner_size == outer for inner, outer in zip(inner_strides, strides, strict=True)):
            joined[-1] = (inner_strides, inner_size * size)
        else:
            joined.append((strides, size))
    return joined

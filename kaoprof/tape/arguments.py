"""What the recorder must know of an operation's arguments: how large a result may be, and values that rules look at."""

import math
from typing import Any

import torch
from torch import Tensor

from kaoprof.tape.entries import Recorded, records_in
from kaoprof.torch_internals import FakeTensor, nested_sizes, stored_elements
from kaoprof.workload.operation_names import name_of

LARGEST_REAL = 2**24  # elements of a tensor that is made for real while others have no data
COUNTED_LAYOUTS = (
    torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc
)  # fmt: skip
PACKING = "_pack_padded_sequence"
MOST_VALUES = 4096  # whole numbers that are kept because a rule looks at them


def elements_at_most(func: Any, args: Any, records: list[Recorded]) -> int:
    """How many elements a result may have: as many as its arguments spread over each other, or as are asked for."""
    if not records:
        sizes = args[0] if args and isinstance(args[0], list | tuple) else [arg for arg in args if isinstance(arg, int)]
        return math.prod(sizes) if all(isinstance(size, int) for size in sizes) else LARGEST_REAL + 1
    if func.is_view:
        return 0
    most = max(record.ndim for record in records)
    shapes = [(1,) * (most - record.ndim) + tuple(record.shape) for record in records]
    return math.prod(max(sizes) for sizes in zip(*shapes, strict=True))


def keep_values(args: Any, noted: Any) -> None:
    """Keeps the values of short rows of whole numbers that are real: where packed sequences begin."""
    for arg, record in zip(args, noted, strict=True):
        if not isinstance(arg, Tensor) or isinstance(arg, FakeTensor) or arg.is_floating_point():
            continue
        if arg.ndim == 1 and arg.numel() <= MOST_VALUES:
            record.recorded_values = tuple(arg.tolist())


def has_mask(noted_args: list[Any]) -> bool:
    """Whether a lookup chooses by a mask, whose values decide how much it finds."""
    return any(record.dtype is torch.bool for record in records_in(noted_args[1:2]))


def visited_pairs(query: Tensor, mask: Any) -> int | None:
    """The pairs in the blocks that flexible attention's block mask leaves; None where they are not known."""
    counts = [part for part in (mask[2], mask[4]) if isinstance(part, Tensor)]
    sizes = [part for part in mask if isinstance(part, int)]
    if not counts or any(isinstance(part, FakeTensor) for part in counts):
        return None
    groups: int = query.shape[0] * query.shape[1] // (counts[0].shape[0] * counts[0].shape[1])
    return sum(int(part.sum()) for part in counts) * math.prod(sizes[-2:]) * groups


def unusual_record(tensor: Tensor) -> Recorded:
    """The record of a sparse tensor, with what it stores, or of a nested one with the sizes of its parts.

    Raises:
        RuntimeError: it was made of values that are not there, so how much it stores is not known.
    """
    if tensor.layout is torch.strided:
        parts = tuple(map(tuple, nested_sizes(tensor)))
        shape = (len(parts), *(max(sizes) for sizes in zip(*parts, strict=True)))
        rows = sum(map(math.prod, parts))
        return Recorded(torch.Size(shape), tensor.dtype, None, -1, stored=rows, parts=parts)
    stored = stored_elements(tensor) if tensor.layout in COUNTED_LAYOUTS else None
    if stored == 0 and isinstance(tensor, FakeTensor):
        raise RuntimeError("how much a sparse tensor stores depends on values")
    return Recorded(tensor.shape, tensor.dtype, None, -1, stored=stored)


def derived_results(func: Any, args: Any, records: list[Recorded], out: Any, derived: set[int]) -> set[int]:
    """The storages of results whose values follow from those of the input, as some of the arguments' do."""
    if name_of(func) == PACKING:
        pairs = zip(args, out, strict=False)  # the rows follow from rows, their numbers from lengths
        return {result.storage for arg, result in pairs if arg.storage in derived}
    follows = any(record.storage in derived for record in records)
    return {record.storage for record in records_in([out])} if follows else set()

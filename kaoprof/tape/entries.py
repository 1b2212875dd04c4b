"""What a tape is made of: operations on records of tensors, births and deaths of storages, modules that come and go."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

WHOLE_NUMBERS = {torch.quint8: torch.uint8, torch.qint8: torch.int8, torch.qint32: torch.int32}
FORWARD, BACKWARD, RECOMPUTED = "forward", "backward", "recomputed"  # the passes


class Recorded:
    """What is kept of a tensor: where it lies and how, not what it holds.

    Args:
        shape: its sizes.
        dtype: torch's.
        strides: in elements; None where it has none.
        storage: the number of its storage on the tape; tensors with the same one share memory. -1: it has none.
        offset: in elements from where the storage begins.
        recorded_values: of a few whole numbers that a rule looks at; else None.
        stored: how many elements a sparse or a nested tensor stores; else None.
        parts: the sizes of each part of a nested tensor; else None.
    """

    __slots__ = ("dtype", "offset", "parts", "recorded_values", "shape", "storage", "stored", "strides")

    def __init__(
        self,
        shape: torch.Size,
        dtype: torch.dtype,
        strides: tuple[int, ...] | None,
        storage: int,
        offset: int = 0,
        recorded_values: tuple[int, ...] | None = None,
        stored: int | None = None,
        parts: tuple[tuple[int, ...], ...] | None = None,
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.strides = strides
        self.storage = storage
        self.offset = offset
        self.recorded_values = recorded_values
        self.stored = stored
        self.parts = parts

    def __repr__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')}{list(self.shape)}"

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    def numel(self) -> int:
        """How many elements it has; of a sparse or nested tensor, stores."""
        return math.prod(self.shape) if self.stored is None else self.stored

    def is_complex(self) -> bool:
        """Whether its elements are complex."""
        return self.dtype.is_complex

    @property
    def nbytes(self) -> int:
        """What all its elements take."""
        return self.numel() * self.dtype.itemsize


class Operation(NamedTuple):
    """One operation that ran.

    Args:
        func: torch's operation.
        args: its arguments, with records in the place of tensors.
        kwargs: likewise.
        out: its result, likewise.
        layer: the dotted path of the innermost module that it belongs to; the whole is "".
        phase: forward, backward, or recomputed during the backward pass.
        visited: of flexible attention, the pairs in the blocks of its mask.
        macs: where a formula registered with torch tells them.
        view: whether its first argument is a view, where that matters.
    """

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    layer: str
    phase: str
    visited: int | None = None
    macs: int | None = None
    view: bool = False


class Born(NamedTuple):
    """A storage of so many bytes came to be, made by the operation before it on the tape."""

    storage: int
    nbytes: int


class Died(NamedTuple):
    """A storage is gone."""

    storage: int


class Entered(NamedTuple):
    """A module started to run."""

    layer: str


class Left(NamedTuple):
    """It has run, or failed."""

    layer: str


Event = Operation | Born | Died | Entered | Left


class LayerFacts(NamedTuple):
    """What is known of a module beside what it ran.

    Args:
        type: its class.
        params: its own trainable numbers, each given to one module only.
        norm: whether these are of a batch norm.
        output_shape: of the first tensor in its answer; None if it never ran, or answered with none.
        called: whether it ran.
    """

    type: str
    params: int
    norm: bool
    output_shape: tuple[int, ...] | None
    called: bool


class Tape(NamedTuple):
    """One recorded run.

    Args:
        events: in the order in which they happened.
        layers: every module by its path, the whole first, as they are written.
        recorded: `fake` for tensors without data, `real` for CPU tensors.
        value_reads: how often the code looked at values that follow from its input, which then decided a branch, a
            size or a number.
        failures: how many operations failed, which the code caught: it went on another way.
        hides_encoders: whether some module has a fused form for evaluation, which was not taken here.
        recurrent: whether some module is one of torch's recurrent ones.
        projected: whether some module is an LSTM with projections.
    """

    events: list[Event]
    layers: dict[str, LayerFacts]
    recorded: str
    value_reads: int
    failures: int
    hides_encoders: bool
    recurrent: bool = False
    projected: bool = False


def records_in(value: Any) -> Iterator[Recorded]:
    """The records in nested arguments."""
    if isinstance(value, Recorded):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from records_in(part)


def as_meta(record: Recorded) -> Tensor:
    """A tensor without data that lies in memory as the recorded one did; of a quantised one, its whole numbers."""
    dtype = WHOLE_NUMBERS.get(record.dtype, record.dtype)
    if record.strides is None:
        return torch.empty(record.shape, dtype=dtype, device="meta")
    return torch.empty_strided(record.shape, record.strides, dtype=dtype, device="meta")

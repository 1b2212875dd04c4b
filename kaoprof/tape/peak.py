"""What a tape says of memory: the most bytes that are alive at once, above what was there before."""

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from kaoprof.memory.kernels.table import (
    CUDA_RECURRENT_GAP,
    PROJECTED_GAP,
    least_storage_bytes,
    most_unknown_bytes,
    scratch_bytes,
    scratch_gap,
)
from kaoprof.tape.entries import FORWARD, Born, Died, Entered, Left, Operation, Recorded, Tape, as_meta, records_in
from kaoprof.torch_internals import is_higher_order
from kaoprof.workload.operation_names import name_of

if TYPE_CHECKING:
    from torch import Tensor

ZEROS = frozenset({"zeros", "new_zeros", "zeros_like"})
FILLING = frozenset(  # put, or add, what they are given into their first argument
    {"scatter", "scatter_add", "index_add", "index_put", "_index_put_impl", "put"}
)
Layout = tuple[Any, ...]

COMPILED_GAP = "flexible attention, which is compiled"


class Peak:
    """Follows the storages of a tape from birth to death.

    Args:
        device: `cpu` or `cuda`, whose kernels' own buffers are added.
        threads: how many the CPU kernels would use; some keep a buffer for each.
    """

    def __init__(self, *, device: str, threads: int) -> None:
        self.device = device
        self.threads = threads
        self.live_bytes = 0
        self.peak_bytes = 0
        self.peaks: dict[str, int] = {}
        self._sizes: dict[int, int] = {}
        self._gradients: set[int] = set()
        self._zeros = -1
        self._running: list[list[Any]] = []
        self._gaps: dict[str, float] = {}
        self._metas: dict[Layout, Tensor] = {}

    @property
    def unmodelled(self) -> tuple[str, ...]:
        """Operations whose kernels are not modelled, and might hold so much for themselves that the peak is higher."""
        return tuple(gap for gap, at_most in self._gaps.items() if at_most > self.peak_bytes)

    def follow(self, tape: Tape) -> "Peak":
        """Goes through all that happened."""
        if self.device != "cpu" and tape.recurrent:
            self._gaps[CUDA_RECURRENT_GAP] = math.inf  # here they are torch's own operations, which cuDNN replaces
        if self.device == "cpu" and tape.projected:
            self._gaps[PROJECTED_GAP] = math.inf  # without gradients it is taken apart otherwise than torch does
        operation: Operation | None = None
        least = scratch = 0
        for event in [*tape.events, Left("")]:
            if isinstance(event, Born):
                self.grow(event, least, operation)
                continue
            if operation is not None:
                self.look(operation, scratch)
                operation = None
            if isinstance(event, Operation):
                operation = event
                least, scratch = self._begin(event)
            elif isinstance(event, Died):
                self._shrink(event.storage)
            elif isinstance(event, Entered):
                self._running.append([event.layer, 0])
            elif self._running:
                self._leave()
        return self

    def _begin(self, operation: Operation) -> tuple[int, int]:
        """What the operation's kernel holds for itself, and the least that storages of its results take."""
        func = operation.func
        if operation.phase != FORWARD and self._accumulates(operation):
            self._absorb(operation)
        if is_higher_order(func):
            return 0, 0
        if name_of(func) in ZEROS and isinstance(operation.out, Recorded):
            self._zeros = operation.out.storage
        args, kwargs = (
            self._tensors(operation.args),
            {name: self._tensors(arg) for name, arg in operation.kwargs.items()},
        )
        least = least_storage_bytes(func, args, kwargs, device=self.device)
        scratch = scratch_bytes(func, args, kwargs, device=self.device, threads=self.threads)
        return int(least), int(scratch)

    def look(self, operation: Operation, scratch: int) -> None:
        """Whether this operation, with what its kernel holds for itself, is the new peak."""
        here = self.live_bytes + scratch
        self.peak_bytes = max(self.peak_bytes, here)
        if self._running and here > self._running[-1][1]:
            self._running[-1][1] = here
        func = operation.func
        if is_higher_order(func):
            self._gaps[COMPILED_GAP] = math.inf
            return
        gap = scratch_gap(func, self._tensors(operation.args), device=self.device)
        if gap is not None:
            sizes = sum(record.nbytes for record in records_in((operation.args, operation.out)))
            unknown = most_unknown_bytes(gap, sizes, threads=self.threads)
            self._gaps[gap] = max(self._gaps.get(gap, 0), here + unknown)

    def _leave(self) -> None:
        layer, most = self._running.pop()
        self.peaks[layer] = max(self.peaks.get(layer, 0), most)
        if self._running:
            self._running[-1][1] = max(self._running[-1][1], most)

    def grow(self, born: Born, least: int, operation: Operation | None) -> None:
        """A storage is born of the operation."""
        size = max(born.nbytes, least)
        self._sizes[born.storage] = size
        self.live_bytes += size
        if operation is not None and operation.phase != FORWARD:
            self._gradients.add(born.storage)

    def _shrink(self, storage: int) -> None:
        self.live_bytes -= self._sizes.pop(storage, 0)
        self._gradients.discard(storage)

    def _accumulates(self, operation: Operation) -> bool:
        """Whether torch would do this in place, which it does not while somebody looks on."""
        name = name_of(operation.func)
        if name == "add":
            return True
        first = operation.args[0] if operation.args else None
        return name in FILLING and isinstance(first, Recorded) and first.storage == self._zeros

    def _absorb(self, operation: Operation) -> None:
        """The engine adds up gradients in the first one's storage, except under a mode like ours: so undo that.

        A sum in a backward pass whose first term was born in it counts as such; not one whose first term is a view,
        as after a reshape: then the engine does not hold the last reference to the storage, and makes a new one.

        Source: torch/csrc/autograd/input_buffer.cpp, `can_accumulate_inplace`; FunctionsManual.cpp and others,
        `areAnyTensorSubclassLike`.
        """
        gradient = operation.args[0]
        if operation.view or not isinstance(gradient, Recorded) or gradient.storage not in self._gradients:
            return
        self._gradients.discard(gradient.storage)
        self.live_bytes -= self._sizes.pop(gradient.storage, 0)

    def _tensors(self, value: Any) -> Any:
        """The value, with tensors without data in the place of records, as models of kernels want them."""
        if isinstance(value, Recorded):
            key = (value.shape, value.strides, value.dtype)
            if key not in self._metas:
                self._metas[key] = as_meta(value)
            return self._metas[key]
        if isinstance(value, list | tuple):
            return [self._tensors(part) for part in value]
        return value


class Holders(Peak):
    """Follows once more, to the fullest moment, and keeps what was alive then by the module that made it."""

    def __init__(self, fullest: Peak) -> None:
        super().__init__(device=fullest.device, threads=fullest.threads)
        self.held: Counter[str] = Counter()
        self._fullest_bytes = fullest.peak_bytes
        self._made_by: dict[int, str] = {}

    def look(self, operation: Operation, scratch: int) -> None:
        """At the first moment that is as full as the fullest."""
        if not self.held and self.live_bytes + scratch == self._fullest_bytes:
            for storage, size in self._sizes.items():
                self.held[self._made_by[storage]] += size
            self.held[operation.layer] += scratch

    def grow(self, born: Born, least: int, operation: Operation | None) -> None:
        """Likewise; its maker is remembered."""
        super().grow(born, least, operation)
        self._made_by[born.storage] = "" if operation is None else operation.layer


def held_at_peak(tape: Tape, fullest: Peak) -> dict[str, int]:
    """What each module made of what is alive at the peak that `predict_peak` found; their sum is the peak."""
    holders = Holders(fullest)
    holders.follow(tape)
    return {layer: size for layer, size in holders.held.items() if size}


def predict_peak(tape: Tape, *, device: str, threads: int) -> Peak:
    """The peak of one step, with that of each module while it runs."""
    return Peak(device=device, threads=threads).follow(tape)

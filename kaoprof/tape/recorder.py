"""Records what torch's dispatcher executes, operation by operation: on tensors without data, on real ones, or mixed.

Mixed is the custom: what follows from parameters and from real numbers in the input has no data, everything else a
module does, such as counting positions or making masks, is real and its values can be looked at.
"""

import weakref
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from kaoprof.counting.contraction_table import MACS
from kaoprof.counting.rules import has_rule, registered_with_torch
from kaoprof.tape.arguments import (
    LARGEST_REAL,
    derived_results,
    elements_at_most,
    has_mask,
    keep_values,
    unusual_record,
    visited_pairs,
)
from kaoprof.tape.building import empty_like
from kaoprof.tape.entries import (
    BACKWARD,
    FORWARD,
    RECOMPUTED,
    Born,
    Died,
    Entered,
    Event,
    Left,
    Operation,
    Recorded,
    records_in,
)
from kaoprof.tape.known_results import KnownResults
from kaoprof.tape.modules import NO_NODE, ModuleTrail
from kaoprof.torch_internals import (
    FakeTensor,
    TorchDispatchMode,
    is_composite,
    is_higher_order,
    is_view,
    storage_key,
    written_arguments,
)
from kaoprof.workload.operation_names import name_of

aten = torch.ops.aten
FRESH = aten.lift_fresh.default
ADDITION, LOOKUP = aten.add.Tensor, aten.index.Tensor
READS = frozenset({
    "_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select", "_unique2", "unique_dim",
    "unique_consecutive", "repeat_interleave",
})  # fmt: skip
OF_SEQUENCES = frozenset(
    name for name in MACS if name.startswith(("torch_attn.", "_flash_attention", "_efficient_attention"))
)
FLEXIBLE = {"higher_order.flex_attention": 4, "higher_order.flex_attention_backward": 9}  # where their mask stands
DEVICE = torch.ops.prim.device.default
TRAITS = frozenset({
    aten.sym_size.default, aten.size.default, aten.sym_stride.default, aten.stride.default, aten.sym_numel.default,
    aten.numel.default, aten.dim.default, aten.sym_storage_offset.default, aten.storage_offset.default,
    aten.is_contiguous.default, aten.is_contiguous.memory_format, aten.is_strides_like_format.default,
    aten.is_non_overlapping_and_dense.default, torch.ops.prim.layout.default, DEVICE,
})  # fmt: skip  # what tensors are asked in passing; subclasses answer for themselves


class Recorder(TorchDispatchMode):
    """While active, writes `events`.

    Args:
        trail: tells the module that runs.
        known: what results without data are known to be; None to run everything for real.
    """

    supports_higher_order_operators = True

    def __init__(self, trail: ModuleTrail, known: KnownResults | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trail = trail
        self.fakes = None if known is None else known.fakes
        self._known_results = known
        self.events: list[Event] = []
        self.value_reads = 0
        self.failures = 0
        self._numbers: dict[int, int] = {}
        self._watched: dict[int, weakref.ref[Any]] = {}
        self._holders: Counter[int] = Counter()  # of each number, how many storages: a real one, and its twins
        self._storages = 0
        self._without_data: set[int] = set()  # numbers of real storages whose values are not to be trusted, or touched
        self._own: set[int] = set()  # numbers of storages that were made while recording
        self._derived: set[int] = set()  # numbers of real storages whose values follow from the input
        self._twins: dict[int, tuple[Tensor, Tensor]] = {}
        self._moving = False  # whether what runs only moves data, though it is made of operations that compute
        trail.on_enter = lambda path: self.events.append(Entered(path))
        trail.on_leave = lambda path: self.events.append(Left(path))

    def holds(self, tensor: Tensor, *, data: bool, given: bool) -> None:
        """Tells of a tensor that is there before: whether its values may be looked at, and are those of an input."""
        number = self._number(tensor, made=False)
        if not data:
            self._without_data.add(number)
        if given:
            self._derived.add(number)

    def moving(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, none of whose operations costs arithmetic: it only moves data."""

        def run(*args: Any, **kwargs: Any) -> Any:
            before, self._moving = self._moving, True
            try:
                return function(*args, **kwargs)
            finally:
                self._moving = before

        return run

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is DEVICE and type(args[0]) is FakeTensor:
            return args[0].fake_device
        if func in TRAITS or any(_answers_for_itself(kind) for kind in types):
            return NotImplemented
        kwargs = kwargs or {}
        if func is FRESH:
            self._own.add(self._number(args[0], made=False))  # as `torch.tensor` makes it, while nobody looks on
        noted_args = [self._noted(arg) for arg in args]
        noted_kwargs = {name: self._noted(arg) for name, arg in kwargs.items()} if kwargs else kwargs
        records = list(records_in([*noted_args, *noted_kwargs.values()]))
        if _is_composite(func) and all(record.parts is None for record in records):
            with self:
                return func.decompose(*args, **kwargs)
        fake = self.fakes is not None and self._needs_no_data(func, types, args, records)
        try:
            out = self._run_without_data(func, types, args, kwargs, noted_args) if fake else func(*args, **kwargs)
        except Exception:
            self.failures += 1
            raise
        self._follow_values(func, noted_args, records, fake=fake)
        self._write(func, args, kwargs, out, tuple(noted_args), noted_kwargs, records, fake=fake)
        return out

    def _write(
        self,
        func: Any,
        args: Any,
        kwargs: Any,
        out: Any,
        noted_args: Any,
        noted_kwargs: Any,
        records: Any,
        *,
        fake: bool,
    ) -> None:
        layer, node = self.trail.here()
        phase = FORWARD if node == NO_NODE else RECOMPUTED if self.trail.recomputing(node) else BACKWARD
        births = len(self.events)
        if name_of(func) in OF_SEQUENCES:
            keep_values(args, noted_args)
        noted_out = self._noted(out, made=True)
        if not fake and self._derived:
            self._derived.update(derived_results(func, noted_args, records, noted_out, self._derived))
        born = self.events[births:]
        del self.events[births:]
        mask_at = FLEXIBLE.get(name_of(func))
        operation = Operation(
            func, noted_args, noted_kwargs, noted_out, layer, phase,
            visited=None if mask_at is None else visited_pairs(args[0], args[mask_at]),
            macs=0 if self._moving else None if has_rule(func) else registered_with_torch(func, args, kwargs, out),
            view=phase != FORWARD and func is ADDITION and is_view(args[0]),
        )  # fmt: skip
        self.events.append(operation)
        self.events += born

    def _noted(self, value: Any, *, made: bool = False) -> Any:
        """The value, with records in the place of tensors."""
        if isinstance(value, Tensor):
            if is_lazy(value):
                return Recorded(torch.Size([0]), value.dtype, None, -1)  # it has no shape yet
            if value.layout is not torch.strided or value.is_nested:
                return unusual_record(value)
            number = self._number(value, made=made)
            return Recorded(value.shape, value.dtype, value.stride(), number, int(value.storage_offset()))
        if isinstance(value, list | tuple):
            return [self._noted(part, made=made) for part in value]
        return value

    def _number(self, tensor: Tensor, *, made: bool) -> int:
        """The tape's number of the tensor's storage, which is followed until it dies; -1 if it has none."""
        if tensor.layout is not torch.strided:
            return -1
        storage = tensor.untyped_storage()
        key = storage_key(storage)
        number = self._numbers.get(key)
        if number is None:
            self._storages += 1
            number = self._storages
            self._watch(storage, key, number)
            if made:
                self._own.add(number)
                self.events.append(Born(number, storage.nbytes()))
        return number

    def _watch(self, storage: Any, key: int, number: int) -> None:
        def died(_: object) -> None:
            self._numbers.pop(key, None)
            self._watched.pop(key, None)
            self._holders[number] -= 1
            if not self._holders[number]:  # a real storage may outlive its twins, and a view of a twin outlive it
                self.events.append(Died(number))

        self._holders[number] += 1
        self._numbers[key] = number
        self._watched[key] = weakref.ref(storage, died)

    def _needs_no_data(self, func: Any, types: Any, args: Any, records: list[Recorded]) -> bool:
        """Whether an operation must run on tensors without data."""
        if FakeTensor in types or any(record.storage in self._without_data for record in records):
            return True
        if is_higher_order(func):
            return False
        if any(
            record.storage not in self._own
            for position in _written(func)
            if position < len(args) and isinstance(args[position], Tensor)
            for record in [self._noted(args[position])]
        ):
            return True  # what was there before is not touched
        return elements_at_most(func, args, records) > LARGEST_REAL

    def _run_without_data(self, func: Any, types: Any, args: Any, kwargs: Any, noted: list[Any]) -> Any:
        assert self.fakes is not None  # noqa: S101 - for the reader
        assert self._known_results is not None  # noqa: S101 - likewise
        written = [args[position] for position in _written(func) if position < len(args)]
        for tensor in written:
            if isinstance(tensor, Tensor) and not isinstance(tensor, FakeTensor):
                self._without_data.add(self._number(tensor, made=False))
                if torch.Tag.inplace_view in func.tags:
                    func(*args, **kwargs)  # the real tensor changes its shape, too, which takes no data
        args, kwargs = self._twinned(args), {name: self._twinned(arg) for name, arg in kwargs.items()}
        if is_higher_order(func):
            with self.fakes:
                return func(*args, **kwargs)
        return self._known_results.run(func, types, args, kwargs, noted)

    def _twinned(self, value: Any) -> Any:
        """The value, with tensors without data in the place of real ones, for each always the same."""
        if isinstance(value, Tensor):
            return value if isinstance(value, FakeTensor) else self._twin(value)
        if isinstance(value, list | tuple):
            return type(value)([self._twinned(part) for part in value]) if type(value) in (list, tuple) else value
        return value

    def _twin(self, tensor: Tensor) -> Tensor:
        assert self.fakes is not None  # noqa: S101 - for the reader
        known = self._twins.get(id(tensor))
        if known is not None and known[0] is tensor:
            return known[1]
        number = self._number(tensor, made=False)
        twin = empty_like(tensor, self.fakes) if number not in self._own else self.fakes.from_tensor(tensor)
        if tensor.layout is torch.strided:
            storage = twin.untyped_storage()
            if storage_key(storage) not in self._numbers:
                self._watch(storage, storage_key(storage), number)
            if number not in self._own:
                self._twins[id(tensor)] = tensor, twin  # such as parameters, which stay as they are
        return twin

    def _follow_values(self, func: Any, noted_args: list[Any], records: list[Recorded], *, fake: bool) -> None:
        if fake or not self._derived:
            return
        if any(record.storage in self._derived for record in records):
            if name_of(func) in READS or (func is LOOKUP and has_mask(noted_args)):
                self.value_reads += 1
            for position in _written(func):
                if position < len(noted_args) and isinstance(noted_args[position], Recorded):
                    self._derived.add(noted_args[position].storage)


@cache
def _answers_for_itself(kind: type[Tensor]) -> bool:
    """Whether tensors of this class say themselves what an operation on them runs, which is then recorded."""
    return kind is not FakeTensor and kind.__torch_dispatch__ is not Tensor.__torch_dispatch__


@cache
def _is_composite(func: Any) -> bool:
    """Whether torch would take the operation apart, which it does before we see it except in inference mode."""
    return not is_higher_order(func) and not has_rule(func) and is_composite(func)


@cache
def _written(func: Any) -> tuple[int, ...]:
    """The positions of arguments that the operation writes to."""
    return () if is_higher_order(func) else written_arguments(func)

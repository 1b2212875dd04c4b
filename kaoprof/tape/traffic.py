"""What a tape says of traffic: operations that launch something, and the bytes that these read and write."""

from collections import Counter
from typing import NamedTuple

from kaoprof.tape.entries import Entered, Operation, Recorded, Tape, records_in
from kaoprof.torch_internals import changes_in_place, is_higher_order
from kaoprof.workload.operation_names import ALLOCATING, LOOKUPS, name_of
from kaoprof.workload.tensor_bytes import touched


class Traffic(NamedTuple):
    """By the path of each module, of what it executes itself: operations launched, and bytes that they move."""

    operations: Counter[str]
    moved_bytes: Counter[str]


def traffic_of(tape: Tape) -> Traffic:
    """Of one step. A view of what is there already launches nothing and moves nothing, as `bench.traffic` has it."""
    traffic = Traffic(Counter(), Counter())
    begun = next((place for place, event in enumerate(tape.events) if isinstance(event, Entered)), 0)
    for event in tape.events[begun:]:  # before a model is entered its input is copied
        if not isinstance(event, Operation) or not _launches(event):
            continue
        read = list(records_in([*event.args, *event.kwargs.values()]))
        written = _touched_bytes(list(records_in([event.out])))
        traffic.operations[event.layer] += 1
        if name_of(event.func) in LOOKUPS:
            traffic.moved_bytes[event.layer] += min(_touched_bytes(read[:1]), written)
            read = read[1:]
        traffic.moved_bytes[event.layer] += _touched_bytes(read) + written
    return traffic


def _launches(operation: Operation) -> bool:
    if name_of(operation.func) in ALLOCATING:
        return False
    before = {record.storage for record in records_in([*operation.args, *operation.kwargs.values()])}
    makes = any(record.storage not in before for record in records_in([operation.out]))
    return makes or (not is_higher_order(operation.func) and changes_in_place(operation.func))


def _touched_bytes(records: list[Recorded]) -> int:
    """Bytes of memory behind them, each once."""
    unique = {(record.storage, record.shape, record.strides, record.offset): record for record in records}.values()
    return sum(
        record.nbytes if record.strides is None else touched(record.shape, record.strides, record.dtype.itemsize)
        for record in unique
    )

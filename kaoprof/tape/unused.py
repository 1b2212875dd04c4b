"""Whether a tape holds products that nobody looks at: they were computed, though a tracer would leave them out."""

from kaoprof.tape.entries import Died, Left, Operation, Recorded, Tape, records_in
from kaoprof.tape.layers import count_operation


def has_unused_products(tape: Tape) -> bool:
    """Whether the result of some contraction died before the model answered, and nothing but views was made of it."""
    made: set[int] = set()
    read: set[int] = set()
    died: set[int] = set()
    for event in tape.events[: _answered(tape)]:
        if isinstance(event, Died):
            died.add(event.storage)
        elif isinstance(event, Operation):
            results = {record.storage for record in records_in(event.out)}
            given = {record.storage for record in records_in((event.args, list(event.kwargs.values())))}
            read |= given - results
            if results.isdisjoint(given) and count_operation(event)[0] and isinstance(event.out, Recorded):
                made |= results
    return bool((made & died) - read)


def _answered(tape: Tape) -> int:
    """Where on the tape the whole model has answered."""
    leaving = [position for position, event in enumerate(tape.events) if isinstance(event, Left)]
    return leaving[-1] if leaving else len(tape.events)

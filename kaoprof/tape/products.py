"""Products on a tape that counters take for something else: those that nobody uses, and contractions written out."""

from kaoprof.tape.entries import Died, Left, Operation, Recorded, Tape, records_in
from kaoprof.tape.layers import count_operation
from kaoprof.workload.operation_names import name_of

PRODUCTS = frozenset({"mul", "mul_"})


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


def written_out(tape: Tape) -> int:
    """Multiply-adds that are written as a product element by element and its sum: among the FLOPs, not the MACs."""
    products: dict[int, int] = {}
    total = 0
    for event in tape.events:
        if not isinstance(event, Operation):
            continue
        name, first = name_of(event.func), event.args[0] if event.args else None
        if name in PRODUCTS and isinstance(event.out, Recorded) and isinstance(event.args[1], Recorded):
            products[event.out.storage] = event.out.numel()
        elif name == "sum" and isinstance(first, Recorded) and products.get(first.storage) == first.numel():
            total += products.pop(first.storage)
    return total

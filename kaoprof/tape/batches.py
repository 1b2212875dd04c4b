"""Whether the first axis of a model's input holds its samples: not where a layer takes the sequence there."""

from torch import nn

from kaoprof.tape.entries import Tape
from kaoprof.workload.workload import FLOAT_DTYPES, Workload

ALONE = 2  # axes of one sequence without a batch


def sequence_first(module: nn.Module, tape: Tape, workload: Workload, *, inside: str = "") -> str:
    """The layer because of which the first axis of the first input might be no batch; "" if there is none.

    It is one with `batch_first=False`, as torch's recurrent layers and transformers have by default, if it answered
    with the sequence first; unless its own batch is as long as the first axis of the input, and its sequence is not.
    It is told by its path in the module that is called `inside`; that itself by its class.
    """
    first = next((spec for spec in workload.inputs if spec.shape), None)
    if first is None:
        return ""
    alone = first.dtype in FLOAT_DTYPES and len(first.shape) == ALONE
    for path, part in module.named_modules():
        facts = tape.layers.get(path)
        if getattr(part, "batch_first", None) is not False or facts is None or not facts.called:
            continue
        sequence, *others = facts.output_shape or (1,)
        if not others or (len(others) == 1 and not alone):
            continue  # packed, or no sequence at all
        if len(others) == 1 or others[0] != first.shape[0] or sequence == first.shape[0]:
            return path.removeprefix(inside).removeprefix(".") or type(part).__name__
    return ""

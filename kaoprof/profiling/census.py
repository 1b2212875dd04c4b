"""What can be known of a whole model without running it, as a tree of layers: the data, which goes through JSON."""

import msgspec

from kaoprof.records.profile import StepMemory
from kaoprof.tape.tree import CountedLayer


class ModelCensus(msgspec.Struct, frozen=True, kw_only=True):
    """A model's layers in the order in which they are written, the whole first.

    Args:
        layers: with their counts, fvcore's, and their predicted peaks.
        unmodelled: operations whose kernels might raise the peak above the predicted one.
        recorded: `fake` where no tensor held data, or `real`.
        value_reads: how often values of the input decided what ran.
        written_out: multiply-adds that are written as products and sums, of the whole batch.
        unpredicted: why the peak could not be predicted, if so.
        sequence_first: the layer because of which the first axis of the input might be no batch, if any.
        training_step: its memory with the optimizer, if one was asked for and it could be predicted.
        uncountable: why nothing could be counted, though the model runs; then there are no layers.
    """

    layers: tuple[CountedLayer, ...] = ()
    unmodelled: tuple[str, ...] = ()
    recorded: str = "fake"
    value_reads: int = 0
    written_out: int = 0
    unpredicted: str = ""
    sequence_first: str = ""
    training_step: StepMemory | None = None
    uncountable: str = ""

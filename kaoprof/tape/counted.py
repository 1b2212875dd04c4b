"""`kaoprof.count`: what one call of a model or a function costs, in this process, without running it on data."""

from collections.abc import Callable
from typing import Any

import msgspec
import torch

from kaoprof.counting.installed_rules import load_installed_rules
from kaoprof.errors import first_line
from kaoprof.tape.entries import Tape
from kaoprof.tape.layers import count_layers
from kaoprof.tape.models import Recording
from kaoprof.tape.prediction import predicted
from kaoprof.tape.recording import FAKE, Call, record
from kaoprof.tape.tree import CountedLayer, layer_tree
from kaoprof.units import format_bytes, format_count

COLUMNS = ("layer", "type", "weights", "MACs", "FLOPs")
DEEPEST_SHOWN = 2
LONGEST_NAME = 44
HOW_RECORDED = {True: "without data", False: "on real tensors, since its code looks at values"}


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What one call costs: the whole batch that it was called with.

    Args:
        macs: multiply-adds of contractions: products, convolutions, attention.
        flops: all arithmetic, with 1 MAC = 2 FLOPs.
        params: trainable numbers of the model, called or not, each once.
        layers: every layer that ran or holds weights, the whole first; those that hold no others sum to it.
        uncounted: operations that no rule covers, with their calls: macs and flops are without them.
        peak_bytes: the most that is allocated at once during the call on a CPU, above the model and its input; None
            where it could not be predicted.
        peak_unknown: why it could not be.
        unmodelled: operations whose kernels might raise the peak above that.
        recorded: `fake` where no tensor held data, or `real`.
        value_reads: how often values of the input decided what runs: other input may cost something else.
        mode: `forward`, or `train` for forward and backward.
    """

    macs: int
    flops: int
    params: int
    layers: tuple[CountedLayer, ...]
    uncounted: dict[str, int]
    peak_bytes: int | None
    peak_unknown: str | None
    unmodelled: tuple[str, ...]
    recorded: str
    value_reads: int
    mode: str

    def __repr__(self) -> str:
        return f"Counts(macs={self.macs}, flops={self.flops}, params={self.params}, layers={len(self.layers)})"

    def __str__(self) -> str:
        rows = [layer for layer in self.layers if layer.depth <= DEEPEST_SHOWN]
        cells = [COLUMNS, *(_cells(layer) for layer in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS))]
        lines = [
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)  # noqa: PLR2004 - names, then figures
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        return "\n".join([*lines, *self._notes()])

    def _notes(self) -> list[str]:
        peak = f"unknown: {self.peak_unknown}" if self.peak_bytes is None else format_bytes(self.peak_bytes)
        notes = [f"1 MAC = 2 FLOPs; {self.mode}; predicted peak {peak}; recorded {HOW_RECORDED[self.recorded == FAKE]}"]
        if self.uncounted:
            named = ", ".join(f"{name} ({calls}x)" for name, calls in self.uncounted.items())
            notes.append(f"not counted, for want of a rule: {named}")
        if self.value_reads:
            notes.append("values of the input decide what runs: other input may cost something else")
        return notes


def _cells(layer: CountedLayer) -> tuple[str, ...]:
    name = layer.layer or "total"
    if len(name) > LONGEST_NAME:
        name = f"…{name[1 - LONGEST_NAME :]}"
    mark = " >" if layer.uncounted else ""
    weights = format_count(layer.params + layer.params_norm)
    return name, layer.type, weights, format_count(layer.macs) + mark, format_count(layer.flops_all) + mark


def count(model: Callable[..., object], /, *args: Any, **kwargs: Any) -> Counts:
    """Counts what one call of a model, or of any function of tensors, costs; nothing of the caller's is changed.

    A model in training mode is counted as in evaluation mode, as long as its own code does not ask.

    Args:
        model: a module, or anything that is called with tensors.
        args: what it is called with.
        kwargs: likewise.

    Raises:
        KaoprofError: modules run in other threads.
        Exception: whatever the call itself raises.
    """
    return counts_of_call(Call(model, args, kwargs))


def counts_of_call(call: Call) -> Counts:
    """As `count`, of a call that may be followed by a backward pass."""
    load_installed_rules()
    tape = record(call)
    layers = layer_tree(count_layers(tape))
    whole = layers[0]
    peak, unmodelled, unknown = _peak(call, tape)
    return Counts(
        macs=whole.macs,
        flops=whole.flops_all,
        params=whole.params + whole.params_norm,
        layers=layers,
        uncounted=whole.uncounted,
        peak_bytes=peak,
        peak_unknown=unknown,
        unmodelled=unmodelled,
        recorded=tape.recorded,
        value_reads=tape.value_reads,
        mode="train" if call.train else "forward",
    )


def _peak(call: Call, tape: Tape) -> tuple[int | None, tuple[str, ...], str | None]:
    """The peak, what is not modelled in it, and why it is not known."""
    try:
        peak = predicted(Recording(tape, call, seed=None), device="cpu", threads=torch.get_num_threads())
    except Exception as error:  # noqa: BLE001 - a model of a kernel that fails must not take the counts with it
        return None, (), f"{type(error).__name__}: {first_line(error)}"
    return peak.peak_bytes, peak.unmodelled, None

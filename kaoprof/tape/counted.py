"""`kaoprof.count`: what a call of a model or a function costs, in this process, without running it on data.

Without a call, `with kaoprof.count() as counts:` counts whatever runs inside.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

import msgspec
import torch
from torch import Tensor

from kaoprof.counting.installed_rules import load_installed_rules
from kaoprof.errors import first_line
from kaoprof.records.measured import timestamp
from kaoprof.records.profile import LayerRow, ModelProfile, PassCount, ProfileRecord
from kaoprof.tape.entries import Operation, Tape
from kaoprof.tape.keeping import process_kept
from kaoprof.tape.layers import LayerCount, count_layers, count_operation
from kaoprof.tape.models import Recording
from kaoprof.tape.modules import tensors_in, type_name
from kaoprof.tape.peak import Peak
from kaoprof.tape.prediction import Prediction, predicted
from kaoprof.tape.recording import Call, record
from kaoprof.tape.slips import said_in_a_sentence
from kaoprof.tape.tree import CountedLayer, layer_tree
from kaoprof.version import __version__
from kaoprof.workload.workload import FLOAT_DTYPES

if TYPE_CHECKING:
    from kaoprof.tape.block import Counting

DTYPES = {getattr(torch, theirs): ours for ours, theirs in FLOAT_DTYPES.items() if ours != "tf32"}
SEVERAL = 2


class Counts(ProfileRecord, frozen=True, kw_only=True):
    """What a call costs: a record of `profile` with one model, whose counts are of the call as a whole.

    `print(counts)` shows the layers; `counts.save("x.json")` writes what `kaoprof report` reads.
    """

    @property
    def macs(self) -> int:
        """Multiply-adds of contractions: products, convolutions, attention."""
        return self.models[0].total.macs_batch or 0

    @property
    def flops(self) -> int:
        """All arithmetic, with 1 MAC = 2 FLOPs."""
        return self.models[0].total.flops_all or 0

    @property
    def params(self) -> int:
        """Trainable numbers of the model, called or not, each once."""
        return self.models[0].total.params + self.models[0].total.params_norm

    @property
    def layers(self) -> tuple[CountedLayer, ...]:
        """Every layer that ran or holds weights, the whole first; those that hold no others sum to it."""
        return tuple(_as_layer(row) for row in self.models[0].layers)

    @property
    def passes(self) -> dict[str, PassCount]:
        """What each pass computes, where there are several: forward, backward, recomputed, optimizer."""
        return self.models[0].passes

    @property
    def uncounted(self) -> dict[str, int]:
        """Operations that no rule covers, with their calls: macs and flops are without them."""
        return self.models[0].total.uncounted

    @property
    def peak_bytes(self) -> int | None:
        """The most that is allocated at once on a CPU, above what was there before; None: it could not be predicted."""
        return self.models[0].total.peak_bytes_predicted

    @property
    def peak_unknown(self) -> str | None:
        """Why it could not be."""
        return self.models[0].detail.removeprefix(UNPREDICTED) or None

    @property
    def unmodelled(self) -> tuple[str, ...]:
        """Operations whose kernels might raise the peak above that."""
        return self.models[0].unmodelled

    @property
    def recorded(self) -> str:
        """`fake` where no tensor held data, or `real`."""
        return str(self.models[0].recorded)

    @property
    def value_reads(self) -> int:
        """How often values of the input decided what runs: other input may cost something else."""
        return self.models[0].value_reads


UNPREDICTED = "the peak cannot be predicted: "


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """A predicted peak: of the whole, called "", and of each layer; what is not modelled; or why it is not known."""

    peaks: Mapping[str, int] = {}
    unmodelled: tuple[str, ...] = ()
    unknown: str = ""


@overload
def count() -> "Counting": ...


@overload
def count(model: Callable[..., object], /, *args: Any, **kwargs: Any) -> Counts: ...


def count(*call: Any, **kwargs: Any) -> "Counts | Counting":
    """Counts what a call of a model, or of any function of tensors, costs; nothing of the caller's is changed.

    `kaoprof.count(net, x)` counts one call, without running it on data. `with kaoprof.count() as counts:` counts all
    that really runs in the block: a loop, a pipeline, a training step with its optimizer.
    A model is counted in the mode in which it is: dropout and batch norm have no MACs in either.

    Args:
        call: the model or function, and what it is called with; nothing for a block.
        kwargs: what it is called with by name; all of it is the model's.

    Returns:
        The counts of the call as a whole, a record that prints as a table.

    Raises:
        UsageError: it cannot be called like that: a class and no instance, an array, another device or dtype.
        KaoprofError: its modules run in other threads, or another thread counts a block.
        Exception: whatever the call itself raises.
    """
    if not call and not kwargs:
        from kaoprof.tape.block import Counting

        return Counting()
    with said_in_a_sentence("kaoprof.count", call, kwargs), process_kept(None):
        return counts_of_call(Call(call[0], call[1:], kwargs))


def counts_of_call(call: Call) -> Counts:
    """As `count`, of a call that may be followed by a backward pass."""
    load_installed_rules()
    tape = record(call)
    recording, threads = Recording(tape, call, seed=None), torch.get_num_threads()
    peak = derived(lambda: predicted(recording, device="cpu", threads=threads))
    return counts_from(
        name_of_call(call),
        count_layers(tape),
        peak,
        passes=passes_of(tape),
        shapes=[tuple(tensor.shape) for tensor in tensors_in((call.args, call.kwargs))],
        recorded=tape.recorded,
        value_reads=tape.value_reads,
        dtype=dtype_of_call(call),
        mode="train" if call.train else "forward",
    )


def counts_from(
    name: str,
    layers: Mapping[str, LayerCount],
    peak: Derived,
    *,
    passes: Mapping[str, PassCount],
    recorded: str,
    dtype: str,
    mode: str,
    shapes: Iterable[tuple[int, ...]] = (),
    value_reads: int = 0,
) -> Counts:
    """The counts of a call as a record.

    Args:
        name: of the model.
        layers: each module by its path, the whole first.
        peak: what is predicted.
        passes: by name.
        recorded: `fake` or `real`.
        dtype: what it computes in.
        mode: `forward` or `train`.
        shapes: of the tensors in the input.
        value_reads: how often values decided.
    """
    rows = tuple(_as_row(layer, peak) for layer in layer_tree(layers))
    model = ModelProfile(
        model=name,
        source="",
        batch=None,
        input_shapes=tuple(shapes),
        layers=rows,
        dtype=dtype,
        unmodelled=peak.unmodelled,
        recorded=recorded,
        value_reads=value_reads,
        detail=f"{UNPREDICTED}{peak.unknown}" if peak.unknown else "",
        passes=dict(passes) if len(passes) >= SEVERAL else {},
    )
    return Counts(version=__version__, created=timestamp(), mode=mode, dtype=dtype, device=None, models=(model,))


def passes_of(tape: Tape) -> dict[str, PassCount]:
    """What each pass of a tape computes."""
    sums: dict[str, list[int]] = {}
    for event in tape.events:
        if isinstance(event, Operation):
            macs, others = count_operation(event)
            sums.setdefault(event.phase, [0, 0])
            sums[event.phase][0] += macs
            sums[event.phase][1] += others or 0
    return {name: PassCount(macs=macs, flops_all=2 * macs + others) for name, (macs, others) in sums.items()}


def derived(predict: Callable[[], Prediction | Peak]) -> Derived:
    """What is predicted, or why it is not known."""
    try:
        peak = predict()
    except Exception as error:  # noqa: BLE001 - a model of a kernel that fails must not take the counts with it
        return Derived(unknown=f"{type(error).__name__}: {first_line(error)}")
    return Derived(peaks={**peak.peaks, "": peak.peak_bytes}, unmodelled=peak.unmodelled)


def name_of_call(call: Call) -> str:
    """What is called: a module by its class, a function by its name."""
    if call.module is not None:
        return type_name(call.module)
    name = str(getattr(call.function, "__name__", type(call.function).__name__))
    return "function" if name == "<lambda>" else name


def dtype_of_call(call: Call) -> str:
    """What it computes in: as its first parameter of real numbers, else its first such input; fp32 without any."""
    parameters: Iterable[Tensor] = () if call.module is None else call.module.parameters()
    given = (tensor for tensors in (parameters, tensors_in((call.args, call.kwargs))) for tensor in tensors)
    return next((DTYPES[tensor.dtype] for tensor in given if tensor.dtype in DTYPES), "fp32")


def _as_row(layer: CountedLayer, peak: Derived) -> LayerRow:
    return LayerRow(
        layer=layer.layer,
        type=layer.type,
        depth=layer.depth,
        leaf=layer.leaf,
        output_shape=layer.output_shape,
        params=layer.params,
        params_norm=layer.params_norm,
        macs_counted=layer.macs,
        macs_batch=layer.macs,
        flops_all=layer.flops_all,
        uncounted=layer.uncounted,
        peak_bytes_predicted=peak.peaks.get(layer.layer),
    )


def _as_layer(row: LayerRow) -> CountedLayer:
    macs = row.macs_batch or 0
    return CountedLayer(
        layer=row.layer,
        type=row.type,
        depth=row.depth,
        leaf=row.leaf,
        output_shape=row.output_shape,
        params=row.params,
        params_norm=row.params_norm,
        macs=macs,
        elementwise=(row.flops_all or 0) - 2 * macs,
        uncounted=row.uncounted,
        peak_bytes=row.peak_bytes_predicted,
    )

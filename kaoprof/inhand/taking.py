"""Profiles a model in hand: counts its call, then measures it here; the model and the process are then as before."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.counting.installed_rules import load_installed_rules
from kaoprof.dims import MODES, one_of
from kaoprof.errors import UsageError
from kaoprof.inhand.bench import BenchInHand, InProcess
from kaoprof.inhand.module import INSIDE, CalledInHand, is_training, tensors_of, workload_of
from kaoprof.measuring.plan import Progress, Subject
from kaoprof.measuring.run import ProgressCallback, run_session
from kaoprof.profiling.census import ModelCensus
from kaoprof.profiling.rows import counted_model, measured_model
from kaoprof.records.measured import timestamp
from kaoprof.records.options import Options
from kaoprof.records.profile import IN_HAND, ModelProfile, ProfileRecord
from kaoprof.tape.counted import derived, dtype_of_call, passes_of
from kaoprof.tape.keeping import model_kept, process_kept
from kaoprof.tape.layers import count_layers
from kaoprof.tape.models import Recording
from kaoprof.tape.prediction import predicted
from kaoprof.tape.products import written_out
from kaoprof.tape.recording import Call, record
from kaoprof.tape.slips import said_in_a_sentence
from kaoprof.tape.tree import CountedLayer, layer_tree
from kaoprof.version import __version__
from kaoprof.workload.workload import Workload

WHERE = "kaoprof.profile"
NO_AXIS = 1000  # tensors have no such axis: the call is one sample
SEVERAL = 2
SILENT_PROFILER = ("KINETO_LOG_LEVEL", "6")  # else it writes to stderr that it starts, whenever memory is read


def profile_in_hand(
    function: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    mode: str,
    batch_axis: int | None,
    input_grad: bool,
    measured: bool,
    options: Options,
    notify: ProgressCallback,
) -> ProfileRecord:
    """See `kaoprof.profile`."""
    one_of("mode", mode, MODES)
    _check_options(options)
    with said_in_a_sentence(WHERE, (function, *args), kwargs), process_kept(None):
        call = Call(function, args, kwargs, train=mode == "train", input_grad=input_grad)
        workload = workload_of(call, batch_axis=NO_AXIS if batch_axis is None else batch_axis)
        device = _device_of(call, options.device, measured=measured and not options.analytic)
        notify(Progress(label=workload.factory, step="counting", done=0, total=1))
        model = counted(call, workload, device)
        taken = ProfileRecord(
            version=__version__, created=timestamp(), mode=mode, dtype=workload.dtype, device=device, models=(model,)
        )
        return measured_in_hand(taken, call, workload, options, notify) if measured and not options.analytic else taken


def _check_options(options: Options) -> None:
    """Refuses what would change this process, or needs one of its own.

    Raises:
        UsageError: so it is.
    """
    instead = {"compile": "pass torch.compile(model)", "graph": "name a spec", "affinity": "isolate=True"}
    for name, hint in instead.items():
        if getattr(options, name):
            raise UsageError("is not for a model in hand, which runs as it is here", where=name, hint=hint)
    if options.sdpa != "auto":
        hint = "call it inside `with torch.nn.attention.sdpa_kernel(...)`"
        raise UsageError("is not for a model in hand, which runs as it is here", where="sdpa", hint=hint)


def _device_of(call: Call, wanted: str, *, measured: bool) -> str:
    """Where it runs: where its weights lie, else its input.

    Raises:
        UsageError: that is not where it is wanted, or cannot be measured.
    """
    parameters: Any = () if call.module is None else call.module.parameters()
    tensors = (*parameters, *tensors_of(call))
    kinds = {tensor.device for tensor in tensors if tensor.device.type != "cpu"}
    device = next(iter(sorted(map(str, kinds))), "cpu")
    if wanted not in ("auto", device, device.partition(":")[0]):
        hint = f"model.to({wanted!r}) and x.to({wanted!r})"
        raise UsageError(f"the model is on {device}, not on {wanted}", where="options.device", hint=hint)
    if device == "meta" and measured:
        raise UsageError("tensors on the meta device cannot run", where=WHERE, hint="measured=False counts them")
    if device == "meta":
        return "cpu"
    if device.partition(":")[0] not in ("cpu", "cuda"):
        raise UsageError(f"nothing can be measured on {device}", where=WHERE, hint="kaoprof.count(model, x) counts it")
    return f"{device}:0" if device == "cuda" else device


def counted(call: Call, workload: Workload, device: str) -> ModelProfile:
    """The call as a model with its counts and predicted peaks; leaves no trace.

    Raises:
        KaoprofError: modules run in other threads.
        Exception: whatever the call raises on real tensors.
    """
    load_installed_rules()
    tape = record(call)
    recording, kind, threads = Recording(tape, call, seed=None), device.partition(":")[0], torch.get_num_threads()
    peak = derived(lambda: predicted(recording, device=kind, threads=threads))
    census = ModelCensus(
        layers=tuple(_with_peak(layer, peak.peaks) for layer in layer_tree(count_layers(tape))),
        unmodelled=peak.unmodelled,
        recorded=tape.recorded,
        value_reads=tape.value_reads,
        written_out=0 if call.train else written_out(tape),
        unpredicted=peak.unknown,
    )
    whole = ModelProfile(
        model=workload.factory,
        source=IN_HAND,
        inside=INSIDE if call.module is not None else "",
        batch=workload.batch,
        input_shapes=(),
        layers=(),
        training=is_training(call),
    )
    passes = passes_of(tape)
    model = counted_model(whole, census, workload)
    if workload.batch_axis == NO_AXIS:
        model = replace(model, batch=None)
    return replace(model, dtype=dtype_of_call(call), passes=passes if len(passes) >= SEVERAL else {})


def _with_peak(layer: CountedLayer, peaks: Mapping[str, int]) -> CountedLayer:
    return replace(layer, peak_bytes=peaks.get(layer.layer))


def measured_in_hand(
    record: ProfileRecord, call: Call, workload: Workload, options: Options, notify: ProgressCallback
) -> ProfileRecord:
    """The record with what was measured here. Whatever is written to meanwhile is a copy."""
    (model,) = record.models
    inputs = tuple(_own(tensor, call) for tensor in tensors_of(call))
    total = model.total
    named = [model.module_name(row.layer) for row in model.layers] if record.mode == "forward" else []
    subject = Subject(
        key=0,
        label=model.model,
        workload=workload,
        resident_bytes=0,  # it is there already
        predicted_bytes=total.peak_bytes_predicted or 0,
        floor_flops=FLOPS_PER_MAC * (total.macs_batch or 0),
        layers=tuple(name for name in named if name),
    )
    with ExitStack() as stack:
        for part in (call.module, *call.roots.values()):
            stack.enter_context(model_kept(part, written=True))
        os.environ.setdefault(*SILENT_PROFILER)
        torch.set_grad_enabled(True)  # as the caller has it again afterwards: a forward pass is without, in any case
        bench = BenchInHand(CalledInHand(call), inputs, copyable=call.module is not None)
        outcome = run_session([[subject]], str(record.device), options, notify, in_process=lambda: InProcess(bench))
    return replace(
        record,
        models=(measured_model(model, outcome.measurements.get(0)),),
        environment=outcome.environment,
        protocol=outcome.protocol,
        interrupted=outcome.interrupted,
    )


def _own(tensor: Tensor, call: Call) -> Tensor:
    """A copy of a tensor of the input, which a model may write to."""
    floats = tensor.is_floating_point() or tensor.is_complex()
    wanted = call.train and floats and (tensor.requires_grad or call.input_grad)
    return tensor.detach().clone().requires_grad_(wanted)

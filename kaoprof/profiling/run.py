"""From specs to a profile record: every layer's closed form, counts and prediction, then the models side by side."""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.dims import DTYPE_BYTES, MODES, one_of
from kaoprof.errors import KaoprofError, UsageError, first_line
from kaoprof.measuring.devices import check_wishes, find_device
from kaoprof.measuring.plan import Progress, Subject
from kaoprof.measuring.run import ProgressCallback, open_session, run_session, unheard
from kaoprof.networks import code_workload, network_workload, override
from kaoprof.networks.workloads import INSIDE
from kaoprof.profiling.rows import analytic_profile, counted_model, measured_model, variant_of, with_common_bytes
from kaoprof.records.measured import EAGER, timestamp
from kaoprof.records.options import Options, checked_options
from kaoprof.records.profile import AT, ModelProfile, ProfileRecord
from kaoprof.records.swept_models import shown_size
from kaoprof.specs import Document, load_spec
from kaoprof.specs.documents import CodeSpec
from kaoprof.version import __version__
from kaoprof.workload.optimizers import parse_optimizer
from kaoprof.workload.process import leaves_process_alone
from kaoprof.workload.workload import Workload

if TYPE_CHECKING:
    from kaoprof.measuring.session import Session
    from kaoprof.profiling.census import ModelCensus

AUTO, PER_CALL = "auto", "none"  # instead of the number of the axis of samples
WRONG_USAGE = "UsageError: "  # how a child begins to tell of a request that makes no sense


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What of a spec is overridden, and how far a profile goes.

    Args:
        batch: samples at once.
        size: spatial sizes.
        sizes: several of them: each model is one for each, named `model@224`.
        attention: the operator of every attention layer.
        mode: forward, or train for forward and backward.
        dtype: of inputs and parameters.
        measured: whether anything is run; else it is only counted and predicted.
        allow_import: whether a spec may name code, which runs it.
        input_grad: whether a model's input requires gradients in `train`, as that of a part of a network.
        batch_axis: of the first input of code: where its samples lie; `none` for counts of the whole call; `auto`: the
            first one, unless a layer takes its sequence there.
        optimizer: whose step ends a call, such as `adamw` or `sgd:momentum=0.9`; the mode is then `train`.
    """

    batch: int | None = None
    size: tuple[int, ...] | None = None
    sizes: tuple[tuple[int, ...], ...] = ()
    attention: str | None = None
    mode: str = "forward"
    dtype: str = "fp32"
    measured: bool = True
    allow_import: bool = False
    input_grad: bool = False
    batch_axis: int | str = AUTO
    optimizer: str = ""

    def __post_init__(self) -> None:
        if self.optimizer:
            parse_optimizer(self.optimizer)
            msgspec.structs.force_setattr(self, "mode", "train")
        one_of("mode", self.mode, MODES)
        one_of("dtype", self.dtype, tuple(DTYPE_BYTES))
        if isinstance(self.batch_axis, str):
            one_of("batch-axis", self.batch_axis, ("0", "1", PER_CALL, AUTO))
        elif self.batch_axis < 0:
            raise UsageError(f"axes are numbered from 0, not {self.batch_axis}", where="batch-axis")

    @property
    def at_each_size(self) -> "tuple[ModelOptions, ...]":
        """The options at each of several sizes; themselves where there are not several."""
        return tuple(replace(self, size=size, sizes=()) for size in self.sizes) or (self,)


@leaves_process_alone
def profile(
    targets: Sequence[str | Document],
    *,
    model: ModelOptions | None = None,
    options: Options | None = None,
    progress: ProgressCallback | None = None,
) -> ProfileRecord:
    """Whole models, layer by layer: closed forms, counts, predicted and measured peak memory, latency.

    Args:
        targets: specs: paths, names of shipped specs, or documents.
        model: what is overridden, and how far to go.
        options: device, budget, seed, and how to measure; `analytic` stops after the closed forms.
        progress: called with what is being done.

    Raises:
        SpecError: a spec is malformed.
        UsageError: code without permission, or a request that makes no sense.
        MeasurementError: the device is not there.
    """
    model, options = model or ModelOptions(), checked_options(options)
    if not targets:
        raise UsageError("no model is named", where="profile", hint="for example: kaoprof profile kanet-qkv")
    notify = progress or unheard
    pairs = [(target, at_size) for target in targets for at_size in model.at_each_size]
    documents = [_document(target, at_size) for target, at_size in pairs]
    record = blank_record(documents, model)
    if model.sizes:
        record = replace(record, models=tuple(map(_at_size, record.models, [at_size for _, at_size in pairs])))
    if options.analytic:
        return record
    if model.optimizer and options.graph:
        raise UsageError("cannot be replayed with an optimizer", where="graph", hint="leave --graph or --optimizer out")
    workloads = workloads_of(documents, model, options.seed)
    device = find_device(options.device)
    check_wishes(device, model.dtype, options)
    record = replace(record, device=device)
    session = open_session(device, options, notify)
    try:
        record, workloads = count_models(record, workloads, session, options, notify, [at_size for _, at_size in pairs])
        if not model.measured:
            return replace(record, models=tuple(map(failed_if_unknown, record.models)))
        return _measured(record, workloads, session, options, notify)
    finally:
        session.close()


def blank_record(documents: Sequence[Document], model: ModelOptions) -> ProfileRecord:
    """Every model with the closed form of each of its layers, and nothing else."""
    return ProfileRecord(
        version=__version__,
        created=timestamp(),
        mode=model.mode,
        dtype=model.dtype,
        device=None,
        models=tuple(
            analytic_profile(document, model.mode, attention=model.attention, input_grad=model.input_grad)
            for document in documents
        ),
    )


def workloads_of(documents: Sequence[Document], model: ModelOptions, seed: int) -> list[Workload]:
    """What runs of each.

    Raises:
        UsageError: code without permission, or of another dtype.
    """
    return [replace(_workload(document, model, seed), optimizer=model.optimizer) for document in documents]


def _measured(
    record: ProfileRecord, workloads: Sequence[Workload], session: "Session", options: Options, notify: ProgressCallback
) -> ProfileRecord:
    """The record with every model measured, in every way that was asked for."""
    pairs = [
        pair
        for one, workload in zip(record.models, workloads, strict=True)
        for pair in in_every_way(one, workload, options)
    ]
    record = replace(record, models=tuple(one for one, _ in pairs))
    return measure_models(record, [workload for _, workload in pairs], session, options, notify)


def failed_if_unknown(model: ModelProfile) -> ModelProfile:
    """The model; where it could not be counted and is not measured either, that is an error."""
    return replace(model, status="error") if model.status == "ok" and not model.total.known else model


def in_every_way(model: ModelProfile, workload: Workload, options: Options) -> list[tuple[ModelProfile, Workload]]:
    """The model as it is, and in each of the variants that were asked for, if it could be counted."""
    variants = options.variants if model.status == "ok" else ()
    return [(model, workload), *((variant_of(model, variant), workload) for variant in variants)]


def parse_axis(text: str) -> int | str:
    """The axis of samples as it is typed: a number, `none` or `auto`."""
    return int(text) if re.fullmatch(r"-?\d{1,3}", text, re.ASCII) else text


def _at_size(one: ModelProfile, asked: ModelOptions) -> ModelProfile:
    """One of a model's sizes, which its name tells."""
    return replace(one, model=f"{one.model}{AT}{shown_size(asked.size or ())}")


def _document(target: str | Document, model: ModelOptions) -> Document:
    document = load_spec(target) if isinstance(target, str) else target
    return override(document, batch=model.batch, size=model.size, attention=model.attention)


def _workload(document: Document, model: ModelOptions, seed: int) -> Workload:
    if isinstance(document.spec, CodeSpec):
        return code_workload(
            document, allow_import=model.allow_import, dtype=model.dtype, mode=model.mode, seed=seed,
            input_grad=model.input_grad, batch_axis=_axis_of_samples(model.batch_axis),
        )  # fmt: skip
    return network_workload(document, dtype=model.dtype, mode=model.mode, seed=seed, input_grad=model.input_grad)


def _axis_of_samples(asked: int | str) -> int | None:
    """As a workload has it, before anything is known of the model."""
    return asked if isinstance(asked, int) else None if asked == PER_CALL else 0


def count_models(
    record: ProfileRecord,
    workloads: Sequence[Workload],
    session: "Session",
    options: Options,
    notify: ProgressCallback,
    asked: Sequence[ModelOptions],
    *,
    apart: bool = False,
) -> tuple[ProfileRecord, list[Workload]]:
    """The record with every layer counted and every peak predicted; a model that cannot be counted says why.

    `asked` is what was asked for of each. Beside it the workloads, with the inputs that they were counted on, and the
    axis of samples that was found. Code is
    counted by the measuring process; a network of ours too if it is to be counted `apart`, so that several may be at
    the same time.
    """
    models: list[ModelProfile] = []
    failures: list[Exception] = []
    counted = list(workloads)
    for done, (one, workload, wanted) in enumerate(zip(record.models, workloads, asked, strict=True)):
        notify(Progress(label=one.model, step="counting", done=done, total=len(workloads)))
        names = [row.layer for row in one.layers] if len(one.layers) > 1 else None
        try:
            if one.inside or apart:
                census, counted[done] = census_in_child(workload, session, wanted, names=names, inside=one.inside)
            else:
                census = census_here(workload, names, session.plan.device, options)
            unclear = census.sequence_first if wanted.batch_axis == AUTO else ""
            if unclear:
                counted[done] = replace(counted[done], batch_axis=None)
            models.append(counted_model(one, census, counted[done], sequence_first=unclear))
        except Exception as error:  # noqa: BLE001 - whatever a model does wrong becomes a row
            failures.append(error)
            kind = "" if isinstance(error, KaoprofError) else f"{type(error).__name__}: "
            models.append(replace(one, status="error", detail=f"cannot be counted: {kind}{first_line(error)}"))
    if len(failures) == len(models) and isinstance(failures[0], UsageError):
        raise failures[0]  # there is nothing to show, and the request was wrong
    return replace(record, models=tuple(models)), counted


def census_here(workload: Workload, names: Sequence[str] | None, device: str, options: Options) -> "ModelCensus":
    """The census of a network of ours, taken in this process."""
    import torch

    from kaoprof.profiling.taking import take_census

    threads = options.threads_wanted or torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):  # building draws weights: the caller's random numbers stay
        return take_census(workload, names, device=device.partition(":")[0], threads=threads)


def census_in_child(
    workload: Workload,
    session: "Session",
    asked: ModelOptions,
    *,
    names: Sequence[str] | None = None,
    inside: str = INSIDE,
) -> "tuple[ModelCensus, Workload]":
    """The census of a model, taken where its code may exit, crash, print or hang without harm: where it is measured.

    Beside it the workload, with the inputs on which it was taken: of the batch and size that are `asked` for where its
    spec says none.

    Raises:
        KaoprofError: it did one of these, or failed; the text says which.
    """
    from kaoprof.measuring.child import SubjectFailed
    from kaoprof.measuring.messages import TakeCensus
    from kaoprof.measuring.session import FIRST_CALL_GRACE_S
    from kaoprof.profiling.census import ModelCensus

    limit_s = session.plan.timeout_s + FIRST_CALL_GRACE_S
    told = None if names is None else tuple(names)
    request = TakeCensus(workload=workload, batch=asked.batch or 1, size=asked.size, names=told, inside=inside)
    try:
        counted = session.connection.ask_about_code(request, timeout_s=limit_s)
    except SubjectFailed as failure:
        wrong = failure.message.removeprefix(WRONG_USAGE)
        raise UsageError(wrong) if wrong != failure.message else failure from None
    return msgspec.convert(counted.census, ModelCensus), counted.workload


def measure_models(
    record: ProfileRecord, workloads: Sequence[Workload], session: "Session", options: Options, notify: ProgressCallback
) -> ProfileRecord:
    """The record with every model measured, all of them interleaved in the same rounds."""
    subjects = [
        subject_of(key, model, workload)
        for key, (model, workload) in enumerate(zip(record.models, workloads, strict=True))
        if model.status == "ok"
    ]
    outcome = run_session([subjects], session.plan.device, options, notify, session)
    measured = [measured_model(model, outcome.measurements.get(key)) for key, model in enumerate(record.models)]
    return replace(
        record,
        models=with_common_bytes(measured),
        environment=outcome.environment,
        protocol=outcome.protocol,
        interrupted=outcome.interrupted,
    )


def subject_of(key: int, model: ModelProfile, workload: Workload) -> Subject:
    """What the session needs to know of a model that was counted."""
    total, width = model.total, DTYPE_BYTES.get(workload.inputs[0].dtype, 8)
    elements = total.params + total.params_norm + sum(math.prod(shape) for shape in model.input_shapes)
    eager_forward = model.variant == EAGER and workload.mode == "forward"
    timed = [model.module_name(row.layer) for row in model.layers] if eager_forward else []
    return Subject(
        key=key,
        label=model.model,
        workload=workload,
        resident_bytes=elements * width,
        predicted_bytes=total.peak_bytes_predicted or 0,
        floor_flops=FLOPS_PER_MAC * (total.macs_counted or 0) * workload.batch,
        layers=tuple(name for name in timed if name),
        variant=model.variant,
    )

"""One model in a measuring session that is open already: what a sweep asks for, cell by cell."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from kaoprof.measuring.run import ProgressCallback
from kaoprof.networks import override
from kaoprof.profiling.rows import measured_model, with_common_bytes
from kaoprof.profiling.run import (
    ModelOptions,
    blank_record,
    count_models,
    failed_if_unknown,
    in_every_way,
    subject_of,
    workloads_of,
)
from kaoprof.records.options import Options
from kaoprof.records.profile import ModelProfile
from kaoprof.specs import Document
from kaoprof.units import counted

if TYPE_CHECKING:
    from kaoprof.measuring.session import Session


def closed_form(document: Document, asked: ModelOptions) -> ModelProfile:
    """A model on paper; of code its place alone.

    Raises:
        KaoprofError: the spec does not fit such an input.
    """
    changed = override(document, batch=asked.batch, size=asked.size, attention=asked.attention)
    return blank_record([changed], asked).models[0]


def profile_single(
    session: "Session", document: Document, asked: ModelOptions, options: Options, notify: ProgressCallback, *,
    budget_s: float,
) -> tuple[ModelProfile, ...]:  # fmt: skip
    """A model counted, predicted and, if that is asked for, measured: eagerly, and in each variant of the options.

    The session stays open, and forgets the model.

    Args:
        session: on the device.
        document: the model's.
        asked: on which input, and how far to go.
        options: how to measure.
        notify: told of every step.
        budget_s: time to aim at.

    Raises:
        KaoprofError: the request makes no sense for this model.
        MeasurementError: nothing can be measured any more.
    """
    documents = [override(document, batch=asked.batch, size=asked.size, attention=asked.attention)]
    blank, made = blank_record(documents, asked), workloads_of(documents, asked, options.seed)
    record, workloads = count_models(blank, made, session, options, notify, [asked], apart=True)
    if asked.batch and workloads[0].batch_axis is not None and workloads[0].batch != asked.batch:
        fixed = f"its own input holds {counted(workloads[0].batch, 'sample')}, and {asked.batch} are asked for"
        return (replace(record.models[0], status="error", detail=fixed),)
    if not asked.measured:
        return tuple(map(failed_if_unknown, record.models))
    ways = in_every_way(record.models[0], workloads[0], options)
    subjects = [subject_of(key, model, workload) for key, (model, workload) in enumerate(ways) if model.status == "ok"]
    session.measurements.clear()
    if subjects:
        session.measure_cell(subjects, budget_s)
    measured = [measured_model(model, session.measurements.get(key)) for key, (model, _) in enumerate(ways)]
    return with_common_bytes(measured)

"""What exactly `kaoprof fit` is asked of models, and its answer: the largest batch that fits into memory."""

from collections.abc import Mapping, Sequence
from typing import Any

from kaoprof.cli.progress import shown_progress
from kaoprof.errors import UsageError
from kaoprof.fitting.models import BatchRequest, fit_models
from kaoprof.records.fit_models import BatchRecord
from kaoprof.records.options import Options
from kaoprof.sweeping.model_plan import model_plan, sizes_of
from kaoprof.units import parse_bytes

BATCH = ("batch", "b")


def batches_of(
    specs: Sequence[str],
    *,
    memory: str | None,
    solve: str | None,
    size: str | None,
    foreign: Mapping[str, Any],
    dtype: str,
    mode: str,
    options: Options,
    allow_import: bool,
) -> BatchRecord:
    """The record that answers; `foreign` are options that only operators have, as they were typed.

    Raises:
        UsageError: something else than a batch within memory is asked for.
        SpecError: a model is not there, or malformed.
    """
    given = [f"--{name}" for name, typed in foreign.items() if typed]
    if given:
        hint = "models take --memory, --size, --dtype and --mode"
        raise UsageError("is for operators, and models are named", where=given[0], hint=hint)
    if solve is not None and solve not in BATCH:
        raise UsageError(f"of models only the batch is solved for, not {solve[:40]!r}", where="--solve")
    if memory is None:
        raise UsageError("how much memory is there?", where="--memory", hint="for example --memory 24GiB")
    planned = model_plan(
        specs, size=size, dtypes=[dtype], modes=[mode], measured=False, options=options, allow_import=allow_import
    )
    request = BatchRequest(
        memory=parse_bytes(memory, where="--memory"), sizes=sizes_of(size), dtype=dtype, mode=mode,
        options=options, allow_import=allow_import,
    )  # fmt: skip
    with shown_progress() as progress:
        return fit_models(planned.documents, request, progress)

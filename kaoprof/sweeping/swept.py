"""`kaoprof.sweep`: a grid of sizes from Python, with or without a journal that outlives it."""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from kaoprof.comparing.cases import Sizes, Widths, spatial_grid
from kaoprof.errors import UsageError
from kaoprof.records.compare import Record
from kaoprof.records.options import Options, checked_options
from kaoprof.records.swept_models import SweptModels
from kaoprof.sweeping.local import here
from kaoprof.sweeping.model_plan import ModelSizes, Planned, model_plan
from kaoprof.sweeping.on_ray import on_ray
from kaoprof.sweeping.plan import sweep_plan
from kaoprof.sweeping.run import Sweep, SweepProgress
from kaoprof.workload.process import leaves_process_alone

SUFFIX = ".jsonl"
Words = str | Iterable[str]


@leaves_process_alone
def sweep(
    *,
    h: Sizes = None,
    w: Widths = None,
    t: Sizes = None,
    n: Sizes = None,
    c: Sizes = 64,
    batch: Sizes = 1,
    heads: Sizes = 1,
    operators: Words | None = None,
    projection: str = "value",
    scale: str = "sqrt",
    dtype: Words = "fp32",
    mode: Words = "forward",
    journal: str | os.PathLike[str] | None = None,
    retry: bool = False,
    on: str | None = None,
    options: Options | None = None,
    progress: Callable[[SweepProgress], None] | None = None,
) -> Record:
    """Operators on a grid of sizes, cell by cell: `kaoprof.sweep(h=[14, 28, 56], c=64)`.

    Args:
        h: heights; with them `w` (equal to `h` by default) and, for video, `t` frames.
        w: widths; `16:9` or `1.78h` follow the height.
        t: frames.
        n: lengths, for one spatial axis; excludes the others.
        c: channels, one or several.
        batch: samples in the input, one or several.
        heads: attention heads, one or several.
        operators: names such as `kao_qkv` or `nonlocal:sdpa`; all by default.
        projection: none, value (the paper's count), qkv or qkvo.
        scale: sqrt or none.
        dtype: one or several.
        mode: forward, train, or both.
        journal: FILE.jsonl, which keeps every cell as it is finished; the same call goes on where it stopped. None:
            nothing is kept but the result.
        retry: measure again what failed or was skipped.
        on: a cluster of Ray that does it: `ray`, `ray://host:port` or `host:port`; None: this process.
        options: device, budget (for all cells), seed, baseline and how to measure.
        progress: called with every step.

    Returns:
        The cells that were measured in this environment. An interrupt (Ctrl-C) ends it early: it then says so.

    Raises:
        UsageError: sizes or words that make no sense, or a journal of other options.
        RecordError: the journal is damaged.
        OutputError: the journal cannot be written.
        MeasurementError: the device is not there, or no measuring process can be started.
    """
    plan = sweep_plan(
        spatial=spatial_grid(h, w, t, n), c=c, batch=batch, heads=heads, operators=operators, projection=projection,
        scale=scale, dtypes=_listed(dtype), modes=_listed(mode), options=checked_options(options),
    )  # fmt: skip
    record = _swept(Planned(plan), journal, retry=retry, on=on, progress=progress)
    assert isinstance(record, Record)  # noqa: S101 - the plan is one of operators
    return record


@leaves_process_alone
def sweep_models(
    *models: str,
    size: ModelSizes = None,
    batch: Sizes = 1,
    dtype: Words = "fp32",
    mode: Words = "forward",
    measured: bool = True,
    allow_import: bool = False,
    journal: str | os.PathLike[str] | None = None,
    retry: bool = False,
    on: str | None = None,
    options: Options | None = None,
    progress: Callable[[SweepProgress], None] | None = None,
) -> SweptModels:
    """Whole models on a grid of inputs, cell by cell: `kaoprof.sweep_models("kanet-qkv", "mobilenetv2", size=[128])`.

    Args:
        models: specs by name or file, and code such as `timm:resnet50`.
        size: spatial sizes, one or several: 224, "192x256", (192, 256); None: as each model says.
        batch: samples at once, one or several.
        dtype: one or several.
        mode: forward, train, or both.
        measured: whether anything is run; else it is counted and predicted, by several processes.
        allow_import: whether models may be code, which is imported.
        journal: as for `sweep`, with `retry`, `options` and `progress`.
        retry: measure again what failed or was skipped.
        on: a cluster of Ray that does it: `ray`, `ray://host:port` or `host:port`; None: this process.
        options: device, budget (for all cells), seed and how to measure.
        progress: called with every step.

    Returns:
        The cells that were measured in this environment. An interrupt (Ctrl-C) ends it early: it then says so.

    Raises:
        SpecError: a model is not there, or malformed.
        KaoprofError: as `sweep`.
    """
    work = model_plan(
        models, size=size, batch=batch, dtypes=_listed(dtype), modes=_listed(mode), measured=measured,
        options=options, allow_import=allow_import,
    )  # fmt: skip
    record = _swept(work, journal, retry=retry, on=on, progress=progress)
    assert isinstance(record, SweptModels)  # noqa: S101 - the plan is one of models
    return record


def _swept(
    work: Planned,
    journal: str | os.PathLike[str] | None,
    *,
    retry: bool,
    on: str | None,
    progress: Callable[[SweepProgress], None] | None,
) -> Record | SweptModels:
    """What the journal holds in the end; one that nobody named is gone then."""
    if journal is not None and Path(journal).suffix != SUFFIX:
        raise UsageError("a journal is a file of lines", where=str(journal), hint=f"end its name in {SUFFIX}")
    with tempfile.TemporaryDirectory(prefix="kaoprof-") as folder:
        path = Path(folder, "sweep.jsonl") if journal is None else Path(journal)
        sweep_of = Sweep(
            plan=work.plan, documents=work.documents, path=path, retry=retry, watch=progress or _unheard,
            on=here if on is None else on_ray(on, warnings.warn),
        )  # fmt: skip
        return sweep_of.run().records[-1]


def _listed(words: Words) -> list[str]:
    return [word.strip() for word in words.split(",")] if isinstance(words, str) else list(words)


def _unheard(_: SweepProgress) -> None:
    """Nobody wants to hear of it."""

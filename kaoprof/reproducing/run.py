"""From nothing, or from a run, to a reproduction record: count, measure if asked to, judge. Never prints."""

import os
from pathlib import Path

from kaoprof.comparing.run import compare
from kaoprof.errors import RecordError, UsageError
from kaoprof.measuring.run import ProgressCallback
from kaoprof.records.compare import Record
from kaoprof.records.measured import timestamp
from kaoprof.records.options import Options, checked_options
from kaoprof.records.reading import load_runs, printable
from kaoprof.records.reproduce import ReproductionRecord
from kaoprof.reproducing import paper
from kaoprof.reproducing.claims import judged
from kaoprof.reproducing.tables import PAPER_OPTIONS, network_figures, operator_figures
from kaoprof.version import __version__
from kaoprof.workload.process import leaves_process_alone

PathLike = str | os.PathLike[str]
IN_HAND = "a record in hand"
MEASURED_SIZES = (14, 20, 28, 40, 56)  # the paper's, and those between them, which an exponent's interval needs


@leaves_process_alone
def reproduce(
    *, run: PathLike | Record | None = None, options: Options | None = None, progress: ProgressCallback | None = None
) -> ReproductionRecord:
    """The paper's tables beside ours, and its claims judged.

    Args:
        run: a record of `compare` or `sweep`, or its file or journal, to judge; nothing is then measured.
        options: device, budget, seed; with `analytic` nothing is counted or measured, and torch not imported.
        progress: called with what is being done.

    Raises:
        RecordError: the run cannot be read, or holds no rows.
        MeasurementError: the device is not there, or no measuring process can be started.
    """
    options = checked_options(options)
    if run is not None and not isinstance(run, Record | str | os.PathLike):
        raise UsageError(f"a {type(run).__name__} is no run", where="run", hint="name a file, or give a record")
    counted = {} if options.analytic or run is not None else _counted_networks(options, progress)
    record = _judged_run(run, options, progress)
    networks = network_figures(counted)
    return ReproductionRecord(
        version=__version__,
        created=timestamp(),
        source=paper.SOURCE,
        operators=operator_figures(record.rows),
        networks=networks,
        claims=judged(record.rows, networks),
        run=None if run is None else _name_of(run),
        protocol=record.protocol,
        environment=record.environment,
        interrupted=run is None and record.interrupted,
        manners=tuple(sorted({f"{row.case.dtype} {row.case.mode}" for row in record.rows})),
    )


def _name_of(run: PathLike | Record) -> str:
    return IN_HAND if isinstance(run, Record) else printable(Path(run))


def _judged_run(run: PathLike | Record | None, options: Options, progress: ProgressCallback | None) -> Record:
    """The run that is judged: from its file, or made now."""
    if run is None:
        return compare(
            h=MEASURED_SIZES, c=paper.CHANNELS, batch=paper.BATCH, operators=list(paper.OPERATOR_MACS),
            projection=PAPER_OPTIONS.projection, scale=PAPER_OPTIONS.scale, options=options, progress=progress,
        )  # fmt: skip
    record = run if isinstance(run, Record) else load_runs([Path(run)])[-1].record
    if not record.rows:
        raise RecordError("holds no rows", where=_name_of(run), hint="was it interrupted at once?")
    return record


def _counted_networks(options: Options, progress: ProgressCallback | None) -> dict[str, tuple[int, int]]:
    """MACs of one sample and parameters without batch norm's, counted by running each network on meta tensors."""
    from kaoprof.profiling.run import ModelOptions, profile

    names = [network.spec for network in paper.NETWORKS]
    record = profile(names, model=ModelOptions(measured=False), options=options, progress=progress)
    return {
        name: (model.total.macs_counted, model.total.params)
        for name, model in zip(names, record.models, strict=True)
        if model.total.macs_counted is not None
    }

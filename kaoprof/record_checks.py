"""What no measurement gives and only a changed file holds: refused by name, before anything divides by it."""

import math

from kaoprof.errors import RecordError
from kaoprof.layer_records import ProfileRecord
from kaoprof.records import Latency, Record, Row

CHANGED = "the file was changed after it was written"


def check_figures(record: Record | ProfileRecord, *, where: str) -> None:
    """Refuses a record whose figures cannot be.

    Raises:
        RecordError: sizes below 1, negative counts or bytes, or latencies that are not positive and finite.
    """
    if isinstance(record, ProfileRecord):
        for model in record.models:
            _check_latency(model.latency, where=f"{where}: {model.model}")
            if not model.layers:
                raise RecordError("a model without its total", where=f"{where}: {model.model}", hint=CHANGED)
        return
    for number, row in enumerate(record.rows, start=1):
        place = f"{where}: row {number}"
        _check_sizes(row, where=place)
        _check_counts(row, where=place)
        _check_latency(row.latency, where=place)


def _check_sizes(row: Row, *, where: str) -> None:
    case = row.case
    if len(case.spatial) not in (1, 2, 3) or min(case.b, case.c, case.heads, *case.spatial) < 1:
        shape = " x ".join(map(str, (case.b, case.c, *case.spatial)))
        raise RecordError(f"an input of {shape}, heads {case.heads} cannot be", where=where, hint=CHANGED)


def _check_counts(row: Row, *, where: str) -> None:
    figures = {"peak_bytes_measured": row.peak_bytes_measured}
    if row.analytic is not None:
        figures |= {"macs": row.analytic.macs - 1, "map_bytes": row.analytic.map_bytes - 1,
                    "compulsory_bytes": row.analytic.compulsory_bytes - 1, "params": row.analytic.params}  # fmt: skip
    if row.counted is not None:
        figures |= {"macs counted": row.counted.macs, "peak_bytes_predicted": row.counted.peak_bytes_predicted - 1}
    for name, value in figures.items():
        if value is not None and value < 0:
            raise RecordError(f"{name} is too small to be", where=where, hint=CHANGED)


def _check_latency(latency: Latency | None, *, where: str) -> None:
    if latency is None:
        return
    samples = latency.samples_s
    if not samples or len(samples) != len(latency.rounds):
        message = f"{len(samples)} samples of {len(latency.rounds)} rounds cannot be"
        raise RecordError(message, where=where, hint=CHANGED)
    if not all(math.isfinite(sample) and sample > 0 for sample in samples):
        raise RecordError("a latency that is not positive and finite cannot be", where=where, hint=CHANGED)

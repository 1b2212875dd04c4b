"""What no measurement gives and only a changed file holds: refused by name, before anything divides by it."""

import math
from collections.abc import Iterable

from kaoprof.errors import RecordError
from kaoprof.layer_records import ModelProfile, ProfileRecord
from kaoprof.records import Ceilings, Latency, Protocol, Record, Row

CHANGED = "the file was changed after it was written"
SHORTEST_S, LONGEST_S = 1e-12, 1e9  # of a call or a copy: less than a clock's cycle, more than thirty years
LEAST_RATE, MOST_RATE = 1e3, 1e24  # FLOP/s: less than a relay computer, more than all computers together
LONGEST_LAUNCH_S = 10.0
MOST_LOAD = 1e6
MOST_FAULTS = 1e12  # of a call: 4 PB of new memory
DEEPEST = 1000  # layers inside each other: python itself goes no deeper


def check_figures(record: Record | ProfileRecord, *, where: str) -> None:
    """Refuses a record whose figures cannot be.

    Raises:
        RecordError: sizes below 1, negative counts or bytes, or latencies that are not positive and finite.
    """
    check_protocol(record.protocol, where=where)
    if isinstance(record, ProfileRecord):
        for model in record.models:
            _check_model(model, where=f"{where}: {model.model}")
        return
    for number, row in enumerate(record.rows, start=1):
        check_row(row, where=f"{where}: row {number}")


def check_rows(rows: Iterable[Row], *, where: str) -> None:
    """Refuses rows whose figures cannot be.

    Raises:
        RecordError: as `check_figures`.
    """
    for row in rows:
        check_row(row, where=where)


def check_row(row: Row, *, where: str) -> None:
    """Refuses a row whose figures cannot be.

    Raises:
        RecordError: as `check_figures`.
    """
    _check_sizes(row, where=where)
    _check_counts(row, where=where)
    _check_latency(row.latency, where=where)


def check_protocol(protocol: Protocol | None, *, where: str) -> None:
    """Refuses ceilings that no device has, and times that nobody waits for.

    Raises:
        RecordError: one of them is not.
    """
    if protocol is None:
        return
    for name in ("budget_s", "timeout_s", "spent_s"):
        check_span(getattr(protocol, name), name, where=where)
    if protocol.ceilings is not None and not are_plausible(protocol.ceilings):
        raise RecordError("ceilings that no device has cannot be", where=where, hint=CHANGED)


def check_span(seconds: float, name: str, *, where: str) -> None:
    """Refuses a length of time that cannot be.

    Raises:
        RecordError: it is negative, or more than thirty years.
    """
    if not 0 <= seconds <= LONGEST_S:
        raise RecordError(f"{name} of {seconds:g} cannot be", where=where, hint=CHANGED)


def are_plausible(ceilings: Ceilings) -> bool:
    """Whether every figure is one that a device could have: somebody else may have written the file."""
    copies = (*ceilings.copies, *ceilings.cold_copies)
    sizes = [[copy.moved_bytes for copy in found] for found in (ceilings.copies, ceilings.cold_copies)]
    return (
        bool(ceilings.copies)
        and all(found == sorted(set(found)) and min(found, default=1) > 0 for found in sizes)
        and all(SHORTEST_S <= copy.seconds <= LONGEST_S for copy in copies)
        and SHORTEST_S <= ceilings.launch_s <= LONGEST_LAUNCH_S
        and all(LEAST_RATE <= rate <= MOST_RATE for rate in ceilings.products.values())
        and (ceilings.load is None or 0 <= ceilings.load < MOST_LOAD)
        and ceilings.created.isprintable()
    )


def _check_model(model: ModelProfile, *, where: str) -> None:
    _check_latency(model.latency, where=where)
    if not model.layers:
        raise RecordError("a model without its total", where=where, hint=CHANGED)
    deep = next((layer for layer in model.layers if not 0 <= layer.depth <= DEEPEST), None)
    if deep is not None:
        raise RecordError(f"{deep.layer} inside {deep.depth} others cannot be", where=where, hint=CHANGED)


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
    samples, rounds = latency.samples_s, latency.rounds
    _check_beside_samples(latency, where=where)
    if not samples or len(samples) != len(rounds):
        message = f"{len(samples)} samples of {len(rounds)} rounds cannot be"
        raise RecordError(message, where=where, hint=CHANGED)
    if len(set(rounds)) < len(rounds):
        raise RecordError("two samples of one round cannot be", where=where, hint=CHANGED)
    if not all(math.isfinite(sample) and sample > 0 for sample in samples):
        raise RecordError("a latency that is not positive and finite cannot be", where=where, hint=CHANGED)
    if not SHORTEST_S <= min(samples) <= max(samples) <= LONGEST_S:
        raise RecordError(f"a latency of {min(samples):g} s to {max(samples):g} s cannot be", where=where, hint=CHANGED)


def _check_beside_samples(latency: Latency, *, where: str) -> None:
    for name in ("launches", "page_faults", "system_shares"):
        told = getattr(latency, name)
        if told and len(told) != len(latency.samples_s):
            message = f"{len(latency.samples_s)} samples of {len(told)} {name.replace('_', ' ')} cannot be"
            raise RecordError(message, where=where, hint=CHANGED)
    if len(latency.page_faults) != len(latency.system_shares):
        raise RecordError("page faults without the system's shares cannot be", where=where, hint=CHANGED)
    if not all(0 <= faults < MOST_FAULTS for faults in latency.page_faults):
        raise RecordError("page faults that are negative or endless cannot be", where=where, hint=CHANGED)
    if not all(0 <= share <= 1 for share in latency.system_shares):
        raise RecordError("a share that is not between 0 and 1 cannot be", where=where, hint=CHANGED)

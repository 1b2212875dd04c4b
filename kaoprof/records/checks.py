"""What no measurement gives and only a changed file holds, as far as the bounds of its single fields do not tell it."""

from collections.abc import Callable
from functools import cache
from operator import attrgetter

from msgspec import Struct

from kaoprof.errors import RecordError
from kaoprof.records.compare import Analytic, Counted, Record, Row
from kaoprof.records.measured import Ceilings, Conditions, Latency, Protocol
from kaoprof.records.profile import LayerRow, ModelProfile, ProfileRecord
from kaoprof.records.swept_models import ModelRow, SweptModels

CHANGED = "the file was changed after it was written"
MOST_COUNTED = 10**80  # beyond the closed forms of the largest input in three axes, and within what a float can hold


def check_figures(record: Record | ProfileRecord | SweptModels, *, where: str) -> None:
    """Refuses a record whose figures cannot be, each by itself or together.

    Raises:
        RecordError: endless counts, samples without their rounds, layers without a whole, or impossible ceilings.
    """
    check_protocol(record.protocol, where=where)
    if isinstance(record, ProfileRecord):
        for model in record.models:
            _check_model(model, where=f"{where}: {model.model}")
        return
    rows: tuple[Row | ModelRow, ...] = record.rows
    for number, row in enumerate(rows, start=1):
        check_row(row, where=f"{where}: row {number}")


def check_row(row: Row | ModelRow, *, where: str) -> None:
    """Refuses a row whose figures cannot be.

    Raises:
        RecordError: as `check_figures`.
    """
    if isinstance(row, ModelRow):
        _check_model(row.profile, where=where)
        return
    _check_counts(row.analytic, where=where)
    _check_counts(row.counted, where=where)
    _check_latency(row.latency, where=where)


def check_protocol(protocol: Protocol | None, *, where: str) -> None:
    """Refuses ceilings that no device has, and endless counts.

    Raises:
        RecordError: one of them is there.
    """
    if protocol is None:
        return
    for moment in (protocol.before, protocol.after):
        _check_counts(moment, where=where)
    if protocol.ceilings is not None and not are_plausible(protocol.ceilings):
        raise RecordError("ceilings that no device has cannot be", where=where, hint=CHANGED)


def are_plausible(ceilings: Ceilings) -> bool:
    """Whether copies are there in order, and the rest can be shown: somebody else may have written the file."""
    sizes = [[copy.moved_bytes for copy in copies] for copies in (ceilings.copies, ceilings.cold_copies)]
    in_order = all(moved == sorted(set(moved)) for moved in sizes)
    return bool(ceilings.copies) and in_order and ceilings.created.isprintable()


def _check_model(model: ModelProfile, *, where: str) -> None:
    _check_latency(model.latency, where=where)
    if not model.layers:
        raise RecordError("a model without its total", where=where, hint=CHANGED)
    for layer in model.layers:
        _check_counts(layer, where=f"{where}: {layer.layer or 'the whole'}")


def _check_counts(counts: Analytic | Counted | LayerRow | Conditions | None, *, where: str) -> None:
    """A closed form and a driver's counter may pass 64 bits, which is all that msgspec can compare with."""
    if counts is None:
        return
    for value in _values(type(counts))(counts):
        if isinstance(value, int) and value > MOST_COUNTED:
            name = next(name for name in counts.__struct_fields__ if getattr(counts, name) is value)
            raise RecordError(f"{name} is too large to be", where=where, hint=CHANGED)


@cache
def _values(kind: type[Struct]) -> Callable[[Struct], tuple[object, ...]]:
    """Reads all fields of such a struct at once."""
    return attrgetter(*kind.__struct_fields__)


def _check_latency(latency: Latency | None, *, where: str) -> None:
    if latency is None:
        return
    samples, rounds = latency.samples_s, latency.rounds
    if not samples or len(samples) != len(rounds):
        message = f"{len(samples)} samples of {len(rounds)} rounds cannot be"
        raise RecordError(message, where=where, hint=CHANGED)
    if len(set(rounds)) < len(rounds):
        raise RecordError("two samples of one round cannot be", where=where, hint=CHANGED)
    for name in ("launches", "page_faults", "system_shares", "paces"):
        beside = getattr(latency, name)
        if beside and len(beside) != len(samples):
            message = f"{len(samples)} samples of {len(beside)} {name.replace('_', ' ')} cannot be"
            raise RecordError(message, where=where, hint=CHANGED)
    if len(latency.page_faults) != len(latency.system_shares):
        raise RecordError("page faults without the system's shares cannot be", where=where, hint=CHANGED)

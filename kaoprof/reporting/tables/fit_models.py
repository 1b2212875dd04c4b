"""What a `fit` of models says: the largest batch of each that fits, and what the next one would need."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from kaoprof.records.fit_models import BatchRecord, BatchRow
from kaoprof.records.swept_models import shown_size
from kaoprof.reporting.document import UNKNOWN, Medium, Page, Table, Tone, columns_of, without_empty
from kaoprof.reporting.formats.csv import columns_by_name
from kaoprof.units import BINARY_PREFIXES, counted, format_beside, format_bytes

HEADERS = ("model", "size", "largest batch", "needs", "next", "needs")
BASIS = "Inputs, parameters, buffers and the predicted peak above them, by dry runs at both batches."
COLUMNS = columns_by_name((
    "schema", "memory", "model", "spec", "size", "status", "detail", "largest", "needed", "next_batch", "next_needed",
    "dtype", "mode", "device", "threads",
))  # fmt: skip


def page_of(record: BatchRecord, _medium: Medium = Medium.TEXT) -> Page:
    """The record as a page, the same in all media."""
    threads = f" {counted(record.threads, 'thread')}" if record.threads else ""
    title = (
        f"largest batch in {format_bytes(record.memory)}: {record.dtype}, {record.mode}, {record.device}{threads} "
        "(predicted)"
    )
    rows = tuple(_cells(row, record) for row in record.rows)
    reasons = [f"{row.model}: {row.detail}." for row in record.rows if row.detail]
    table = Table(
        title=title, columns=columns_of(HEADERS), rows=rows, notes=tuple(reasons), details=(BASIS,),
        tones={"none": Tone.BAD, "error": Tone.BAD},
    )  # fmt: skip
    return Page(blocks=(without_empty(table),))


def _cells(row: BatchRow, record: BatchRecord) -> tuple[str, ...]:
    largest = {"nothing": "none", "error": "error"}.get(row.status, str(row.largest))
    return (
        row.model,
        shown_size(row.size) if row.size else UNKNOWN,
        largest,
        _closely(row.needed, record),
        UNKNOWN if row.next_batch is None else str(row.next_batch),
        _closely(row.next_needed, record),
    )


def _closely(amount: int | None, record: BatchRecord) -> str:
    """Bytes with enough digits to see on which side of the memory they are."""
    return UNKNOWN if amount is None else format_beside(amount, record.memory, BINARY_PREFIXES)


def lines_of(record: BatchRecord) -> Iterator[Mapping[str, Any]]:
    """A line of the CSV for each row."""
    names = ("schema", "memory", "dtype", "mode", "device", "threads")
    stays = {name: getattr(record, name) for name in names}
    for row in record.rows:
        yield {**stays, **msgspec.structs.asdict(row), "size": shown_size(row.size) if row.size else None}


def warnings_of(record: BatchRecord) -> list[str]:
    """What a careful reader must know."""
    return [f"no answer for {row.model}: {row.detail}" for row in record.rows if row.status == "error"]


def sound(record: BatchRecord) -> bool:
    """Whether every question has an answer; that nothing fits is one."""
    return all(row.status != "error" for row in record.rows)

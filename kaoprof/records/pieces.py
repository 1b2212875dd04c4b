"""Reads a large record row by row, as kaoprof wrote it: the text of a hundred thousand rows never stands in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import msgspec
from msgspec.structs import replace

from kaoprof.errors import KaoprofError
from kaoprof.records.checks import check_row
from kaoprof.records.compare import Record, Row
from kaoprof.records.incoming import UNREADABLE, strictly_by, strictly_decoded
from kaoprof.records.stored_rows import StoredRows

LARGE_BYTES = 2**23  # a smaller one is read at once
CHUNK_BYTES = 2**21
BEGINNING = b'\n "rows": [\n  {'  # as `dumps` indents
BETWEEN = b"\n  },\n  {"
END = b"\n  }\n ]"


def record_in_pieces(path: Path, *, in_place: bool = False) -> Record | None:
    """The record of rows in a large file; None if it is anything else, or damaged, which reading it at once tells.

    Args:
        path: of the file.
        in_place: leave the rows there, checked: whoever goes through them reads them again.
    """
    try:
        if not path.is_file() or path.stat().st_size < LARGE_BYTES:
            return None
        decoder = msgspec.json.Decoder(Row)
        stored = StoredRows(path, decoder, (b"{", b"}")) if in_place else None
        rows: list[Row] = []
        parts = _parts(path)
        _, rest = next(parts)
        for begin, part in parts:
            text, end, tail = part.partition(END)
            if end:
                rest += b'\n "rows": []' + tail
            row = strictly_by(decoder, b"{" + text + b"}")
            check_row(row, where=str(path))
            if stored is None:
                rows.append(row)
            else:
                stored.append(begin, len(text), row.case.cell)
        record = strictly_decoded(rest, Record)
    except (OSError, KaoprofError, *UNREADABLE):
        return None
    return None if record.rows else replace(record, rows=_as_rows(rows if stored is None else stored))


def _as_rows(rows: Sequence[Row]) -> tuple[Row, ...]:
    """What a record takes for its rows: those that stay in their file are a sequence, too."""
    return tuple(rows) if isinstance(rows, list) else cast("tuple[Row, ...]", rows)


def _parts(path: Path) -> Iterator[tuple[int, bytes]]:
    """What stands before the rows, and each row without its brackets; with the last one what stands behind.

    Each with its place in the file.
    """
    with path.open("rb") as file:
        text = file.read(CHUNK_BYTES)
        before, begun, text = text.partition(BEGINNING)
        yield 0, before
        if not begun:
            return
        place = len(before) + len(begun)
        while chunk := file.read(CHUNK_BYTES):
            *rows, text = (text + chunk).split(BETWEEN)
            for row in rows:
                yield place, row
                place += len(row) + len(BETWEEN)
        for row in text.split(BETWEEN):
            yield place, row
            place += len(row) + len(BETWEEN)

"""Reads a large record row by row, as kaoprof wrote it: the text of a hundred thousand rows never stands in memory."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from kaoprof.errors import KaoprofError
from kaoprof.records.compare import Record, Row
from kaoprof.records.incoming import UNREADABLE, head_of, strictly_decoded

LARGE_BYTES = 2**23  # a smaller one is read at once
CHUNK_BYTES = 2**21
BEGINNING = b'\n "rows": [\n  {'  # as `dumps` indents
BETWEEN = b"\n  },\n  {"
END = b"\n  }\n ]"


def record_in_pieces(path: Path) -> Record | None:
    """The record of rows in a large file; None if it is anything else, or damaged, which reading it at once tells."""
    try:
        if not path.is_file() or path.stat().st_size < LARGE_BYTES:
            return None
        rows: list[Row] = []
        decoder = msgspec.json.Decoder(Row)
        rest = b""
        for place, text in enumerate(_parts(path)):
            if place == 0:
                rest = text
                continue
            row, end, tail = text.partition(END)
            if end:
                rest += b'\n "rows": []' + tail
            head_of(b"{" + row + b"}")
            rows.append(decoder.decode(b"{" + row + b"}"))
        record = strictly_decoded(rest, Record)
    except (OSError, KaoprofError, *UNREADABLE):
        return None
    return replace(record, rows=tuple(rows)) if not record.rows else None


def _parts(path: Path) -> Iterator[bytes]:
    """What stands before the rows, and each row without its brackets; with the last one what stands behind."""
    with path.open("rb") as file:
        text = file.read(CHUNK_BYTES)
        before, begun, text = text.partition(BEGINNING)
        yield before
        if not begun:
            return
        while chunk := file.read(CHUNK_BYTES):
            *rows, text = (text + chunk).split(BETWEEN)
            yield from rows
        yield from text.split(BETWEEN)

"""Reads a large record row by row, as kaoprof wrote it: the text of a hundred thousand rows never stands in memory."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec.structs import replace

from kaoprof.errors import KaoprofError
from kaoprof.records.checks import check_row
from kaoprof.records.compare import Record, Row
from kaoprof.records.file_parts import Range, parts_of, ranges_of
from kaoprof.records.forked import in_order, processes_here
from kaoprof.records.incoming import UNREADABLE, strictly_by, strictly_decoded
from kaoprof.records.stored_rows import RowFile, StoredCell, StoredRows

LARGE_BYTES = 2**23  # a smaller one is read at once
MOST_BEFORE = 2**21  # bytes of what stands before the rows
BEGINNING = b'\n "rows": [\n  {'  # as `dumps` indents
BETWEEN = b"\n  },\n  {"
END = b"\n  }\n ]"
DAMAGED = (OSError, KaoprofError, *UNREADABLE)


def record_in_pieces(path: Path, *, in_place: bool = False) -> Record | None:
    """The record of rows in a large file; None if it is anything else, or damaged, which reading it at once tells.

    Args:
        path: of the file.
        in_place: leave the rows there, checked by several processes: whoever goes through them reads them again.
    """
    try:
        if not path.is_file() or path.stat().st_size < LARGE_BYTES:
            return None
        with path.open("rb") as file:
            before, begun, _ = file.read(MOST_BEFORE).partition(BEGINNING)
            if not begun:
                return None
            span = len(before) + len(begun), path.stat().st_size
            rows, behind = _stored(path, file, span) if in_place else _in_memory(file, span)
        record = strictly_decoded(before + b'\n "rows": []' + behind, Record)
    except DAMAGED:
        return None
    return None if record.rows else replace(record, rows=rows)


def _in_memory(file: BinaryIO, span: Range) -> tuple[tuple[Row, ...], bytes]:
    behind: list[bytes] = []
    return tuple(row for _, _, row in _rows(file, span, behind)), b"".join(behind)


def _rows(file: BinaryIO, span: Range, behind: list[bytes]) -> Iterator[tuple[int, int, Row]]:
    """Each row with its place and its length, checked; what stands behind the last one is added to `behind`."""
    decoder = msgspec.json.Decoder(Row)
    for begin, part in parts_of(file, span, BETWEEN):
        if begin == span[1]:  # the next row is of the next range
            return
        text, _, tail = part.partition(END) if begin + len(part) == span[1] else (part, b"", b"")
        behind += [tail] if tail else []
        row = strictly_by(decoder, b"{" + text + b"}")
        check_row(row, where=file.name)
        yield begin, len(text), row


class _Run(msgspec.Struct):
    """Rows of one cell, one behind another: where they stand in the file, and how many."""

    cell: tuple[object, ...]
    begin: int
    length: int
    rows: int = 1


def _stored(path: Path, file: BinaryIO, span: Range) -> tuple[Any, bytes]:
    """The rows as they stay in their file, and what stands behind them."""
    decoder = msgspec.json.Decoder(tuple[Row, ...])
    kept = RowFile(path, lambda text: decoder.decode(b"[{" + text + b"}]"))
    processes = processes_here()
    ranges = ranges_of(file, span, BETWEEN, processes)
    cells: list[tuple[tuple[object, ...], StoredCell[Row]]] = []
    behind = b""
    for scanned in in_order(partial(_runs_of, path), ranges, processes):
        if scanned is None:
            raise ValueError("a row is damaged")
        runs, tail = scanned
        cells += [(run.cell, StoredCell(kept, run.begin, run.length, range(run.rows))) for run in runs]
        behind += tail
    return StoredRows(cells), behind


def _runs_of(path: Path, span: Range) -> tuple[list[_Run], bytes] | None:
    """What one process sends of a range; None where a row is damaged, which is told by who reads it at once."""
    runs: list[_Run] = []
    behind: list[bytes] = []
    try:
        with path.open("rb") as file:
            for begin, length, row in _rows(file, span, behind):
                cell = row.case.cell
                if runs and runs[-1].cell == cell:
                    runs[-1].length = begin + length - runs[-1].begin
                    runs[-1].rows += 1
                else:
                    runs.append(_Run(cell, begin, length))
    except DAMAGED:
        return None
    return runs, b"".join(behind)

"""Reads the journal of a sweep line by line; the rows of a large one may stay where they are."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from kaoprof.errors import KaoprofError, RecordError
from kaoprof.records.checks import check_protocol, check_row
from kaoprof.records.fields import reason_of
from kaoprof.records.file_parts import Range, parts_of, ranges_of
from kaoprof.records.forked import in_order, processes_here
from kaoprof.records.incoming import UNREADABLE, head_of, opened, strictly_by
from kaoprof.records.journal import (
    BEGINNINGS,
    ENTRIES,
    KINDS,
    OPERATORS,
    AnyHeader,
    AnyRow,
    Cell,
    Contents,
    Entry,
    Finished,
    Launch,
    node_of,
)
from kaoprof.records.measured import SCHEMA
from kaoprof.records.stored_rows import RowFile, StoredCell
from kaoprof.records.sweep import CellKey, key_on

LARGE_BYTES = 2**23  # the rows of a smaller one are read at once


class _Cells(msgspec.Struct):
    """A line of finished cells: their rows, or the numbers of these within the line, and the line's place."""

    rows: Mapping[CellKey, Sequence[Any]]
    spent_s: float
    setup_s: float
    launch: int | None
    begin: int
    length: int


def is_journal(first: bytes) -> bool:
    """Whether a first line is, or was meant to be, that of a journal of any schema; a JSON record has rows instead."""
    if re.search(rb'"rows"\s*:', first):  # a record in one line, which may be long
        return False
    try:
        head = head_of(first)
    except UNREADABLE:
        return first.startswith(BEGINNINGS)
    return isinstance(head, dict) and head.get("kind") in KINDS and "rows" not in head


def nothing_yet(first: bytes) -> bool:
    """Whether a first line is what is left of a journal that was begun, but whose header did not reach the disk."""
    cut_off = b"\n" not in first and first.startswith(BEGINNINGS) and b'"rows"' not in first
    return cut_off or not first.strip(b"\0")


def read_journal(path: Path) -> Contents:
    """What the journal in a file holds.

    Raises:
        RecordError: it cannot be read, or is none.
    """
    with opened(path) as file:
        return contents_of(file, where=str(path))


def parse_journal(data: bytes, *, where: str) -> Contents:
    """What the bytes of a journal hold.

    Raises:
        RecordError: as `contents_of`.
    """
    return contents_of(io.BytesIO(data), where=where)


def contents_of(file: BinaryIO, *, where: str, in_place: bool = False) -> Contents:
    """What a journal holds. An incomplete last line, which a crash leaves, is left out.

    Args:
        file: of its bytes.
        where: its path, for errors.
        in_place: leave the rows of a large one of operators there, checked by several processes.

    Raises:
        RecordError: it is no journal, of another schema, or damaged; naming the line.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    line = file.readline()
    header = _header(line.removesuffix(b"\n"), whole=line.endswith(b"\n"), where=where)
    span = len(line), end
    if in_place and Path(where).is_file() and header.kind == OPERATORS and end >= LARGE_BYTES:
        stored = _stored(Path(where), file, span)
        if stored is not None:
            return _gathered(header, stored, len(line), where=where)
    return _gathered(header, _in_memory(file, span, header.kind, where), len(line), where=where)


Line = tuple[int, Launch | _Cells]  # with the place behind it


def _gathered(header: AnyHeader, lines: Iterable[Line], begin: int, *, where: str) -> Contents:
    """What the lines behind the header say together."""
    launches: list[Launch] = []
    cells: dict[CellKey, Cell] = {}
    spent_s: list[float] = []
    setup_s: list[float] = []
    whole_bytes = begin
    for number, (end, entry) in enumerate(lines, start=2):
        whole_bytes = end
        if isinstance(entry, Launch):
            launches.append(entry)
            spent_s.append(0.0)
            setup_s.append(0.0)
            continue
        launch = len(launches) - 1 if entry.launch is None else entry.launch
        if not launches:
            raise RecordError("a cell stands before any launch: the file is damaged", where=f"{where}:{number}")
        if launch >= len(launches):
            raise RecordError("a cell of a launch that is not there: the file is damaged", where=f"{where}:{number}")
        spent_s[launch] += entry.spent_s
        setup_s[launch] += entry.setup_s
        node = node_of(launches[launch])
        cells.update((key_on(node, key), Cell(rows=rows, launch=launch)) for key, rows in entry.rows.items())
    return Contents(
        header=header, launches=tuple(launches), cells=cells, spent_s=tuple(spent_s), setup_s=tuple(setup_s),
        whole_bytes=whole_bytes,
    )  # fmt: skip


def _in_memory(file: BinaryIO, span: Range, kind: str, where: str) -> Iterator[Line]:
    """Each line with its rows.

    Raises:
        RecordError: it is damaged.
    """
    decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(ENTRIES[kind][1])
    for number, (begin, line) in enumerate(_whole_lines(file, span), start=2):
        entry = _entry(decoder, line, where=f"{where}:{number}", kept=number - 1)
        end = begin + len(line) + 1
        if isinstance(entry, Launch):
            yield end, entry
        else:
            rows = {key: tuple(entry.rows[place] for place in places) for key, places in _places(entry.rows).items()}
            yield end, _cells(entry, rows, begin, line)


def _stored(path: Path, file: BinaryIO, span: Range) -> Iterator[Line] | None:
    """Each line, checked by several processes, with rows that stay in the file; None where one is damaged."""
    decoder: msgspec.json.Decoder[Finished] = msgspec.json.Decoder(Finished)
    kept: RowFile[AnyRow] = RowFile(path, lambda text: decoder.decode(text).rows)
    processes = processes_here()
    scanned = list(in_order(partial(_scanned, path), ranges_of(file, span, b"\n", processes), processes))
    if None in scanned:
        return None
    return (_in_place(line, kept) for lines in scanned for line in lines or ())


def _scanned(path: Path, span: Range) -> list[Line] | None:
    """What one process sends of a range: rows by their numbers; None where a line is damaged, which others tell."""
    decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(ENTRIES[OPERATORS][1])
    lines: list[Line] = []
    try:
        with path.open("rb") as file:
            for begin, line in _whole_lines(file, span):
                entry = _entry(decoder, line, where=str(path), kept=0)
                made = entry if isinstance(entry, Launch) else _cells(entry, _places(entry.rows), begin, line)
                lines.append((begin + len(line) + 1, made))
    except (OSError, KaoprofError):
        return None
    return lines


def _in_place(line: Line, kept: RowFile[AnyRow]) -> Line:
    end, entry = line
    if isinstance(entry, _Cells):
        entry.rows = {key: StoredCell(kept, entry.begin, entry.length, numbers) for key, numbers in entry.rows.items()}
    return end, entry


def _cells(entry: Finished, rows: Mapping[CellKey, Sequence[Any]], begin: int, line: bytes) -> _Cells:
    launch = None if entry.launch is msgspec.UNSET else entry.launch
    setup_s = 0.0 if entry.setup_s is msgspec.UNSET else entry.setup_s
    return _Cells(
        rows=rows, spent_s=entry.spent_s, setup_s=setup_s, launch=launch, begin=begin, length=len(line)
    )  # fmt: skip


def _places(rows: Iterable[AnyRow]) -> dict[CellKey, list[int]]:
    """The numbers of the rows of each cell."""
    places: dict[CellKey, list[int]] = {}
    for number, row in enumerate(rows):
        places.setdefault(row.case.cell, []).append(number)
    return places


def _whole_lines(file: BinaryIO, span: Range) -> Iterator[tuple[int, bytes]]:
    """Each line that has an end, with its place; not a last one with zeros, which a power cut leaves behind."""
    torn = None
    for (place, line), _ in pairwise(parts_of(file, span, b"\n")):
        if torn is not None:
            yield torn
        torn = (place, line) if b"\0" in line else None
        if torn is None:
            yield place, line


def _header(line: bytes, *, whole: bool, where: str) -> AnyHeader:
    again = "the command that made it begins it anew"
    if not line:
        raise RecordError("is empty: the sweep ended before it began", where=where, hint=again)
    try:
        head = head_of(line)
    except UNREADABLE:
        if not whole and line.startswith(BEGINNINGS):
            raise RecordError("ends within its first line, so it holds no cell", where=where, hint=again) from None
        raise RecordError("is not the journal of a sweep", where=f"{where}:1", hint=_OTHER) from None
    kind = head.get("kind") if isinstance(head, dict) else None
    if kind not in KINDS:
        raise RecordError("is not the journal of a sweep", where=f"{where}:1", hint=_OTHER)
    if head.get("schema") != SCHEMA:
        message = f"schema {head.get('schema')!r}, but this kaoprof reads schema {SCHEMA}"
        raise RecordError(message, where=f"{where}:1", hint="update kaoprof")
    if not whole:
        raise RecordError("ends within its first line, so it holds no cell", where=where, hint=again)
    try:
        header: AnyHeader = msgspec.json.decode(line, type=ENTRIES[kind][0])
    except (*UNREADABLE, KaoprofError) as error:
        raise RecordError(f"its header is damaged: {reason_of(error)}", where=f"{where}:1") from None
    return header


_OTHER = "name a file that `kaoprof sweep -o` wrote"


def _entry(decoder: msgspec.json.Decoder[Entry], line: bytes, *, where: str, kept: int) -> Entry:
    try:
        entry = strictly_by(decoder, line)
    except (*UNREADABLE, KaoprofError) as error:
        hint = f"`head -n {kept}` keeps what is before it; the sweep then measures the rest again"
        raise RecordError(f"this line is damaged: {reason_of(error)}", where=where, hint=hint) from None
    if isinstance(entry, Launch):
        check_protocol(entry.protocol, where=where)
        return entry
    for row in entry.rows:
        check_row(row, where=where)
    return entry

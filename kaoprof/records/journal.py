"""The journal of a sweep, schema 1: JSON Lines that only grow, so that whatever ends a sweep costs what was unfinished.

The first line is the header. Then come launches, one whenever a process begins to measure, which say where and how;
and finished cells, which belong to the launch before them. A cell that stands twice was tried again: the last counts.
`kaoprof.sweeping.journal_file` writes it.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kaoprof.errors import KaoprofError, RecordError
from kaoprof.records.checks import check_protocol, check_row
from kaoprof.records.compare import Row, by_cell
from kaoprof.records.fields import Seconds, reason_of
from kaoprof.records.incoming import UNREADABLE, head_of, read_bytes
from kaoprof.records.measured import SCHEMA, Environment, Head, Protocol
from kaoprof.records.sweep import CellKey, SweepPlan

KIND = "sweep"
BEGINNING = b'{"schema":1,"kind":"sweep"'  # of every journal, also of one whose header was cut off


class Header(Head, frozen=True, kw_only=True):
    """The first line."""

    kind: str = KIND
    plan: SweepPlan


class Launch(msgspec.Struct, frozen=True, kw_only=True, tag="launch", tag_field="entry", omit_defaults=True):
    """A process began to measure, or learnt something new about the device. `plan` is None if it did not change.

    `spent_s` in the protocol is 0: what was spent stands with the cells.
    """

    version: str
    created: str
    plan: SweepPlan | None = None
    environment: Environment | None = None
    protocol: Protocol | None = None


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="cells", tag_field="entry"):
    """The rows of one finished cell, and the seconds that it took; closed forms come many cells to a line."""

    rows: tuple[Row, ...]
    spent_s: Seconds = 0.0


Entry = Launch | Finished


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One finished cell. `launch` is the number of the launch that it belongs to."""

    rows: tuple[Row, ...]
    launch: int


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal holds. `whole_bytes` is where its last whole line ends; `spent_s` is by launch."""

    header: Header
    launches: tuple[Launch, ...]
    cells: dict[CellKey, Cell]
    spent_s: tuple[float, ...]
    whole_bytes: int

    @property
    def plan(self) -> SweepPlan:
        """What was asked for last."""
        return next((launch.plan for launch in reversed(self.launches) if launch.plan), self.header.plan)


def is_journal(data: bytes) -> bool:
    """Whether the bytes are, or were meant to be, a journal of whatever schema; a JSON record has rows instead."""
    first, _, _ = data.partition(b"\n")
    if re.search(rb'"rows"\s*:', first):  # a record in one line, which may be long
        return False
    try:
        head = head_of(first)
    except UNREADABLE:
        return data.startswith(BEGINNING)
    return isinstance(head, dict) and head.get("kind") == KIND and "rows" not in head


def nothing_yet(data: bytes) -> bool:
    """Whether the bytes are what is left of a journal that was begun, but whose header did not reach the disk."""
    cut_off = b"\n" not in data and data.startswith(BEGINNING) and b'"rows"' not in data
    return cut_off or not data.strip(b"\0")


def parse_journal(data: bytes, *, where: str) -> Contents:
    """What the bytes of a journal hold. An incomplete last line, which a crash leaves, is left out.

    Raises:
        RecordError: they are no journal, of another schema, or damaged; naming the line.
    """
    lines = data.split(b"\n")
    incomplete = lines.pop()
    if len(lines) > 1 and b"\0" in lines[-1]:  # a power cut may leave zeros where the last line should be
        incomplete = lines.pop() + b"\n" + incomplete
    header = _header(lines[0] if lines else data, whole=bool(lines), where=where)
    launches: list[Launch] = []
    cells: dict[CellKey, Cell] = {}
    spent_s: list[float] = []
    decoder = msgspec.json.Decoder(Entry)
    for number, line in enumerate(lines[1:], start=2):
        entry = _entry(decoder, line, where=f"{where}:{number}", kept=number - 1)
        if isinstance(entry, Launch):
            check_protocol(entry.protocol, where=f"{where}:{number}")
            launches.append(entry)
            spent_s.append(0.0)
        elif not launches:
            raise RecordError("a cell stands before any launch: the file is damaged", where=f"{where}:{number}")
        else:
            for row in entry.rows:
                check_row(row, where=f"{where}:{number}")
            spent_s[-1] += entry.spent_s
            cells.update(_cells(entry.rows, len(launches) - 1))
    return Contents(
        header=header,
        launches=tuple(launches),
        cells=cells,
        spent_s=tuple(spent_s),
        whole_bytes=len(data) - len(incomplete),
    )


def _cells(rows: Sequence[Row], launch: int) -> dict[CellKey, Cell]:
    return {key: Cell(rows=tuple(measured), launch=launch) for key, measured in by_cell(rows).items()}


def _header(line: bytes, *, whole: bool, where: str) -> Header:
    again = "the command that made it begins it anew"
    if not line:
        raise RecordError("is empty: the sweep ended before it began", where=where, hint=again)
    try:
        head = head_of(line)
    except UNREADABLE:
        if not whole and line.startswith(BEGINNING):
            raise RecordError("ends within its first line, so it holds no cell", where=where, hint=again) from None
        raise RecordError("is not the journal of a sweep", where=f"{where}:1", hint=_OTHER) from None
    if not isinstance(head, dict) or head.get("kind") != KIND:
        raise RecordError("is not the journal of a sweep", where=f"{where}:1", hint=_OTHER)
    if head.get("schema") != SCHEMA:
        message = f"schema {head.get('schema')!r}, but this kaoprof reads schema {SCHEMA}"
        raise RecordError(message, where=f"{where}:1", hint="update kaoprof")
    if not whole:
        raise RecordError("ends within its first line, so it holds no cell", where=where, hint=again)
    try:
        return msgspec.json.decode(line, type=Header)
    except (*UNREADABLE, KaoprofError) as error:
        raise RecordError(f"its header is damaged: {reason_of(error)}", where=f"{where}:1") from None


_OTHER = "name a file that `kaoprof sweep -o` wrote"


def _entry(decoder: msgspec.json.Decoder[Entry], line: bytes, *, where: str, kept: int) -> Entry:
    try:
        head_of(line)
        return decoder.decode(line)
    except (*UNREADABLE, KaoprofError) as error:
        hint = f"`head -n {kept}` keeps what is before it; the sweep then measures the rest again"
        raise RecordError(f"this line is damaged: {reason_of(error)}", where=where, hint=hint) from None


def read_journal(path: Path) -> Contents:
    """What the journal in a file holds.

    Raises:
        RecordError: it cannot be read, or is none.
    """
    return parse_journal(read_bytes(path), where=str(path))

"""The journal of a sweep, schema 1: JSON Lines that only grow, so that whatever ends a sweep costs what was unfinished.

The first line is the header. Then come launches, one whenever a process begins to measure, which say where and how;
and finished cells, which belong to the launch before them, or to the earlier one whose number they name: cells of
several machines come as they are finished. A cell that stands twice was tried again: the last counts.
A journal of operators is of kind `sweep`, one of models of kind `models`. `kaoprof.sweeping.journal_file` writes it.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from kaoprof.errors import KaoprofError, RecordError
from kaoprof.records import swept_models
from kaoprof.records.checks import check_protocol, check_row
from kaoprof.records.compare import Row
from kaoprof.records.fields import Count, Seconds, reason_of
from kaoprof.records.incoming import UNREADABLE, head_of, read_bytes, strictly_by
from kaoprof.records.measured import SCHEMA, Environment, Head, Protocol
from kaoprof.records.sweep import CellKey, ModelPlan, Plan, SweepPlan, key_on
from kaoprof.records.swept_models import ModelRow

OPERATORS, MODELS = "sweep", swept_models.KIND
KINDS = (OPERATORS, MODELS)
BEGINNINGS = tuple(f'{{"schema":1,"kind":"{kind}"'.encode() for kind in KINDS)  # also of one whose header was cut off
AnyRow = Row | ModelRow


class Header(Head, frozen=True, kw_only=True):
    """The first line of a journal of operators."""

    kind: str = OPERATORS
    plan: SweepPlan


class ModelsHeader(Head, frozen=True, kw_only=True):
    """The first line of a journal of models."""

    kind: str = MODELS
    plan: ModelPlan


AnyHeader = Header | ModelsHeader


class Launch(msgspec.Struct, frozen=True, kw_only=True, tag="launch", tag_field="entry", omit_defaults=True):
    """A process began to measure, or learnt something new about the device. `plan` is None if it did not change.

    `spent_s` in the protocol is 0: what was spent stands with the cells.
    """

    version: str
    created: str
    plan: SweepPlan | None = None
    environment: Environment | None = None
    protocol: Protocol | None = None


class ModelsLaunch(Launch, frozen=True, kw_only=True, tag="launch", tag_field="entry", omit_defaults=True):
    """The same in a journal of models."""

    plan: ModelPlan | None = None  # type: ignore[assignment]


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="cells", tag_field="entry"):
    """The rows of one finished cell, and the seconds that it took; closed forms come many cells to a line.

    `launch` is the number of the launch that it belongs to, counted from 0, where that is not the one before it;
    `setup_s` is what of the seconds passed until measuring could begin, where that is not nothing.
    """

    rows: tuple[Row, ...]
    spent_s: Seconds = 0.0
    setup_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    launch: Count | msgspec.UnsetType = msgspec.UNSET


class FinishedModels(Finished, frozen=True, kw_only=True, tag="cells", tag_field="entry"):
    """The same in a journal of models."""

    rows: tuple[ModelRow, ...]  # type: ignore[assignment]


Entry = Launch | Finished
ENTRIES = {OPERATORS: (Header, Launch | Finished), MODELS: (ModelsHeader, ModelsLaunch | FinishedModels)}


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One finished cell. `launch` is the number of the launch that it belongs to."""

    rows: tuple[AnyRow, ...]
    launch: int


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal holds. `whole_bytes` is where its last whole line ends; `spent_s` and `setup_s` are by launch."""

    header: AnyHeader
    launches: tuple[Launch, ...]
    cells: dict[CellKey, Cell]
    spent_s: tuple[float, ...]
    setup_s: tuple[float, ...]
    whole_bytes: int

    @property
    def plan(self) -> Plan:
        """What was asked for last."""
        return next((launch.plan for launch in reversed(self.launches) if launch.plan), self.header.plan)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that are compared, in the order in which they began; one without a name where none are."""
        return tuple(dict.fromkeys(node_of(launch) for launch in self.launches)) or ("",)


def header_of(plan: Plan, *, version: str, created: str) -> AnyHeader:
    """The first line of a journal of what the plan asks for."""
    if isinstance(plan, ModelPlan):
        return ModelsHeader(version=version, created=created, plan=plan)
    return Header(version=version, created=created, plan=plan)


def launch_of(plan: Plan, *, changed: bool, **told: Any) -> Launch:
    """The line that says where and how the cells after it were measured; the plan stands in it if it `changed`."""
    if isinstance(plan, ModelPlan):
        return ModelsLaunch(plan=plan if changed else None, **told)
    return Launch(plan=plan if changed else None, **told)


def finished_of(plan: Plan, rows: Iterable[AnyRow], **told: Any) -> Finished:
    """The line that holds finished cells."""
    kind: type[Finished] = FinishedModels if isinstance(plan, ModelPlan) else Finished
    return kind(rows=tuple(rows), **told)  # type: ignore[arg-type]  # rows of the plan's kind


def is_journal(data: bytes) -> bool:
    """Whether the bytes are, or were meant to be, a journal of whatever schema; a JSON record has rows instead."""
    first, _, _ = data.partition(b"\n")
    if re.search(rb'"rows"\s*:', first):  # a record in one line, which may be long
        return False
    try:
        head = head_of(first)
    except UNREADABLE:
        return data.startswith(BEGINNINGS)
    return isinstance(head, dict) and head.get("kind") in KINDS and "rows" not in head


def nothing_yet(data: bytes) -> bool:
    """Whether the bytes are what is left of a journal that was begun, but whose header did not reach the disk."""
    cut_off = b"\n" not in data and data.startswith(BEGINNINGS) and b'"rows"' not in data
    return cut_off or not data.strip(b"\0")


def parse_journal(data: bytes, *, where: str) -> Contents:
    """What the bytes of a journal hold. An incomplete last line, which a crash leaves, is left out.

    Raises:
        RecordError: they are no journal, of another schema, or damaged; naming the line.
    """
    whole_bytes = _whole_bytes(data)
    lines = _lines(data, whole_bytes)
    header = _header(next(lines, data), whole=whole_bytes > 0, where=where)
    launches: list[Launch] = []
    cells: dict[CellKey, Cell] = {}
    spent_s: list[float] = []
    setup_s: list[float] = []
    decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(ENTRIES[header.kind][1])
    for number, line in enumerate(lines, start=2):
        entry = _entry(decoder, line, where=f"{where}:{number}", kept=number - 1)
        if isinstance(entry, Launch):
            check_protocol(entry.protocol, where=f"{where}:{number}")
            launches.append(entry)
            spent_s.append(0.0)
            setup_s.append(0.0)
        elif not launches:
            raise RecordError("a cell stands before any launch: the file is damaged", where=f"{where}:{number}")
        else:
            for row in entry.rows:
                check_row(row, where=f"{where}:{number}")
            launch = _launch_of(entry, len(launches), where=f"{where}:{number}")
            spent_s[launch] += entry.spent_s
            setup_s[launch] += 0.0 if entry.setup_s is msgspec.UNSET else entry.setup_s
            cells.update(_cells(entry.rows, launch, node_of(launches[launch])))
    return Contents(
        header=header,
        launches=tuple(launches),
        cells=cells,
        spent_s=tuple(spent_s),
        setup_s=tuple(setup_s),
        whole_bytes=whole_bytes,
    )


def _whole_bytes(data: bytes) -> int:
    """Where the last whole line ends; a power cut may leave zeros where it should be."""
    end = data.rfind(b"\n") + 1
    begin = data.rfind(b"\n", 0, max(end - 1, 0)) + 1
    return begin if begin and b"\0" in data[begin:end] else end


def _lines(data: bytes, end: int) -> Iterator[bytes]:
    """Each whole line without its end; never a copy of all of them."""
    begin = 0
    while begin < end:
        after = data.index(b"\n", begin)
        yield data[begin:after]
        begin = after + 1


def _launch_of(entry: Finished, launches: int, *, where: str) -> int:
    """The number of the launch to which finished cells belong, of so many that stand before them."""
    if entry.launch is msgspec.UNSET:
        return launches - 1
    if entry.launch >= launches:
        raise RecordError("a cell of a launch that is not there: the file is damaged", where=where)
    return entry.launch


def node_of(launch: Launch) -> str:
    """The node of a launch where nodes are compared, else nothing."""
    return (launch.environment.node if launch.environment else None) or ""


def _cells(rows: Iterable[AnyRow], launch: int, node: str) -> dict[CellKey, Cell]:
    grouped: dict[CellKey, list[AnyRow]] = {}
    for row in rows:
        grouped.setdefault(key_on(node, row.case.cell), []).append(row)
    return {key: Cell(rows=tuple(measured), launch=launch) for key, measured in grouped.items()}


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
        return strictly_by(decoder, line)
    except (*UNREADABLE, KaoprofError) as error:
        hint = f"`head -n {kept}` keeps what is before it; the sweep then measures the rest again"
        raise RecordError(f"this line is damaged: {reason_of(error)}", where=where, hint=hint) from None


def read_journal(path: Path) -> Contents:
    """What the journal in a file holds.

    Raises:
        RecordError: it cannot be read, or is none.
    """
    return parse_journal(read_bytes(path), where=str(path))

"""Reads records back from whatever file holds them: those of every command, and the journals of `sweep`."""

import os
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from kaoprof.errors import RecordError
from kaoprof.records import fit_models
from kaoprof.records.checks import check_figures, check_protocol
from kaoprof.records.compare import Record
from kaoprof.records.diff import DiffRecord
from kaoprof.records.explain import Explanation
from kaoprof.records.fields import reason_of
from kaoprof.records.fit import CrossRecord, FitRecord
from kaoprof.records.incoming import UNREADABLE, RepeatedKeyError, head_of, opened, strictly_decoded
from kaoprof.records.journal import MODELS, AnyRow, Contents, Launch, node_of
from kaoprof.records.journal_reading import contents_of, is_journal
from kaoprof.records.measured import SCHEMA, Environment, Protocol
from kaoprof.records.pieces import record_in_pieces
from kaoprof.records.profile import ProfileRecord
from kaoprof.records.reproduce import ReproductionRecord
from kaoprof.records.stored_rows import StoredCell, StoredRows
from kaoprof.records.sweep import CellKey, Plan, key_on
from kaoprof.records.swept_models import SweptModels


class AnyRecord(typing.Protocol):
    """What every record says of itself."""

    @property
    def kind(self) -> str:
        """Which command left it behind."""


KINDS: dict[str, type[AnyRecord]] = {
    "compare": Record,
    "sweep": Record,
    MODELS: SweptModels,
    "profile": ProfileRecord,
    "fit": FitRecord,
    "cross": CrossRecord,
    fit_models.KIND: fit_models.BatchRecord,
    "diff": DiffRecord,
    "reproduction": ReproductionRecord,
    "explain": Explanation,
}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A record, where it was read, and what to call it beside others."""

    path: Path
    name: str
    record: Record


def load_runs(paths: Path | str | Iterable[Path | str]) -> tuple[Run, ...]:
    """The runs of `compare` and `sweep` in a file, or in several, in order; a journal holds one per environment.

    Raises:
        RecordError: a file cannot be read, is damaged, or holds something else.
    """
    runs: list[Run] = []
    paths = [paths] if isinstance(paths, Path | str) else paths
    for path, name, record in load_named(paths):
        if not isinstance(record, Record):
            hint = "name a record of `compare` or a journal of `sweep`"
            raise RecordError(f"is a record of `{record.kind}`", where=str(path), hint=hint)
        runs.append(Run(path=path, name=name, record=record))
    return tuple(runs)


def load_named(paths: Iterable[Path | str], *, in_place: bool = False) -> Iterator[tuple[Path, str, AnyRecord]]:
    """Every record in some files, in order: where it was read, what to call it beside the others, and itself.

    The rows of large ones may stay `in_place`, for whoever goes through them once.

    Raises:
        RecordError: a file cannot be read, is damaged, or is no record.
    """
    files = [Path(path) for path in paths]
    for path in files:
        name = printable(path.stem if sum(other.stem == path.stem for other in files) == 1 else path)
        records = load_records(path, in_place=in_place)
        for number, record in enumerate(records, start=1):
            node = record.environment.node if isinstance(record, Record | SweptModels) and record.environment else None
            yield path, f"{name} {node or f'#{number}'}" if len(records) > 1 else name, record


def printable(path: Path | str) -> str:
    """A file's name for a record or a table; of what is no UTF-8 in it a sign stands for each byte."""
    return os.fsencode(path).decode(errors="replace")


def load_records(path: Path, *, in_place: bool = False) -> tuple[AnyRecord, ...]:
    """Every record in a file: one, or of a journal one per environment; the rows of a large one may stay `in_place`.

    Raises:
        RecordError: the file cannot be read, is damaged, or is no record.
    """
    large = record_in_pieces(path, in_place=in_place)
    if large is not None and large.schema == SCHEMA and large.kind in {"compare", "sweep"}:
        check_protocol(large.protocol, where=str(path))
        return (large,)
    with opened(path) as file:
        first = file.readline()
        if is_journal(first):
            return records_of(contents_of(file, where=str(path), in_place=in_place))
        data = first + file.read()
    if data.startswith(REPORT):
        return tuple(_record(bytes(run.record), where=str(path)) for run in _report(data, where=str(path)))
    return (_record(data, where=str(path)),)


REPORT = b'{\n "schema": 1,\n "kind": "report"'  # several runs in one file, which `report --to all.json` wrote


class _Reported(msgspec.Struct):
    name: str
    record: msgspec.Raw


class _Report(msgspec.Struct):
    runs: tuple[_Reported, ...]


def _report(data: bytes, *, where: str) -> tuple[_Reported, ...]:
    try:
        runs = strictly_decoded(data, _Report).runs
    except UNREADABLE as error:
        raise RecordError(f"this report is cut off or damaged: {error}", where=where) from None
    if not runs:
        raise RecordError("holds no run", where=where)
    return runs


def _record(data: bytes, *, where: str) -> AnyRecord:
    """The JSON record in a file, of whatever kind."""
    if not data.strip():
        raise RecordError("is empty", where=where, hint="name a .json or .jsonl file that kaoprof wrote")
    try:
        head = head_of(data)
    except RepeatedKeyError as error:
        raise RecordError(f"this record is damaged: {error}", where=where) from None
    except UNREADABLE as error:
        if data.lstrip().startswith(b'{\n "schema"'):
            raise RecordError(f"this record is cut off or damaged: {error}", where=where) from None
        hint = "name a .json or .jsonl file that kaoprof wrote"
        raise RecordError("is neither a record nor a journal of kaoprof", where=where, hint=hint) from None
    if not isinstance(head, dict) or "schema" not in head:
        raise RecordError("this is JSON, but not a kaoprof record", where=where)
    if head["schema"] != SCHEMA:
        message = f"schema {head['schema']!r}, but this kaoprof reads schema {SCHEMA}"
        raise RecordError(message, where=where, hint="update kaoprof")
    kind = head.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        known = ", ".join(KINDS)
        raise RecordError(f"a record of kind {kind!r} cannot be read back", where=where, hint=f"only {known}")
    try:
        record = msgspec.json.decode(data, type=KINDS[kind])
    except UNREADABLE as error:
        raise RecordError(f"this record is damaged: {reason_of(error)}", where=where) from None
    if isinstance(record, Record | ProfileRecord | SweptModels):
        check_figures(record, where=where)
    return record


def records_of(contents: Contents, plan: Plan | None = None) -> tuple[Record | SweptModels, ...]:
    """A journal's cells as records of its kind, one per environment and version, the one measured last at the end.

    Rows stand in grid order. All are `interrupted` if cells of `plan`, by default the last one, are missing.
    """
    corners = [case.cell for case in (plan or contents.plan).corners()]
    keys = dict.fromkeys(key_on(node, cell) for node in contents.nodes for cell in corners)
    interrupted = not keys.keys() <= contents.cells.keys()
    order = [key for key in keys if key in contents.cells]
    order += [key for key in contents.cells if key not in keys]
    groups = _groups(contents.launches)
    cells: list[list[tuple[CellKey, Sequence[AnyRow]]]] = [[] for _ in groups]
    group_of = {launch: number for number, group in enumerate(groups) for launch in group}
    for key in order:
        cell = contents.cells[key]
        on_node = node_of(contents.launches[cell.launch])
        cells[group_of[cell.launch]].append((key[1:] if on_node else key, cell.rows))
    used = [(group, _rows(members)) for group, members in zip(groups, cells, strict=True) if members]
    records = [_sweep_record(contents, group, rows, interrupted=interrupted) for group, rows in used]
    return tuple(records) or (_sweep_record(contents, [], (), interrupted=True),)


def _rows(cells: Sequence[tuple[CellKey, Sequence[Any]]]) -> Any:
    """The rows of some cells: all at once, or where they are."""
    if isinstance(cells[0][1], StoredCell):
        return StoredRows(cells)
    return tuple(row for _, rows in cells for row in rows)


def _groups(launches: tuple[Launch, ...]) -> list[list[int]]:
    """The numbers of the launches that measured in the same place with the same versions, by their last one."""
    groups: dict[tuple[str, Environment | None], list[int]] = {}
    for number, launch in enumerate(launches):
        place = launch.version, same_place(launch.environment)
        groups[place] = [*groups.pop(place, []), number]
    return list(groups.values())


def same_place(environment: Environment | None) -> Environment | None:
    """The environment without what differs from one minute to the next, or does not matter for our own cores."""
    return replace(environment, load_before=None, machine_cores=None) if environment else None


def _sweep_record(
    contents: Contents, group: list[int], rows: tuple[Any, ...], *, interrupted: bool
) -> Record | SweptModels:
    launches = [contents.launches[number] for number in group]
    begun = launches[0] if launches else contents.header
    common: dict[str, Any] = {
        "version": begun.version,
        "created": begun.created,
        "rows": rows,
        "protocol": _protocol(
            launches,
            spent_s=sum(contents.spent_s[number] for number in group),
            setup_s=sum(contents.setup_s[number] for number in group),
        ),
        "environment": launches[0].environment if launches else None,
        "interrupted": interrupted,
    }
    if contents.header.kind == MODELS:
        return SweptModels(**common)
    return Record(kind="sweep", baseline=contents.plan.options.baseline, **common)


def _protocol(launches: list[Launch], *, spent_s: float, setup_s: float) -> Protocol | None:
    """The last launch's; the throughput only if all agree on it, since it depends on the dtype.

    How a cell ended was written with its first cell: of the rest nobody knows.
    """
    protocols = [launch.protocol for launch in launches if launch.protocol]
    if not protocols:
        return None
    rates = {protocol.throughput_flops for protocol in protocols if protocol.throughput_flops}
    throughput_flops = rates.pop() if len(rates) == 1 else None
    return replace(
        protocols[-1], spent_s=spent_s, setup_s=setup_s or None, throughput_flops=throughput_flops, ended_by=None,
        quiet_share=None,
    )  # fmt: skip

"""The journal of a sweep, schema 1: JSON Lines that only grow, so that whatever ends a sweep costs what was unfinished.

The first line is the header. Then come launches, one whenever a process begins to measure, which say where and how;
and finished cells, which belong to the launch before them, or to the earlier one whose number they name: cells of
several machines come as they are finished. A cell that stands twice was tried again: the last counts.
A journal of operators is of kind `sweep`, one of models of kind `models`. `kaoprof.sweeping.journal_file` writes it,
`journal_reading` reads it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kaoprof.records import swept_models
from kaoprof.records.compare import Row
from kaoprof.records.fields import Count, Seconds
from kaoprof.records.measured import Environment, Head, Protocol
from kaoprof.records.sweep import CellKey, ModelPlan, Plan, SweepPlan
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

    rows: Sequence[AnyRow]
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


def node_of(launch: Launch) -> str:
    """The node of a launch where nodes are compared, else nothing."""
    return (launch.environment.node if launch.environment else None) or ""

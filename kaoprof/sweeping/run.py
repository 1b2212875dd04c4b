"""Runs a sweep: cells into a journal, going on where an earlier run stopped. Never prints.

It keeps the journal; whoever works on the cells, here or elsewhere, is an `executor.Executor`.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from kaoprof.comparing.own_code import OwnCode, with_forms
from kaoprof.measuring.plan import Progress
from kaoprof.measuring.run import ProgressCallback
from kaoprof.records.compare import Case, Record, Row
from kaoprof.records.journal import AnyRow, Contents, header_of
from kaoprof.records.journal_reading import read_journal
from kaoprof.records.measured import timestamp
from kaoprof.records.reading import records_of
from kaoprof.records.sweep import CellKey, ModelPlan, Plan, key_on
from kaoprof.records.swept_models import ModelCase, SweptModels
from kaoprof.specs import Document
from kaoprof.sweeping.cells import Cell, ModelCell, OperatorCell, own_cases_of
from kaoprof.sweeping.executor import Done, Executor, Opened
from kaoprof.sweeping.journal_checks import check_device, check_place, check_plan, finished_cells
from kaoprof.sweeping.journal_file import Journal
from kaoprof.sweeping.keeping import Keeper
from kaoprof.sweeping.local import here
from kaoprof.sweeping.pace import Pace
from kaoprof.sweeping.workplace import checked_device
from kaoprof.version import __version__

STEADY = 0.99  # of the cells that were left: as long as so many are, the time is not estimated again
Clock = Callable[[], float]
Worker = Callable[[Plan, ProgressCallback, Clock], Executor]


class SweepProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sweep stands.

    Args:
        done: finished cells, those of earlier runs included, of `total`.
        rows: of all finished cells, those of the latest last.
        finished: the rows of a cell at the moment when it is finished, else none.
        step: what is being done in the current cell; neither this nor `finished` is given at the very beginning, nor
            when a machine is ready.
        left_s: the seconds that are still needed, as far as that was learnt.
        where: where cells are worked on, if that is elsewhere: how many nodes, how many cells.
    """

    done: int
    total: int
    rows: Sequence[AnyRow]
    finished: tuple[AnyRow, ...] = ()
    step: Progress | None = None
    left_s: float | None = None
    where: str = ""


class SweepOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep leaves: `records` as `runs.records_of` gives them, and how many cells of the plan are done."""

    records: tuple[Record | SweptModels, ...]
    done: int
    total: int
    interrupted: bool


@dataclass(kw_only=True)
class Sweep:
    """One run of a sweep.

    Args:
        plan: what to measure.
        path: the journal, which is begun or continued.
        documents: of a plan of models, by their names.
        retry: measure again what failed or was skipped.
        strict: refuse to go on in another environment than before.
        watch: told of every step.
        warn: told, in a sentence, what a reader of the journal should know.
        on: makes the executor, who works on the cells.
    """

    plan: Plan
    path: Path
    documents: Mapping[str, Document] = field(default_factory=dict)
    retry: bool = False
    strict: bool = False
    watch: Callable[[SweepProgress], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None
    clock: Clock = time.monotonic
    on: Worker = here
    rows: list[AnyRow] = field(default_factory=list)
    done: int = 0
    left_s: float | None = None
    where: str = ""
    finished: set[CellKey] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)  # that are compared and stand in the journal
    opened: set[str] = field(default_factory=set)  # of those that are compared
    looked: int = 0  # how many cells were left when the time was last estimated
    pace: Pace = field(default_factory=Pace)

    def run(self) -> SweepOutcome:
        """Measures what the journal does not hold yet. Ctrl-C ends it early; what was finished is in the journal.

        Raises:
            UsageError: the journal belongs to a sweep with other options.
            RecordError: the journal is damaged or something else; or under `strict`, its environment was another.
            OutputError: the journal cannot be written. What it held stays.
            MeasurementError: the device is not there, or no measuring process can be started.
        """
        executor = self.on(self.plan, self.tell, self.clock)
        interrupted = False
        if not self.path.exists():
            executor.check()  # no journal is begun for what this machine cannot do
        with Journal(self.path, header_of(self.plan, version=__version__, created=timestamp())) as journal:
            todo = self.remaining(journal.contents)
            self.tell()
            try:
                if todo:
                    self.keep(journal, executor, self.cells(todo))
            except KeyboardInterrupt:
                interrupted = True
        contents = read_journal(self.path)
        corners = [case.cell for case in self.plan.corners()]
        done = sum(key_on(node, cell) in contents.cells for node in contents.nodes for cell in corners)
        total = len(corners) * len(contents.nodes)
        stopped = interrupted and done < total
        return SweepOutcome(records=records_of(contents, self.plan), done=done, total=total, interrupted=stopped)

    def remaining(self, contents: Contents) -> list[Case | ModelCase]:
        """A row of each cell that is to be done; where nodes are compared, of all: who is there is not known yet.

        Raises:
            UsageError: the journal belongs to a sweep with other options.
        """
        check_plan(self.plan, contents, self.path)
        self.finished = finished_cells(contents, retry=self.retry)
        self.rows = [row for key, cell in contents.cells.items() if key in self.finished for row in cell.rows]
        corners: list[Case | ModelCase] = [*self.plan.corners()]
        self.nodes = set(contents.nodes)
        self.done = sum(key_on(node, case.cell) in self.finished for node in self.nodes for case in corners)
        return [case for case in corners if self.plan.spread or case.cell not in self.finished]

    def cells(self, todo: Sequence[Case | ModelCase]) -> list[Cell]:
        """What the executor gets, in the plan's order; closed forms of somebody's modules are derived first."""
        plan = self.plan
        if isinstance(plan, ModelPlan):
            return [ModelCell(case=case, document=self.documents[case.model], done_on=self.done_on(case))
                    for case in todo if isinstance(case, ModelCase)]  # fmt: skip
        keys = {case.cell for case in todo}
        remaining = [cases for cases in plan.cells() if cases[0].cell in keys]
        forms: dict[Case, Row] = {}
        if plan.own:
            device = checked_device(plan) if self.on is here and not plan.options.analytic else "cpu"
            with OwnCode(device, plan.options) as code:
                forms = with_forms(own_cases_of(remaining), code)
        own = [{case: forms[case] for case in cases if case.own} for cases in remaining]
        return [OperatorCell(cases=cases, forms=known, done_on=self.done_on(cases[0]))
                for cases, known in zip(remaining, own, strict=True)]  # fmt: skip

    def done_on(self, case: Case | ModelCase) -> frozenset[str]:
        """On which of the nodes that are compared a cell is done."""
        return frozenset(node for node in self.nodes if key_on(node, case.cell) in self.finished)

    def keep(self, journal: Journal, executor: Executor, cells: Sequence[Cell]) -> None:
        """Puts every cell that the executor finishes on the disk, once, and tells."""
        works = {} if self.plan.spread else {cell.key: cell.work for cell in cells}

        def written(rows: tuple[AnyRow, ...], finished: list[Done]) -> None:
            for done in finished:
                self.pace.learn(works.pop(done.key), done.spent_s - done.setup_s)
            self.look_ahead(works.values(), executor)
            self.done += len(finished)
            self.rows += rows
            self.tell(finished=rows)

        keeper = Keeper(journal, self.plan, self.clock, written)
        with closing(executor.run(cells)) as events:
            try:
                for event in events:
                    if isinstance(event, Done):
                        keeper.enter(event)
                        continue
                    self.check_place(journal.contents, event)
                    node = event.environment.node if event.environment else None
                    if node and node not in self.opened:
                        self.opened.add(node)
                        works |= {key_on(node, cell.key): cell.work for cell in cells if node not in cell.done_on}
                    if executor.where:
                        self.where = executor.where
                        self.tell()
            finally:
                keeper.write()

    def look_ahead(self, works: Collection[int], executor: Executor) -> None:
        """How long the cells that are left will take; of thousands not after each one."""
        self.where = executor.where
        if self.plan.options.analytic or STEADY * self.looked < len(works) <= self.looked:
            return
        self.looked = len(works)
        left_s = self.pace.left_s(works)
        self.left_s = None if left_s is None else left_s / executor.at_once

    def check_place(self, contents: Contents, opened: Opened) -> None:
        """Refuses another device than the journal's, and names what else changed since it was last written.

        Raises:
            UsageError: the cells were measured on another device.
            RecordError: something changed, and it is `strict`.
        """
        if opened.device is not None:
            check_device(contents, opened.device, self.path)
        if changed := check_place(contents, opened.environment, self.path, strict=self.strict):
            self.warn(changed)

    @property
    def total(self) -> int:
        """How many cells there are, on all nodes that are compared."""
        return len(self.plan) * max(1, len((self.nodes | self.opened) - {""}))

    def tell(self, step: Progress | None = None, *, finished: tuple[AnyRow, ...] = ()) -> None:
        """Tells whoever watches where the sweep stands, and what is being done in the current cell."""
        self.watch(
            SweepProgress(done=self.done, total=self.total, rows=self.rows, finished=finished, step=step,
                          left_s=self.left_s, where=self.where)
        )  # fmt: skip

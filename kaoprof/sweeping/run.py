"""Runs a sweep: cells into a journal, going on where an earlier run stopped. Never prints.

It keeps the journal; whoever works on the cells, here or elsewhere, is an `executor.Executor`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
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
from kaoprof.records.sweep import CellKey, ModelPlan, Plan
from kaoprof.records.swept_models import SweptModels
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

Clock = Callable[[], float]
Worker = Callable[[Plan, ProgressCallback, Clock], Executor]


class SweepProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sweep stands.

    Args:
        done: finished cells, those of earlier runs included, of `total`.
        rows: of all finished cells, those of the latest last.
        finished: the rows of a cell at the moment when it is finished, else none.
        step: what is being done in the current cell; at the very beginning neither this nor `finished` is given.
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
        done = sum(case.cell in contents.cells for case in self.plan.corners())
        total = len(self.plan)
        stopped = interrupted and done < total
        return SweepOutcome(records=records_of(contents, self.plan), done=done, total=total, interrupted=stopped)

    def remaining(self, contents: Contents) -> set[CellKey]:
        """The cells that are to be done.

        Raises:
            UsageError: the journal belongs to a sweep with other options.
        """
        check_plan(self.plan, contents, self.path)
        finished = finished_cells(contents, retry=self.retry)
        todo = {case.cell for case in self.plan.corners()} - finished
        self.rows = [row for key, cell in contents.cells.items() if key in finished for row in cell.rows]
        self.done = len(self.plan) - len(todo)
        return todo

    def cells(self, todo: set[CellKey]) -> list[Cell]:
        """What the executor gets, in the plan's order; closed forms of somebody's modules are derived first."""
        plan = self.plan
        if isinstance(plan, ModelPlan):
            return [ModelCell(case=case, document=self.documents[case.model]) for case in plan.corners()
                    if case.cell in todo]  # fmt: skip
        remaining = [cases for cases in plan.cells() if cases[0].cell in todo]
        forms: dict[Case, Row] = {}
        if plan.own:
            with OwnCode("cpu" if plan.options.analytic else checked_device(plan), plan.options) as code:
                forms = with_forms(own_cases_of(remaining), code)
        own = [{case: forms[case] for case in cases if case.own} for cases in remaining]
        return [OperatorCell(cases=cases, forms=known) for cases, known in zip(remaining, own, strict=True)]

    def keep(self, journal: Journal, executor: Executor, cells: Sequence[Cell]) -> None:
        """Puts every cell that the executor finishes on the disk, once, and tells."""
        works = {cell.key: cell.work for cell in cells}

        def written(rows: tuple[AnyRow, ...], finished: list[Done]) -> None:
            for done in finished:
                self.pace.learn(works.pop(done.key), done.spent_s)
            left_s = None if self.plan.options.analytic else self.pace.left_s(list(works.values()))
            self.left_s = None if left_s is None else left_s / executor.at_once
            self.where = executor.where
            self.done += len(finished)
            self.rows += rows
            self.tell(finished=rows)

        keeper = Keeper(journal, self.plan, self.clock, written)
        with closing(executor.run(cells)) as events:
            try:
                for event in events:
                    if isinstance(event, Opened):
                        self.check_place(journal.contents, event)
                    else:
                        keeper.enter(event)
            finally:
                keeper.write()

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

    def tell(self, step: Progress | None = None, *, finished: tuple[AnyRow, ...] = ()) -> None:
        """Tells whoever watches where the sweep stands, and what is being done in the current cell."""
        self.watch(
            SweepProgress(done=self.done, total=len(self.plan), rows=self.rows, finished=finished, step=step,
                          left_s=self.left_s, where=self.where)
        )  # fmt: skip

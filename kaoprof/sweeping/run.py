"""Runs a sweep: cell after cell into a journal, going on where an earlier run stopped. Never prints.

One cell is counted and then measured at a time, by one measuring process: cells never overlap. Counting beside the
measuring would disturb it, and before it would gain little: 11 ms a row, against a second or more for measuring it.
Closed forms take 10 µs a row, less than handing them to another process.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kaoprof.comparing.own_code import OwnCode, with_forms
from kaoprof.comparing.run import count_rows, measured, row_of, subject_of
from kaoprof.measuring.devices import check_wishes, find_device, load_average
from kaoprof.measuring.messages import ReadFree
from kaoprof.measuring.plan import Progress
from kaoprof.measuring.run import environment_of, open_session, protocol_of
from kaoprof.records.compare import Case, Record, Row
from kaoprof.records.journal import Contents, Finished, Header, Launch, read_journal
from kaoprof.records.measured import Environment, timestamp
from kaoprof.records.reading import records_of
from kaoprof.records.sweep import SweepPlan
from kaoprof.sweeping.journal_checks import check_device, check_place, check_plan, finished_cells, remaining_cells
from kaoprof.sweeping.journal_file import Journal
from kaoprof.sweeping.pace import Pace
from kaoprof.version import __version__

if TYPE_CHECKING:
    from kaoprof.measuring.session import Session

FLUSH_S = 0.2  # closed forms are kept back for so long, then written together: a disk takes milliseconds for each line
LINE_CELLS = 1000  # at most, of closed forms
Clock = Callable[[], float]


class SweepProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sweep stands.

    Args:
        done: finished cells, those of earlier runs included, of `total`.
        rows: of all finished cells, those of the latest last.
        finished: the rows of a cell at the moment when it is finished, else none.
        step: what is being done in the current cell; at the very beginning neither this nor `finished` is given.
        left_s: the seconds that are still needed, as far as that was learnt.
    """

    done: int
    total: int
    rows: Sequence[Row]
    finished: tuple[Row, ...] = ()
    step: Progress | None = None
    left_s: float | None = None


class SweepOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep leaves: `records` as `runs.records_of` gives them, and how many cells of the plan are done."""

    records: tuple[Record, ...]
    done: int
    total: int
    interrupted: bool


@dataclass(kw_only=True)
class Sweep:
    """One run of a sweep.

    Args:
        plan: what to measure.
        path: the journal, which is begun or continued.
        retry: measure again what failed or was skipped.
        strict: refuse to go on in another environment than before.
        watch: told of every step.
        warn: told, in a sentence, what a reader of the journal should know.
    """

    plan: SweepPlan
    path: Path
    retry: bool = False
    strict: bool = False
    watch: Callable[[SweepProgress], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None
    clock: Clock = time.monotonic
    rows: list[Row] = field(default_factory=list)
    done: int = 0
    left_s: float | None = None
    own_rows: dict[Case, Row] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)

    def run(self) -> SweepOutcome:
        """Measures what the journal does not hold yet. Ctrl-C ends it early; what was finished is in the journal.

        Raises:
            UsageError: the journal belongs to a sweep with other options.
            RecordError: the journal is damaged or something else; or under `strict`, its environment was another.
            OutputError: the journal cannot be written. What it held stays.
            MeasurementError: the device is not there, or no measuring process can be started.
        """
        header = Header(version=__version__, created=timestamp(), plan=self.plan)
        interrupted = False
        if not self.plan.options.analytic and not self.path.exists():
            self.find_device()  # no journal is begun for what this machine cannot do
        with Journal(self.path, header) as journal:
            todo = self.remaining(journal.contents)
            self.tell()
            try:
                with OwnCode(self.code_device(), self.plan.options) as code:
                    self.own_rows = with_forms((case for cases in todo for case in cases), code)
                    if todo and self.plan.options.analytic:
                        self.write_closed_forms(journal, todo)
                    elif todo:
                        self.measure(journal, todo, code)
            except KeyboardInterrupt:
                interrupted = True
        contents = read_journal(self.path)
        done = sum(case.cell in contents.cells for case in self.plan.corners())
        total = len(self.plan)
        stopped = interrupted and done < total
        return SweepOutcome(records=records_of(contents, self.plan), done=done, total=total, interrupted=stopped)

    def remaining(self, contents: Contents) -> list[tuple[Case, ...]]:
        """The cells that are to be done.

        Raises:
            UsageError: the journal belongs to a sweep with other options.
        """
        check_plan(self.plan, contents, self.path)
        finished = finished_cells(contents, retry=self.retry)
        todo = remaining_cells(self.plan, finished)
        self.rows = [row for key, cell in contents.cells.items() if key in finished for row in cell.rows]
        self.done = len(self.plan) - len(todo)
        return todo

    def write_closed_forms(self, journal: Journal, todo: list[tuple[Case, ...]]) -> None:
        """Closed forms of all cells, many to a line."""
        self.check_place(journal.contents, None)
        journal.append(self.launch(journal.contents))
        kept: list[Row] = []
        cells, since = 0, self.clock()
        for cases in todo:
            kept += self.blank_rows(cases)
            cells += 1
            if cells == LINE_CELLS or self.clock() - since >= FLUSH_S:
                self.finish(journal, kept, cells=cells, spent_s=self.clock() - since)
                kept, cells, since = [], 0, self.clock()
        if kept:
            self.finish(journal, kept, cells=cells, spent_s=self.clock() - since)

    def blank_rows(self, cases: Sequence[Case]) -> list[Row]:
        """The rows of a cell with their closed forms and nothing else."""
        return [self.own_rows[case] if case.own else row_of(case) for case in cases]

    def code_device(self) -> str:
        """Where somebody's modules are looked at."""
        return "cpu" if self.plan.options.analytic or not self.plan.own else find_device(self.plan.options.device)

    def measure(self, journal: Journal, todo: list[tuple[Case, ...]], code: OwnCode) -> None:
        """Counts and measures cell after cell, each with an equal part of the whole budget, also after a resume."""
        options = self.plan.options
        device = self.find_device()
        check_device(journal.contents, device, self.path)
        load = load_average()
        session = open_session(device, options, self.tell)
        works = [macs_of(cases) for cases in todo]
        rates: dict[str, float | None] = {}  # of a large product, by dtype
        learnt: object = None
        try:
            session.connection.ask_device(ReadFree())
            self.check_place(journal.contents, environment_of(session, load))
            for number, cases in enumerate(todo):
                started = self.clock()
                session.throughput_flops = rates.get(cases[0].dtype)
                rows = self.measure_cell(session, device, cases, code)
                rates[cases[0].dtype] = session.throughput_flops
                if learnt != (session.throughput_flops, session.ceilings):
                    learnt = session.throughput_flops, session.ceilings
                    journal.append(self.launch(journal.contents, session, load))
                spent_s = self.clock() - started
                self.pace.learn(works[number], spent_s)
                self.left_s = self.pace.left_s(works[number + 1 :])
                self.finish(journal, rows, cells=1, spent_s=spent_s)
        finally:
            session.close()

    def find_device(self) -> str:
        """The device to measure on.

        Raises:
            MeasurementError: it is not there.
            UsageError: it cannot do what is asked for.
        """
        device = find_device(self.plan.options.device)
        for dtype in self.plan.dtypes:
            check_wishes(device, dtype, self.plan.options)
        return device

    def measure_cell(self, session: "Session", device: str, cases: tuple[Case, ...], code: OwnCode) -> list[Row]:
        """One cell: closed forms, counts, then whatever can be measured."""
        options = self.plan.options
        blank = Record(
            version=__version__,
            created="",
            baseline=options.baseline,
            rows=tuple(self.blank_rows(cases)),
        )
        rows = count_rows(blank, device, options, self.tell, code).rows
        subjects = [subject_of(row, key, options.seed) for key, row in enumerate(rows) if row.status == "ok"]
        session.measurements.clear()
        if subjects:
            session.measure_cell(subjects, options.budget_s / len(self.plan))
        return [measured(row, session.measurements.get(key)) for key, row in enumerate(rows)]

    def finish(self, journal: Journal, rows: list[Row], *, cells: int, spent_s: float) -> None:
        """Puts finished cells on the disk, then tells."""
        journal.append(Finished(rows=tuple(rows), spent_s=spent_s))
        self.done += cells
        self.rows += rows
        self.tell(finished=tuple(rows))

    def tell(self, step: Progress | None = None, *, finished: tuple[Row, ...] = ()) -> None:
        """Tells whoever watches where the sweep stands, and what is being done in the current cell."""
        self.watch(
            SweepProgress(done=self.done, total=len(self.plan), rows=self.rows, finished=finished, step=step,
                          left_s=self.left_s)
        )  # fmt: skip

    def launch(self, contents: Contents, session: "Session | None" = None, load: float | None = None) -> Launch:
        """What the following cells rest on."""
        return Launch(
            version=__version__,
            created=timestamp(),
            plan=None if self.plan == contents.plan else self.plan,
            environment=environment_of(session, load) if session else None,
            protocol=protocol_of(session, self.plan.options, spent_s=0.0) if session else None,
        )

    def check_place(self, contents: Contents, environment: Environment | None) -> None:
        """Names what changed since the journal was last written.

        Raises:
            RecordError: something did, and it is `strict`.
        """
        if changed := check_place(contents, environment, self.path, strict=self.strict):
            self.warn(changed)


def macs_of(cases: Sequence[Case]) -> int:
    """MACs of one call of each row of a cell that is an operator's; what is undefined there has none."""
    operators = (row_of(case) for case in cases if case.own is None)
    return sum(row.analytic.macs * row.case.b for row in operators if row.analytic)

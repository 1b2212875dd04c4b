"""Enters finished cells into the journal of a sweep: each once, under the launch that it belongs to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kaoprof.records.journal import AnyRow, finished_of, launch_of
from kaoprof.records.measured import timestamp
from kaoprof.records.reading import same_place
from kaoprof.records.sweep import CellKey, Plan
from kaoprof.sweeping.executor import Done
from kaoprof.sweeping.journal_file import Journal
from kaoprof.version import __version__

FLUSH_S = 0.2  # closed forms are kept back for so long, then written together: a disk takes milliseconds for each line
LINE_CELLS = 1000  # at most, of closed forms


@dataclass
class Keeper:
    """What is on its way into the journal.

    Cells of several machines come in any order: a machine's launch is written once, and again when something new was
    learnt of its device; cells name their launch where another one was written meanwhile.

    Args:
        journal: which grows.
        plan: of the sweep.
        clock: for how long closed forms are kept back.
        written: told of the rows of each line, of how many cells these are, and of the seconds that they took.
    """

    journal: Journal
    plan: Plan
    clock: Callable[[], float]
    written: Callable[[tuple[AnyRow, ...], list[Done]], None]
    kept: list[Done] = field(default_factory=list)
    entered: set[CellKey] = field(default_factory=set)
    launches: dict[bytes, int] = field(default_factory=dict)  # number of each in the file, by what it says
    latest: int = -1

    def __post_init__(self) -> None:
        self.since = self.clock()
        self.count = len(self.journal.contents.launches)
        self.last = self.count - 1

    def enter(self, done: Done) -> None:
        """Takes a finished cell; one that was measured is on the disk when this returns. A second time counts not.

        Raises:
            OutputError: the journal cannot be written.
        """
        if done.key in self.entered:
            return
        number = self.launch_of(done)
        if self.kept and number != self.latest:
            self.write()
        self.entered.add(done.key)
        self.kept.append(done)
        self.latest = number
        analytic = self.plan.options.analytic
        if not analytic or len(self.kept) == LINE_CELLS or self.clock() - self.since >= FLUSH_S:
            self.write()

    def launch_of(self, done: Done) -> int:
        """The number of the launch under which a cell stands, which is written if there is none."""
        protocol = done.protocol
        learnt = (protocol.throughput_flops, protocol.ceilings) if protocol else None
        said = msgspec.json.encode((same_place(done.environment), learnt))
        if said not in self.launches:
            self.write()
            changed = self.plan != self.journal.contents.plan
            told = {"version": __version__, "created": timestamp(), "protocol": protocol}
            self.journal.append(launch_of(self.plan, changed=changed, environment=done.environment, **told))
            self.launches[said] = self.last = self.count
            self.count += 1
        return self.launches[said]

    def write(self) -> None:
        """Puts what was kept back on the disk, and tells."""
        kept, self.kept = self.kept, []
        if not kept:
            return
        rows = tuple(row for done in kept for row in done.rows)
        spent_s, setup_s = sum(done.spent_s for done in kept), sum(done.setup_s for done in kept)
        named: dict[str, Any] = {} if self.latest == self.last else {"launch": self.latest}
        named |= {"setup_s": setup_s} if setup_s else {}
        self.journal.append(finished_of(self.plan, rows, spent_s=spent_s, **named))
        self.since = self.clock()
        self.written(rows, kept)

"""The seam of a sweep: whoever takes its cells and gives finished rows back, in this process or on other machines.

`kaoprof.sweeping.run.Sweep` keeps the journal and asks an executor for all that is in no journal yet; nothing else of
a sweep knows where cells are worked on. So an executor never touches a file of the sweep, and may die at any moment.
"""

from collections.abc import Generator, Sequence
from typing import Protocol

import msgspec

from kaoprof.records.journal import AnyRow
from kaoprof.records.measured import Environment
from kaoprof.records.measured import Protocol as HowMeasured
from kaoprof.records.sweep import CellKey
from kaoprof.sweeping.cells import Cell


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A machine is ready, and has measured nothing yet: the sweep may still refuse to go on there.

    `device` is None, and so is the `environment`, where nothing will be measured.
    """

    device: str | None = None
    environment: Environment | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A cell is finished: its rows, whatever became of each, and where and how they were measured.

    `key` is the cell's. The environment is that of the machine which measured it; None where nothing was measured.
    Of the seconds `setup_s` passed until measuring could begin.
    """

    key: CellKey
    rows: tuple[AnyRow, ...]
    spent_s: float = 0.0
    setup_s: float = 0.0
    environment: Environment | None = None
    protocol: HowMeasured | None = None


Event = Opened | Done


class Executor(Protocol):
    """Takes cells and yields finished ones, in any order.

    The contract:

    - `check` comes first, before any journal is begun: it refuses what cannot be done at all.
    - `run` yields `Opened` for each machine before the first `Done` of a cell that was measured there, and one `Done`
      for each cell. A cell that comes twice, because it was run again when its first answer seemed lost, counts once.
      One that never comes is missing from the journal, and done by the next run of the same command.
    - Where nodes are compared, it makes of each cell one for each node on which it is not done yet.
    - The generator measures nothing between two events that its caller has not asked for yet where that would disturb
      (on one machine), and it is closed whenever the sweep ends, by whatever: then all its processes must go.
    - Errors of a cell are rows. What it raises ends the sweep: KeyboardInterrupt, and MeasurementError where nothing
      can be measured any more; what was yielded before is kept.
    - `at_once` is how many cells it works on at the same time: for the time that is left.
    - `where` says in a few words where, for whoever watches: nothing on this machine.
    """

    @property
    def where(self) -> str:
        """Where cells are worked on just now."""

    @property
    def at_once(self) -> int:
        """How many cells are worked on at the same time."""

    def check(self) -> None:
        """Refuses what cannot be done, before anything is written.

        Raises:
            MeasurementError: the device is not there.
            UsageError: it cannot do what is asked for.
        """

    def run(self, cells: Sequence[Cell]) -> Generator[Event, None, None]:
        """Works on the cells; see above.

        Raises:
            MeasurementError: nothing can be measured any more.
        """

"""The processes that share the rounds of a cell: begun together, kept from cell to cell, one at work at a time.

Where memory happens to lie makes processes differ, and a neighbour of the machine slows whatever runs at that moment.
Processes that take turns, round by round, all see the same good and bad seconds, so that they differ by memory alone.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from kaoprof.errors import MeasurementError
from kaoprof.measuring.child import Unanswered
from kaoprof.measuring.connection import START_LIMIT_S, Connection
from kaoprof.measuring.messages import Clear
from kaoprof.measuring.plan import Subject

PROCESSES = 3  # Student's t of two degrees of freedom is 4.3, of one 12.7
MORE_PROCESSES = 5  # of a long run: t is 2.8, and their mean is surer
LONG_S = 30.0  # budget from which on there are more
GLANCE_S = 2.0  # of a shorter budget: it is not worth the start of other processes
WORTH_A_LAUNCH_S = 6.0  # on a GPU, of the budget, at least: about what a launch itself takes


@dataclass
class Crew:
    """The first connection, which does all that is not a sample, and those beside it.

    What it does besides, peaks, errors in fp64, profilers, changes how its memory lies for good: calls have taken 17 %
    less there, and 7 % more. So on a CPU, where a process costs little, samples are taken by others only.
    """

    first: Connection
    others: list[Connection] = field(default_factory=list)

    @property
    def on_gpu(self) -> bool:
        """Whether processes are dear, and memory is no matter of the heap."""
        return self.first.plan.device.startswith("cuda")

    def beside(self, number: int) -> int:
        """How many processes beside the first one so many that take samples need."""
        return number if number > 1 and not self.on_gpu else number - 1

    def begin(self, number: int) -> None:
        """So many processes that take samples, ready for subjects; those that are missing get ready at the same time.

        Raises:
            MeasurementError: the first one cannot work; of the others those go on that can.
        """
        while len(self.others) < self.beside(number):
            self.others.append(self.first.beside())
        self.first.open()
        self._keep_those_that(Connection.open)
        self.first.start()
        self._keep_those_that(Connection.start)

    def _keep_those_that(self, act: Callable[[Connection], object]) -> None:
        able = []
        for connection in self.others:
            with suppress(MeasurementError):
                act(connection)
                able.append(connection)
        self.others = able

    @property
    def all(self) -> list[Connection]:
        """Every connection, the first one first."""
        return [self.first, *self.others]

    def take(self, subjects: Sequence[Subject], number: int, *, with_first: bool) -> list[Connection]:
        """So many connections at most, each of which holds these subjects, warmed up; the first one does already.

        It is among them if it has to be: `with_first`, or for want of others.
        """

        def hold(connection: Connection) -> None:
            connection.start()
            connection.take(subjects)

        if number > 1:
            self._keep_those_that(hold)
        return (self.all if with_first or self.beside(number) < number else [*self.others, self.first])[:number]

    def clear(self) -> None:
        """Nobody holds a subject any more; who died meanwhile held none."""
        for connection in self.all:
            connection.loaded.clear()
            connection.loading_s = 0.0
        for connection in self.others:
            if connection.child is not None:
                with suppress(Unanswered):
                    connection.child.ask(Clear(), timeout_s=START_LIMIT_S)

    def close(self) -> None:
        """Ends all processes."""
        for connection in self.all:
            connection.close()

    def have_room(self, subjects: Sequence[Subject], number: int, memory_fraction: float) -> bool:
        """Whether so many processes can hold the subjects while one of them runs; on a GPU each keeps what it took."""
        free_bytes = self.first.free_bytes
        if free_bytes is None:
            return True
        held = sum(subject.resident_bytes for subject in subjects)
        peak = max((subject.predicted_bytes for subject in subjects), default=0)
        holding, keeping = 1 + self.beside(number), number if self.on_gpu else 1
        return holding * held + keeping * peak <= free_bytes * memory_fraction


def processes_wanted(first: Connection, *, fewest_samples: int) -> int:
    """In how many processes the budget's rounds are worth being spent.

    On a GPU, where a launch takes much longer, in one if the budget is not that of all launches, each as long as the
    first one took, or if code would be compiled anew in each. `fewest_samples` make an interval.
    """
    plan = first.plan
    budget_s = math.inf if plan.samples else plan.budget_s
    if (plan.samples or fewest_samples) < fewest_samples or budget_s < GLANCE_S:
        return 1
    if plan.device.startswith("cuda"):
        launch_s = max(WORTH_A_LAUNCH_S, first.starting_s + first.loading_s)
        compiled = any(subject.variant == "compile" for subject in first.loaded.values())
        return PROCESSES if budget_s >= PROCESSES * launch_s and not compiled else 1
    return MORE_PROCESSES if LONG_S <= budget_s < math.inf else PROCESSES

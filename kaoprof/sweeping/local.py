"""Works on a sweep's cells on this machine: measured one at a time, counted by several processes, or on paper."""

import os
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from queue import SimpleQueue

from msgspec.structs import replace

from kaoprof.measuring.run import ProgressCallback, unheard
from kaoprof.records.sweep import ModelPlan, Plan
from kaoprof.sweeping.cells import Cell
from kaoprof.sweeping.executor import Done, Event, Executor, Opened
from kaoprof.sweeping.workplace import Workplace, checked_device, closed_rows

MOST_COUNTING = 8  # processes, each of which holds a model and torch: half a GB


def here(plan: Plan, notify: ProgressCallback, clock: Callable[[], float] = time.monotonic) -> Executor:
    """Whoever works on the plan's cells on this machine."""
    if plan.options.analytic:
        return OnPaper(plan, clock)
    if isinstance(plan, ModelPlan) and not plan.measured:
        return Counting(plan, notify, clock)
    return OneAtATime(plan, notify, clock)


class OneAtATime:
    """Measures cell after cell, counting each right before, in one measuring process: cells never overlap.

    Counting beside the measuring would disturb it, and before it would gain little: 11 ms for a row of an operator,
    against a second or more for measuring it.
    """

    at_once = 1
    where = ""

    def __init__(self, plan: Plan, notify: ProgressCallback, clock: Callable[[], float]) -> None:
        self.plan, self.notify, self.clock = plan, notify, clock

    def check(self) -> None:
        """Refuses a device that is not there, or cannot do it."""
        checked_device(self.plan)

    def run(self, cells: Sequence[Cell]) -> Generator[Event, None, None]:
        """One cell after the other, in their order."""
        with Workplace(self.plan, self.notify, self.clock) as place:
            yield place.open()
            place.foresee(cells)
            for cell in cells:
                yield place.finish(cell)


class OnPaper:
    """Closed forms: 10 µs a row, less than handing them to another process."""

    at_once = 1
    where = ""

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self.plan, self.clock = plan, clock

    def check(self) -> None:
        """There is nothing that could not be done."""

    def run(self, cells: Sequence[Cell]) -> Generator[Event, None, None]:
        """One cell after the other, in their order."""
        yield Opened()
        for cell in cells:
            started = self.clock()
            yield Done(key=cell.key, rows=closed_rows(cell, self.plan), spent_s=self.clock() - started)


def without_timing(done: Done) -> Done:
    """The cell without what only matters to who measures time."""
    environment = done.environment
    return replace(done, protocol=None, environment=replace(environment, load_before=None) if environment else None)


class Counting:
    """Counts models in several processes at once, as nothing is timed; they are finished in any order."""

    where = ""

    def __init__(self, plan: Plan, notify: ProgressCallback, clock: Callable[[], float]) -> None:
        self.plan, self.notify, self.clock = plan, notify, clock

    @property
    def at_once(self) -> int:
        """As many as there are cores, up to a limit."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, min(cores, MOST_COUNTING, len(self.plan)))

    def check(self) -> None:
        """Refuses a device that is not there, or cannot do it."""
        checked_device(self.plan)

    def run(self, cells: Sequence[Cell]) -> Generator[Event, None, None]:
        """As they are finished; a thread waits for each process, and nobody is told of steps that overlap."""
        with ExitStack() as stack:
            places = [Workplace(self.plan, unheard, self.clock) for _ in range(min(self.at_once, len(cells)))]
            free: SimpleQueue[Workplace] = SimpleQueue()
            threads = ThreadPoolExecutor(len(places))
            stack.callback(threads.shutdown, cancel_futures=True)
            for place in places:  # their ends come first: a thread whose process is gone waits no longer
                stack.enter_context(place)
                free.put(place)
            yield places[0].open()

            def finish(cell: Cell) -> Done:
                place = free.get()
                try:
                    return without_timing(place.finish(cell))
                finally:
                    free.put(place)

            futures = [threads.submit(finish, cell) for cell in cells]
            stack.callback(lambda: [future.cancel() for future in futures])
            for future in as_completed(futures):
                yield future.result()

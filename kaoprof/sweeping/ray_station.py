"""The far end of a sweep through Ray: a workplace on one node, which is opened and given cells from afar.

Whatever goes wrong there comes back as data: an error of kaoprof does not survive being sent, nor does it have to.
"""

import importlib.metadata
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil
from msgspec.structs import replace

from kaoprof.errors import KaoprofError, MeasurementError
from kaoprof.measuring.run import unheard
from kaoprof.records.sweep import ModelPlan, Plan
from kaoprof.sweeping.cells import Cell
from kaoprof.sweeping.executor import Done, Opened
from kaoprof.sweeping.local import OnPaper, without_timing
from kaoprof.sweeping.workplace import Workplace
from kaoprof.version import __version__

GIVEN = "CUDA_VISIBLE_DEVICES="  # which GPU of a node Ray gave away: to it they are all the same
THREADS = "OMP_NUM_THREADS"  # Ray sets it in its workers: measured would be Ray's choice of threads, not torch's
AnyEvent = TypeVar("AnyEvent", Opened, Done)


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """What must be the same on all nodes, as figures of different versions are not compared."""

    kaoprof: str
    torch: str

    def __str__(self) -> str:
        return f"kaoprof {self.kaoprof} and torch {self.torch}"


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A node that cannot work on the cells, or no longer, and why."""

    reason: str


def versions_here() -> Versions:
    """Those of this process, without importing torch."""
    return Versions(kaoprof=__version__, torch=importlib.metadata.version("torch"))


class Station:
    """An actor: works on cells of a plan on its node, in a measuring process of its own, one batch after the other."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.place: Workplace | None = None
        _leave_environment_alone()

    def open(self, wanted: Versions) -> Opened | Refused:
        """Gets ready, if versions are those that are wanted and the device can do what the plan asks for."""
        here = versions_here()
        if here != wanted:
            return Refused(reason=f"has {here}, the driver {wanted}")
        if self.plan.options.analytic:
            return Opened()
        try:
            self.place = Workplace(self.plan, unheard)
            return on_any_gpu(self.place.open())
        except KaoprofError as error:
            return Refused(reason=str(error))

    def finish(self, cells: Sequence[Cell]) -> list[Done] | Refused:
        """Works on a batch; Refused where nothing can be measured any more."""
        if self.place is None:
            on_paper = OnPaper(self.plan, time.monotonic).run(cells)
            return [event for event in on_paper if isinstance(event, Done)]
        try:
            finished = [on_any_gpu(self.place.finish(cell)) for cell in cells]
        except MeasurementError as error:
            return Refused(reason=str(error))
        timed = not isinstance(self.plan, ModelPlan) or self.plan.measured
        return finished if timed else [without_timing(done) for done in finished]

    def close(self) -> None:
        """Ends the measuring process."""
        if self.place is not None:
            self.place.close()


def on_any_gpu(event: AnyEvent) -> AnyEvent:
    """The event without which GPU of its node that was: cells of all of them stand in one environment."""
    environment = event.environment
    if environment is None:
        return event
    settings = tuple(setting for setting in environment.settings if not setting.startswith(GIVEN))
    return replace(event, environment=replace(environment, settings=settings))


def _leave_environment_alone() -> None:
    """Measuring processes get the node's own number of threads; code that travelled shadows no library."""
    parent = psutil.Process().parent()
    before = parent.environ().get(THREADS) if parent else None
    os.environ.pop(THREADS, None)
    if before is not None:
        os.environ[THREADS] = before
    folder = str(Path.cwd())
    if folder in sys.path:
        sys.path[:] = [*(place for place in sys.path if place != folder), folder]

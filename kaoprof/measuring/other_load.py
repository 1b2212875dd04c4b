"""How many cores other programs keep busy while we measure: what our cores worked in all, less what we worked."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import psutil
from msgspec.structs import replace

from kaoprof.records.measured import Conditions

WORKING = ("user", "nice", "system", "irq", "softirq", "steal")  # not: idle, or waiting for a disk
TOO_SHORT_S = 1.0  # the system counts processor time in hundredths of a second


class Reading(msgspec.Struct, frozen=True):
    """Seconds, of which only differences mean anything: of the clock, worked by the cores in all, and worked by us.

    `stolen` is the part of what was worked that a virtual machine's host gave to others.
    """

    clock: float
    worked: float
    ours: float
    stolen: float = 0.0


class Neighbours:
    """Watches `cores`, or all that this process may use, from the moment it is made."""

    def __init__(self, cores: Sequence[int] = ()) -> None:
        self.cores = tuple(cores)
        self.begin = read(self.cores)

    def beside(self, conditions: Conditions) -> Conditions:
        """The device's conditions with how many cores' time went to others since then, on the mean, as far as told."""
        end = read(self.cores)
        if self.begin is None or end is None or end.clock - self.begin.clock < TOO_SHORT_S:
            return conditions
        passed_s = end.clock - self.begin.clock
        others = (end.worked - self.begin.worked) - (end.ours - self.begin.ours)
        stolen = end.stolen - self.begin.stolen
        return replace(conditions, cores_taken=max(0.0, others / passed_s), stolen=max(0.0, stolen / passed_s))


def read(cores: Sequence[int]) -> Reading | None:
    """The counters as they stand; None where the system keeps them to itself, or forgets what ended processes took."""
    if sys.platform != "linux":
        return None
    try:
        every = psutil.cpu_times(percpu=True)
        wanted = cores or psutil.Process().cpu_affinity() or ()
        watched = [every[core] for core in wanted] if max(wanted, default=0) < len(every) else every
        stolen = float(sum(getattr(core, "steal", 0.0) for core in watched))
        return Reading(clock=time.monotonic(), worked=_worked(watched), ours=_ours(), stolen=stolen)
    except (psutil.Error, OSError):
        return None


def _worked(cores: Iterable[Any]) -> float:
    """Time in which a virtual machine's core is given to another machine counts too: it is gone as well."""
    return float(sum(getattr(core, field, 0.0) for core in cores for field in WORKING))


def _ours() -> float:
    """Of this process and of all that it started, ended or not."""
    here = psutil.Process()
    own = here.cpu_times()
    ended = own.children_user + own.children_system
    return float(own.user + own.system + ended) + sum(_spent(child) for child in here.children(recursive=True))


def _spent(process: psutil.Process) -> float:
    try:
        spent = process.cpu_times()
    except psutil.Error:  # it has ended meanwhile
        return 0.0
    return float(spent.user + spent.system + spent.children_user + spent.children_system)

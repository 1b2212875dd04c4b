"""The session's line to its measuring process: it starts one when there is none, and asks; a death becomes a row."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from kaoprof.errors import MeasurementError
from kaoprof.measuring.child import ChildLost, SubjectFailed
from kaoprof.measuring.messages import AnyRequest, Load, Loaded, ReadConditions, Time, preparation
from kaoprof.measuring.plan import Measurement, Subject
from kaoprof.records.measured import Conditions, Environment
from kaoprof.records.options import Options

START_LIMIT_S = 120.0  # importing torch, building modules, the profiler's first use: never the subject's fault
COMPILE_LIMIT_S = 600.0  # beside the start's: torch.compile takes minutes for a large model


class Asked(Protocol):
    """Who answers requests: a process of its own, or somebody in this one."""

    def ask(self, request: AnyRequest, *, timeout_s: float) -> Any:
        """The answer to a request; see `Child.ask`."""

    def kill(self) -> None:
        """No more is asked."""


@dataclass
class Connection:
    """One child at a time, and which subjects it holds.

    `measurements` holds what became of every subject: one that fails or dies with its child says so there. Connections
    beside each other share them, and `numbers`, by which children are told apart.
    """

    plan: Options
    open_child: Callable[[], Asked]
    clock: Callable[[], float] = time.monotonic
    measurements: dict[int, Measurement] = field(default_factory=dict)
    loaded: dict[int, Subject] = field(default_factory=dict)
    environment: Environment | None = None
    before: Conditions | None = None
    free_bytes: int | None = None
    child: Asked | None = None
    opened: Asked | None = None  # a child that has begun, and was asked for nothing yet
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    born: int = 0
    awake: int = 0  # the number of the child, counted from 1, in which a GPU's clock has risen
    starting_s: float = 0.0  # what the last child took to be prepared
    loading_s: float = 0.0  # and to load the subjects of this cell

    def close(self) -> None:
        """Ends the child."""
        for child in {id(child): child for child in (self.child, self.opened) if child is not None}.values():
            child.kill()
        self.child = self.opened = None

    def beside(self) -> "Connection":
        """Another one with a child of its own, for the same subjects."""
        return Connection(
            self.plan, self.open_child, self.clock, measurements=self.measurements, numbers=self.numbers
        )  # fmt: skip

    def open(self) -> Asked:
        """A child that has at least begun: while it gets ready, others may begin.

        Raises:
            MeasurementError: the system starts no process.
        """
        if self.child is not None:
            return self.child
        if self.opened is None:
            self.opened = self.open_child()
        return self.opened

    def start(self) -> Asked:
        """A child that is prepared and holds every surviving subject of the current cell, warmed up.

        Raises:
            MeasurementError: it died before it was prepared, and so did another.
        """
        if self.child is None:
            child = self._prepared()
            self.take(self.loaded.values())
            return self.child or child
        return self.child

    def take(self, subjects: Iterable[Subject]) -> None:
        """Loads these subjects, and lets each run once, so that it is warm."""
        for subject in list(subjects):
            if self.measurements[subject.key].status != "ok":
                continue  # it failed meanwhile, in whichever process
            self.loaded[subject.key] = subject
            self.load(subject)
            if subject.key in self.loaded:
                self.ask(subject, Time(subject=subject.key), timeout_s=self.plan.timeout_s)

    def _prepared(self) -> Asked:
        """A new child that knows the plan; if it dies at once, which may be no fault of it, another one."""
        try:
            return self._prepare()
        except (ChildLost, SubjectFailed):
            self.close()
        try:
            return self._prepare()
        except (ChildLost, SubjectFailed) as failure:
            self.close()
            raise MeasurementError(f"the measuring process cannot work: {failure}") from failure

    def _prepare(self) -> Asked:
        begun = self.clock()
        child = self.open()
        self.child, self.opened = child, None
        self.born = next(self.numbers)
        plan = self.plan
        first = preparation(
            plan.device, threads=plan.threads, affinity=plan.affinity, cache=plan.cache, sdpa=plan.sdpa
        )  # fmt: skip
        self.environment = child.ask(first, timeout_s=START_LIMIT_S).environment
        self.starting_s = self.clock() - begun
        if self.before is None:
            self.before = child.ask(ReadConditions(), timeout_s=START_LIMIT_S).conditions
        return child

    def ask_device(self, request: AnyRequest) -> Any:
        """Asks about the device, in a new child if the last one died meanwhile.

        Raises:
            MeasurementError: the new one died too.
        """
        try:
            return self.start().ask(request, timeout_s=START_LIMIT_S)
        except ChildLost:
            self.close()
        try:
            return self.start().ask(request, timeout_s=START_LIMIT_S)
        except (ChildLost, SubjectFailed) as failure:
            raise MeasurementError(f"the measuring process cannot work: {failure}") from failure

    def ask_about_code(self, request: AnyRequest, *, timeout_s: float) -> Any:
        """Asks about somebody's code, which may do anything to the child; the next one who asks gets one that works.

        Raises:
            SubjectFailed: the child says that it cannot; it lives on.
            ChildLost: the code took it down, or took too long.
            MeasurementError: no child can be started.
        """
        try:
            return self.start().ask(request, timeout_s=timeout_s)
        except ChildLost:
            self.close()
            raise

    def ask(self, subject: Subject, request: AnyRequest, *, timeout_s: float) -> Any:
        """Asks about a subject; None if that failed, which its measurement then says."""
        measurement = self.measurements[subject.key]
        try:
            return self.start().ask(request, timeout_s=timeout_s)
        except SubjectFailed as failure:
            measurement.note(status=failure.status, detail=failure.message)
        except ChildLost as loss:
            measurement.note(status=loss.status, detail=f"{loss.message} during {request.what!r}")
            self.close()
        self.loaded.pop(subject.key, None)
        return None

    def load(self, subject: Subject) -> None:
        """Builds a subject in the child; what compiling it took is noted the first time."""
        limit_s = START_LIMIT_S + (COMPILE_LIMIT_S if subject.variant == "compile" else 0.0)
        request = Load(subject=subject.key, workload=subject.workload, variant=subject.variant)
        begun = self.clock()
        answer: Loaded | None = self.ask(subject, request, timeout_s=limit_s)
        self.loading_s += self.clock() - begun
        measurement = self.measurements[subject.key]
        if answer is not None and measurement.observed.compile_s is None:
            measurement.note(compile_s=answer.compile_s, graph_breaks=answer.graph_breaks)

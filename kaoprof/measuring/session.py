"""Runs a measuring session: who is measured when, within which budget, and what happens when a child dies.

Each grid cell is measured by itself: every subject's peak memory first, which also warms it up; then rounds. In a round
every subject takes one sample, in random order, so that the machine's drift hits all alike and ratios can be paired.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kaoprof.errors import MeasurementError
from kaoprof.measuring.calibration import calibrate, settle
from kaoprof.measuring.child import ChildLost, SubjectFailed
from kaoprof.measuring.device_ceilings import Store, learn_ceilings
from kaoprof.measuring.messages import Asks, Request, preparation
from kaoprof.measuring.observations import examine
from kaoprof.measuring.other_load import Neighbours
from kaoprof.measuring.plan import Measurement, Plan, Progress, Subject, refusal_of
from kaoprof.records.measured import Ceilings

WARM_CALL_LIMIT_S = 0.02  # a faster call is repeated once, untimed, before its block: the others emptied its caches
MIN_ROUNDS = 10  # enough for a 95 % interval that leaves the extremes out
MAX_ROUNDS = 200
SLOW_ROUNDS = 3  # at most, for a subject whose single call exceeds its share of the budget
START_LIMIT_S = 120.0  # importing torch, building modules, the profiler's first use: never the subject's fault
LAUNCHES = 3  # processes that share the rounds of a cell, where there is time for them
WORTH_A_LAUNCH_S = 3.0  # of a cell's budget; a launch itself takes about as long
SLOW_CALL_S = 1.0  # from here on what a first call sets up no longer shows, so it serves as the estimate
FIRST_CALL_GRACE_S = 15.0  # for what a library sets up in its first call, and for the profiler's own start
COMPILE_LIMIT_S = 600.0  # beside the start's: torch.compile takes minutes for a large model


@dataclass
class Session:
    """One session with one child at a time. `measurements` is complete at any moment: what is not measured says so."""

    plan: Plan
    open_child: Callable[[], Asks]
    notify: Callable[[Progress], None]
    clock: Callable[[], float] = time.monotonic
    measurements: dict[int, Measurement] = field(default_factory=dict)
    environment: dict[str, Any] | None = None
    free_bytes: int | None = None
    throughput_flops: float | None = None
    store: Store | None = None
    ceilings: Ceilings | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    child: Asks | None = None
    loaded: dict[int, Subject] = field(default_factory=dict)
    born: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.plan.seed)  # noqa: S311 - an order of measuring, not a secret
        self.neighbours = Neighbours(self.plan.affinity or ())

    def close(self) -> None:
        """Ends the child."""
        if self.child is not None:
            self.child.kill()
            self.child = None

    def start(self) -> Asks:
        """A child that is prepared and holds every surviving subject of the current cell, warmed up.

        Raises:
            MeasurementError: it died before it was prepared, and so did another.
        """
        if self.child is None:
            child = self._prepared()
            for subject in list(self.loaded.values()):
                self.load(subject)
                if subject.key in self.loaded:
                    self.ask(subject, "time", timeout_s=self.plan.timeout_s)
            return self.child or child
        return self.child

    def _prepared(self) -> Asks:
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

    def _prepare(self) -> Asks:
        self.child = child = self.open_child()
        self.born += 1
        plan = self.plan
        first = preparation(
            plan.device, threads=plan.threads, affinity=plan.affinity, cache=plan.cache, sdpa=plan.sdpa
        )  # fmt: skip
        self.environment = child.ask(first, timeout_s=START_LIMIT_S)
        if self.before is None:
            self.before = child.ask(Request(do="conditions"), timeout_s=START_LIMIT_S)
        return child

    def ask_device(self, do: str, *, dtype: str | None = None, cache: str = "warm") -> Any:
        """Asks about the device, in a new child if the last one died meanwhile.

        Raises:
            MeasurementError: the new one died too.
        """
        request = Request(do=do, dtype=dtype, cache=cache)
        try:
            return self.start().ask(request, timeout_s=START_LIMIT_S)
        except ChildLost:
            self.close()
        try:
            return self.start().ask(request, timeout_s=START_LIMIT_S)
        except (ChildLost, SubjectFailed) as failure:
            raise MeasurementError(f"the measuring process cannot work: {failure}") from failure

    def ask(
        self, subject: Subject, do: str, *, timeout_s: float, calls: int = 1, warm_calls: int = 0, alone: bool = False
    ) -> Any:
        """Asks about a subject; None if that failed, which its measurement then says."""
        measurement = self.measurements[subject.key]
        request = Request(
            do=do,
            subject=subject.key,
            workload=subject.workload if do == "load" else None,
            layers=subject.layers if do == "layers" else (),
            variant=subject.variant,
            alone=alone,
            calls=calls,
            warm_calls=warm_calls,
        )
        try:
            return self.start().ask(request, timeout_s=timeout_s)
        except SubjectFailed as failure:
            measurement.status, measurement.detail = failure.status, failure.message
        except ChildLost as loss:
            measurement.status, measurement.detail = loss.status, f"{loss.message} during {do!r}"
            self.close()
        self.loaded.pop(subject.key, None)
        return None

    def measure_cell(self, subjects: Sequence[Subject], budget_s: float) -> None:
        """Measures subjects that may be compared with each other."""
        for subject in subjects:
            self.measurements[subject.key] = Measurement(status="skipped", detail="not reached before the run ended")
        if subjects and self.throughput_flops is None:
            self.throughput_flops = self.learn_throughput(subjects[0].workload.dtype)
        deadline = self.clock() + budget_s
        fitting = [subject for subject in subjects if not self.refuse(subject)]
        share_s = budget_s / max(len(fitting), 1)
        for done, subject in enumerate(fitting):
            self.notify(Progress(label=subject.label, step="memory", done=done, total=len(fitting)))
            self.warm_up(subject, share_s)
        self.run_rounds(share_s, deadline, self.launches(budget_s))
        self.loaded.clear()
        self.after = self.ask_device("conditions") | {"cores_taken": self.neighbours.busy_cores()}
        self.ask_device("clear")

    def refuse(self, subject: Subject) -> bool:
        """Whether the subject is predicted not to fit, in memory or in time; its measurement then says why."""
        if self.plan.force_run or self.throughput_flops is None:
            return False
        self.free_bytes = int(self.ask_device("free"))
        why = refusal_of(subject, self.plan, free_bytes=self.free_bytes, throughput_flops=self.throughput_flops)
        if why:
            self.measurements[subject.key] = Measurement(status="skipped", detail=why)
        return bool(why)

    def learn_throughput(self, dtype: str) -> float:
        """FLOP/s of a large product in `dtype`; where there is a store, with all the other ceilings."""
        if self.store is None:
            return float(self.ask_device("throughput", dtype=dtype))
        self.start()
        environment = self.environment or {}
        known = self.ceilings or self.store.known(environment)
        self.ceilings = learn_ceilings(self.ask_device, known, dtype, cold=self.plan.cache == "cold")
        if self.ceilings != known:
            self.store.keep(environment, self.ceilings)
        return self.ceilings.products[dtype]

    def load(self, subject: Subject) -> None:
        """Builds a subject in the child; what compiling it took is noted the first time."""
        limit_s = START_LIMIT_S + (COMPILE_LIMIT_S if subject.variant == "compile" else 0.0)
        compilation = self.ask(subject, "load", timeout_s=limit_s)
        measurement = self.measurements[subject.key]
        if measurement.compile_s is None and compilation is not None:
            measurement.compile_s, measurement.graph_breaks = compilation["seconds"], compilation["graph_breaks"]

    def warm_up(self, subject: Subject, share_s: float) -> None:
        """Loads a subject, reads its peak memory, and learns how long a call takes."""
        measurement = self.measurements[subject.key] = Measurement()
        self.start()
        self.loaded[subject.key] = subject
        self.load(subject)
        if subject.key not in self.loaded:
            return
        first = self.ask(subject, "time", timeout_s=self.plan.timeout_s + FIRST_CALL_GRACE_S)
        if first is None:
            return
        measurement.call_s = first["seconds"]
        peak = self.ask(subject, "peak", timeout_s=self.plan.timeout_s + FIRST_CALL_GRACE_S)
        if peak is None:
            return
        measurement.peak_bytes, measurement.reserved_bytes = peak["allocated"], peak["reserved"]
        if first["seconds"] < SLOW_CALL_S:
            settle(self, subject)
            calibrate(self, subject)
        if subject.key not in self.loaded:
            return  # it was too slow, or died; a new child would not know it
        if self.plan.budget_s < measurement.call_s < math.inf and self.plan.samples is None:
            measurement.rounds, measurement.samples_s = [0], [measurement.call_s]  # there is no time for another
            measurement.launches = [self.born]
        examine(self, subject, share_s)

    def run_rounds(self, share_s: float, deadline: float, launches: int) -> None:
        """Interleaved rounds, at least `MIN_ROUNDS`, then as many as the budget allows, spread over the launches."""
        wanted = self.plan.samples
        started, number = self.clock(), 0
        for launch in range(1, launches + 1):
            fewest = math.ceil((wanted or MIN_ROUNDS) * launch / launches)
            until = started + (deadline - started) * launch / launches
            while number < (wanted or MAX_ROUNDS) and (number < fewest or (wanted is None and self.clock() < until)):
                if not self.run_round(number, share_s, deadline):
                    return
                number += 1
            if launch < launches:
                self.relaunch(number, share_s)

    def launches(self, budget_s: float) -> int:
        """In how many processes the rounds are spent: where memory happens to lie makes runs differ."""
        enough = (self.plan.samples or MIN_ROUNDS) >= MIN_ROUNDS and budget_s >= LAUNCHES * WORTH_A_LAUNCH_S
        return LAUNCHES if enough else 1

    def relaunch(self, number: int, share_s: float) -> None:
        """Goes on in a new process, with those subjects that still take part."""
        staying = self.loaded.items() if self.plan.samples else (
            (key, one) for key, one in self.loaded.items() if self.takes_part(one, number, share_s)
        )  # fmt: skip
        self.loaded = dict(staying)
        self.close()
        if self.loaded:
            self.start()

    def run_round(self, number: int, share_s: float, deadline: float) -> bool:
        """One sample of everybody who takes part, in random order; False if nobody does."""
        wanted = self.plan.samples
        order = [subject for subject in self.loaded.values() if wanted or self.takes_part(subject, number, share_s)]
        self.random.shuffle(order)
        for subject in order:
            self.sample(subject, number, total=wanted or self.expected_rounds(deadline, number))
        return bool(order)

    def takes_part(self, subject: Subject, number: int, share_s: float) -> bool:
        """A subject whose single call exceeds its share leaves after a few rounds; the others go on."""
        call_s = self.measurements[subject.key].call_s
        return call_s <= share_s or number < min(SLOW_ROUNDS, self.plan.budget_s // call_s)

    def expected_rounds(self, deadline: float, number: int) -> int:
        """How many rounds there will be, at the present pace."""
        round_s = sum(self.measurements[subject.key].call_s * self.measurements[subject.key].calls
                      for subject in self.loaded.values())  # fmt: skip
        more = (deadline - self.clock()) / max(round_s, 1e-9)
        return min(MAX_ROUNDS, max(MIN_ROUNDS, number + math.ceil(max(more, 0))))

    def sample(self, subject: Subject, number: int, total: int) -> None:
        """One sample of one subject."""
        measurement = self.measurements[subject.key]
        median = sorted(measurement.samples_s)[len(measurement.samples_s) // 2] if measurement.samples_s else None
        self.notify(
            Progress(label=subject.label, step="latency", done=number, total=total,
                     estimate_s=median or measurement.call_s)
        )  # fmt: skip
        told = self.ask(
            subject, "time", calls=measurement.calls, warm_calls=int(measurement.call_s < WARM_CALL_LIMIT_S),
            timeout_s=self.plan.timeout_s * max(1, measurement.calls),
        )  # fmt: skip
        if told is not None:
            measurement.keep(told, number, launch=self.born)


def measure(session: Session, cells: Sequence[Sequence[Subject]]) -> None:
    """Measures cell after cell, each with an equal part of the budget. Whatever happens, the child is gone afterwards.

    Raises:
        KeyboardInterrupt: passed on; `session.measurements` holds what was measured until then.
    """
    try:
        for cell in cells:
            session.measure_cell(cell, session.plan.budget_s / len(cells))
    finally:
        session.close()

"""Runs a measuring session: who is measured when, within which budget, and what happens when a child dies.

Each grid cell is measured by itself: every subject's peak memory first, which also warms it up; then rounds. In a round
every subject takes one sample, in random order, so that the machine's drift hits all alike and ratios can be paired.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from kaoprof.measuring.calibration import calibrate, settle, wake
from kaoprof.measuring.ceiling_store import CeilingStore
from kaoprof.measuring.connection import Asked, Connection
from kaoprof.measuring.device_ceilings import learn_ceilings
from kaoprof.measuring.messages import Clear, Peak, ReadConditions, ReadFree, Time, TimeProduct, Took, Weigh
from kaoprof.measuring.observations import observe
from kaoprof.measuring.other_load import Neighbours
from kaoprof.measuring.plan import Measurement, Progress, Subject, refusal_of, unreached
from kaoprof.records.measured import Ceilings, Conditions, Observed
from kaoprof.records.options import Options

WARM_CALL_LIMIT_S = 0.02  # a faster call is repeated once, untimed, before its block: the others emptied its caches
MIN_ROUNDS = 10  # enough for a 95 % interval that leaves the extremes out
MAX_ROUNDS = 200
SLOW_ROUNDS = 3  # at most, for a subject whose single call exceeds its share of the budget
LAUNCHES = 3  # processes that share the rounds of a cell, where there is time for them
WORTH_A_LAUNCH_S = {"cpu": 3.0, "cuda": 6.0}  # of a cell's budget, at least: about what a launch itself takes
SLOW_CALL_S = 1.0  # from here on what a first call sets up no longer shows, so it serves as the estimate
FIRST_CALL_GRACE_S = 15.0  # for what a library sets up in its first call, and for the profiler's own start


@dataclass
class Session:
    """Measures cells over one connection. Its measurements are complete at any moment: what is not measured says so.

    `plan` are the options of the run, with its device, threads and caches resolved. If all is measured `in_process`,
    there is no other process to spread the rounds over.
    """

    plan: Options
    open_child: Callable[[], Asked]
    notify: Callable[[Progress], None]
    clock: Callable[[], float] = time.monotonic
    throughput_flops: float | None = None
    store: CeilingStore | None = None
    ceilings: Ceilings | None = None
    after: Conditions | None = None
    in_process: bool = False
    connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = Connection(self.plan, self.open_child, self.clock)
        self.random = random.Random(self.plan.seed)  # noqa: S311 - an order of measuring, not a secret
        self.neighbours = Neighbours(self.plan.affinity or ())

    @property
    def measurements(self) -> dict[int, Measurement]:
        """What is known of every subject, by its key."""
        return self.connection.measurements

    def close(self) -> None:
        """Ends the measuring process."""
        self.connection.close()

    def measure_cell(self, subjects: Sequence[Subject], budget_s: float) -> None:
        """Measures subjects that may be compared with each other."""
        for subject in subjects:
            self.measurements[subject.key] = unreached()
        if subjects and self.throughput_flops is None:
            self.throughput_flops = self.learn_throughput(subjects[0].workload.dtype)
        deadline = self.clock() + budget_s
        fitting = [subject for subject in subjects if not self.refuse(subject)]
        share_s = budget_s / max(len(fitting), 1)
        for done, subject in enumerate(fitting):
            self.notify(Progress(label=subject.label, step="memory", done=done, total=len(fitting)))
            self.warm_up(subject, share_s)
        self.run_rounds(share_s, deadline, self.launches(budget_s))
        self.connection.loaded.clear()
        looked = self.connection.ask_device(ReadConditions()).conditions
        self.after = replace(looked, cores_taken=self.neighbours.busy_cores())
        self.connection.ask_device(Clear())

    def refuse(self, subject: Subject) -> bool:
        """Whether the subject is predicted not to fit, in memory or in time; its measurement then says why."""
        if self.plan.force_run or self.throughput_flops is None:
            return False
        free_bytes = self.connection.free_bytes = int(self.connection.ask_device(ReadFree()).value)
        why = refusal_of(subject, self.plan, free_bytes=free_bytes, throughput_flops=self.throughput_flops)
        if why:
            self.measurements[subject.key] = Measurement(observed=Observed(status="skipped", detail=why))
        return bool(why)

    def learn_throughput(self, dtype: str) -> float:
        """FLOP/s of a large product in `dtype`; where there is a store, with all the other ceilings."""
        connection = self.connection
        if self.store is None:
            return float(connection.ask_device(TimeProduct(dtype=dtype)).value)
        connection.start()
        environment = connection.environment
        known = self.ceilings or (self.store.known(environment) if environment else None)
        self.ceilings = learn_ceilings(connection.ask_device, known, dtype, cold=self.plan.cache == "cold")
        if environment and self.ceilings != known:
            self.store.keep(environment, self.ceilings)
        return self.ceilings.products[dtype]

    def warm_up(self, subject: Subject, share_s: float) -> None:
        """Loads a subject, reads its peak memory, and learns how long a call takes."""
        measurement = self.measurements[subject.key] = Measurement()
        connection, limit_s = self.connection, self.plan.timeout_s + FIRST_CALL_GRACE_S
        connection.start()
        connection.loaded[subject.key] = subject
        connection.load(subject)
        if subject.key not in connection.loaded:
            return
        first: Took | None = connection.ask(subject, Time(subject=subject.key), timeout_s=limit_s)
        if first is None:
            return
        measurement.call_s = first.seconds
        peak: Peak | None = connection.ask(subject, Weigh(subject=subject.key), timeout_s=limit_s)
        if peak is None:
            return
        measurement.note(peak_bytes_measured=peak.allocated, peak_bytes_reserved=peak.reserved)
        if first.seconds < SLOW_CALL_S:
            settle(connection, subject)
            calibrate(connection, subject)
        if subject.key not in connection.loaded:
            return  # it was too slow, or died; a new child would not know it
        if self.plan.budget_s < measurement.call_s < math.inf and self.plan.samples is None:
            measurement.rounds, measurement.samples_s = [0], [measurement.call_s]  # there is no time for another
            measurement.launches = [connection.born]
        observe(connection, subject, share_s)

    def run_rounds(self, share_s: float, deadline: float, launches: int) -> None:
        """Interleaved rounds, at least `MIN_ROUNDS`, then as many as the budget allows, spread over the launches.

        Each launch has its share of them, also where the one before has used up the time: it was paid for.
        """
        wanted = self.plan.samples
        started, number = self.clock(), 0
        for launch in range(1, launches + 1):
            share = math.ceil(MIN_ROUNDS / launches)
            fewest = max(math.ceil((wanted or MIN_ROUNDS) * launch / launches), 0 if wanted else number + share)
            most = math.ceil((wanted or MAX_ROUNDS) * launch / launches)
            until = started + (deadline - started) * launch / launches
            while number < most and (number < fewest or (wanted is None and self.clock() < until)):
                if not self.run_round(number, share_s, deadline):
                    return
                number += 1
            if launch < launches:
                self.relaunch(number, share_s)

    def launches(self, budget_s: float) -> int:
        """In how many processes the rounds are spent: where memory happens to lie makes runs differ.

        On a GPU, where a launch takes much longer, in one if the budget is not that of all launches, each as long as
        this one took, or if code would be compiled anew.
        """
        connection, kind = self.connection, self.plan.device.partition(":")[0]
        launch_s = WORTH_A_LAUNCH_S[kind]
        if kind == "cuda":
            if any(subject.variant == "compile" for subject in connection.loaded.values()):
                return 1
            launch_s = max(launch_s, connection.launch_s)
        enough = (self.plan.samples or MIN_ROUNDS) >= MIN_ROUNDS and budget_s >= LAUNCHES * launch_s
        return LAUNCHES if enough and not self.in_process else 1

    def relaunch(self, number: int, share_s: float) -> None:
        """Goes on in a new process, with those subjects that still take part."""
        staying = [subject for subject in self.connection.loaded.values() if self.takes_part(subject, number, share_s)]
        self.connection.loaded = {subject.key: subject for subject in staying}
        self.close()
        if self.connection.loaded:
            self.connection.start()

    def run_round(self, number: int, share_s: float, deadline: float) -> bool:
        """One sample of everybody who takes part, in random order; False if nobody does."""
        order = [subject for subject in self.connection.loaded.values() if self.takes_part(subject, number, share_s)]
        self.random.shuffle(order)
        for subject in order:
            self.sample(subject, number, total=self.plan.samples or self.expected_rounds(deadline, number))
        return bool(order)

    def takes_part(self, subject: Subject, number: int, share_s: float) -> bool:
        """Without a number of samples, a subject whose single call exceeds its share leaves after a few rounds."""
        if self.plan.samples:
            return True
        call_s = self.measurements[subject.key].call_s
        return call_s <= share_s or number < min(SLOW_ROUNDS, self.plan.budget_s // call_s)

    def expected_rounds(self, deadline: float, number: int) -> int:
        """How many rounds there will be, at the present pace."""
        round_s = sum(self.measurements[subject.key].call_s * self.measurements[subject.key].calls
                      for subject in self.connection.loaded.values())  # fmt: skip
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
        self.connection.start()
        wake(self.connection)
        if subject.key not in self.connection.loaded:
            return
        warm_calls = int(measurement.call_s < WARM_CALL_LIMIT_S)
        request = Time(subject=subject.key, calls=measurement.calls, warm_calls=warm_calls)
        limit_s = self.plan.timeout_s * max(1, measurement.calls)
        took: Took | None = self.connection.ask(subject, request, timeout_s=limit_s)
        if took is not None:
            measurement.keep(took, number, launch=self.connection.born)


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

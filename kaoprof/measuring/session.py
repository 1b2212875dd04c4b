"""Runs a measuring session: who is measured when, within which budget, and what happens when a child dies.

Each grid cell is measured by itself: every subject's peak memory first, which also warms it up; then rounds. In a round
every subject takes one sample, in random order, so that the machine's drift hits all alike and ratios can be paired;
and the processes take turns from round to round.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from kaoprof.measuring.calibration import calibrate, settle, wake
from kaoprof.measuring.ceiling_store import CeilingStore
from kaoprof.measuring.competition import are_ours_taken, busy, noise
from kaoprof.measuring.connection import Asked, Connection
from kaoprof.measuring.crew import Crew, processes_wanted
from kaoprof.measuring.device_ceilings import learn_ceilings
from kaoprof.measuring.messages import Clear, Peak, ReadConditions, ReadFree, Time, TimeProduct, Took, Weigh
from kaoprof.measuring.observations import observe
from kaoprof.measuring.other_load import Neighbours
from kaoprof.measuring.outlook import Outlook, longer_than_asked, outlook_of
from kaoprof.measuring.plan import MIN_ROUNDS, SLOW_ROUNDS, Measurement, Progress, Subject, refusal_of, unreached
from kaoprof.records.measured import Ceilings, Conditions, Observed
from kaoprof.records.options import Options
from kaoprof.stats.timings import quiet_time, undisturbed

WARM_CALL_LIMIT_S = 0.02  # a faster call is repeated once, untimed, before its block: the others emptied its caches
MAX_ROUNDS = 1000
LOOKS = 8  # at how precise it is, while the number of rounds doubles
PACES = 100  # of so many looks at the pace the fastest counts as the best
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
    setup_s: float = 0.0
    ended_by: str | None = None
    warned: bool = False
    outlook: Outlook | None = None
    paces: list[float] = field(default_factory=list)
    connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = Connection(self.plan, self.open_child, self.clock)
        self.crew = Crew(self.connection)
        self.random = random.Random(self.plan.seed)  # noqa: S311 - an order of measuring, not a secret
        self.neighbours = Neighbours(self.plan.affinity or ())

    @property
    def measurements(self) -> dict[int, Measurement]:
        """What is known of every subject, by its key."""
        return self.connection.measurements

    def close(self) -> None:
        """Ends the measuring processes."""
        self.crew.close()

    def measure_cell(self, subjects: Sequence[Subject], budget_s: float) -> None:
        """Measures subjects that may be compared with each other; what it takes until it can begin is no part of it."""
        for subject in subjects:
            self.measurements[subject.key] = unreached()
        self.begin(subjects)
        deadline = self.clock() + budget_s
        fitting = [subject for subject in subjects if not self.refuse(subject)]
        share_s = budget_s / max(len(fitting), 1)
        for done, subject in enumerate(fitting):
            self.notify(Progress(label=subject.label, step="memory", done=done, total=len(fitting)))
            self.warm_up(subject, share_s)
        begun = self.clock()
        processes = self.processes()
        members = self.members(processes, share_s)
        loading_s = self.clock() - begun if len(members) > 1 else 0.0  # their start, too
        self.setup_s += loading_s
        self.run_rounds(share_s, deadline + loading_s, members, processes)
        self.crew.clear()
        looked = self.connection.ask_device(ReadConditions()).conditions
        self.after = self.neighbours.beside(looked)
        self.connection.ask_device(Clear())
        self.learn_pace([self.measurements[subject.key] for subject in subjects])

    def learn_pace(self, measured: Sequence[Measurement]) -> None:
        """What the reference takes at its best, as far as is known now; kept if it was never better."""
        best_s = self.compare_paces(measured)
        if best_s is None:
            return
        self.paces += [pace for measurement in measured for pace in measurement.paces]
        if self.ceilings and best_s != self.ceilings.pace_s:
            self.ceilings = replace(self.ceilings, pace_s=best_s)
            if self.store and self.connection.environment:
                self.store.keep(self.connection.environment, self.ceilings)

    def compare_paces(self, measured: Sequence[Measurement]) -> float | None:
        """Compares every pace with the best that is known; the very fastest may be chance: it is one of a hundred."""
        paces = sorted(pace for measurement in measured for pace in measurement.paces_s)
        if not paces:
            return None
        known = self.ceilings.pace_s if self.ceilings else None
        best_s = min(paces[math.ceil(len(paces) / PACES) - 1], known or math.inf)
        for measurement in measured:
            measurement.best_pace_s = best_s
        return best_s

    @property
    def quiet_share(self) -> float | None:
        """The part of all samples at which the machine was nearly at its best; None where nobody looked."""
        return undisturbed(self.paces)

    def begin(self, subjects: Sequence[Subject]) -> None:
        """Begins the processes, on a GPU only one until it has shown how long that takes, and learns its ceilings."""
        begun = self.clock()
        self.crew.begin(1 if self.plan.device.startswith("cuda") else self.processes())
        if subjects and self.throughput_flops is None:
            self.throughput_flops = self.learn_throughput(subjects[0].workload.dtype)
        self.setup_s += self.clock() - begun
        if not self.warned:
            self.warn_of_noise(len(subjects))
            self.warn_of_length(len(subjects))

    def warn_of_noise(self, subjects: int) -> None:
        """Tells, before anything is measured, that others want our cores: what they took while processes began."""
        connection, self.warned = self.connection, True
        if connection.before is None or connection.environment is None:
            return
        connection.before = self.neighbours.beside(connection.before)
        environment, taken = connection.environment, connection.before.cores_taken
        if taken is not None and are_ours_taken(environment, taken):
            warning = f"other programs keep {busy(environment, taken)} before measuring: {noise(environment)}"
            self.notify(Progress(label="", step="start", done=0, total=subjects, warning=warning))

    def warn_of_length(self, subjects: int) -> None:
        """Tells, before anything is measured, that the budget cannot hold what is asked for."""
        if self.outlook is None or not self.throughput_flops:
            return
        free_bytes = int(self.connection.ask_device(ReadFree()).value)
        warning = longer_than_asked(
            self.outlook, self.plan, throughput_flops=self.throughput_flops, free_bytes=free_bytes
        )
        if warning:
            self.notify(Progress(label="", step="start", done=0, total=subjects, warning=warning))

    def processes(self) -> int:
        """In how many processes the rounds are spent: where memory happens to lie makes runs differ."""
        return 1 if self.in_process else processes_wanted(self.connection, fewest_samples=MIN_ROUNDS)

    def members(self, processes: int, share_s: float) -> list[Connection]:
        """Who takes turns: all processes, warmed up; where they have no room together, one, in place of another.

        What is too slow for many rounds stays in the first one alone, which then takes turns with the others.
        """
        loaded = self.connection.loaded.values()
        quick = [subject for subject in loaded if self.plan.samples or self.measurements[subject.key].call_s <= share_s]
        if not self.crew.have_room(quick, processes, self.plan.memory_fraction):
            return [self.connection]
        self.crew.begin(processes)
        return self.crew.take(quick, processes, with_first=len(quick) < len(loaded))

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

    def run_rounds(self, share_s: float, deadline: float, members: Sequence[Connection], processes: int) -> None:
        """Interleaved rounds, at least `MIN_ROUNDS`, then as many as budget and precision ask for.

        The members take turns. A single one is replaced by a new process after its part of the time; each has its
        share of the rounds, also where the one before has used up the time: it was paid for.
        """
        wanted, parts = self.plan.samples, 1 if len(members) > 1 else processes
        started, number, self.ended_by = self.clock(), 0, "samples" if wanted else "budget"
        for part in range(1, parts + 1):
            share = math.ceil(MIN_ROUNDS / parts)
            fewest = max(math.ceil((wanted or MIN_ROUNDS) * part / parts), 0 if wanted else number + share)
            most = math.ceil((wanted or MAX_ROUNDS) * part / parts)
            until = started + (deadline - started) * part / parts
            while number < most and (number < fewest or (wanted is None and self.clock() < until)):
                if not any(self.taking_part(member, share_s) for member in members):
                    return
                self.run_round(self.next_of(members, number), number, share_s, deadline)
                number += 1
                if number >= fewest and self.is_precise(number, len(members)):
                    self.ended_by = "precision"
                    return
            if part < parts:
                self.relaunch(share_s)

    def next_of(self, members: Sequence[Connection], number: int) -> Connection:
        """Whose turn it is: in every few rounds each one's, in random order."""
        turn = number % len(members)
        if turn == 0:
            self.order = self.random.sample(members, len(members))
        return self.order[turn]

    def is_precise(self, number: int, members: int) -> bool:
        """Whether every interval is as narrow as was asked for; looked at after whole turns, ever less often."""
        wanted = self.plan.precision
        if wanted is None or number % (members * max(1, number // (members * LOOKS))):
            return False
        measured = [self.measurements[key] for key in self.connection.loaded]
        self.compare_paces(measured)
        latencies = [measurement.latency for measurement in measured]
        return all(latency is not None and quiet_time(latency).half_width <= wanted for latency in latencies)

    def relaunch(self, share_s: float) -> None:
        """Goes on in a new process, with those subjects that still take part."""
        self.connection.loaded = {subject.key: subject for subject in self.taking_part(self.connection, share_s)}
        self.connection.close()
        if self.connection.loaded:
            self.connection.start()

    def run_round(self, connection: Connection, number: int, share_s: float, deadline: float) -> None:
        """One sample of everybody who takes part, in random order."""
        order = self.taking_part(connection, share_s)
        self.random.shuffle(order)
        for subject in order:
            total = self.plan.samples or self.expected_rounds(deadline, number)
            self.sample(connection, subject, number, total=total)

    def taking_part(self, connection: Connection, share_s: float) -> list[Subject]:
        """Without a number of samples, a subject whose single call exceeds its share leaves after a few samples.

        One that failed in another process has left.
        """

        def stays(subject: Subject) -> bool:
            measurement = self.measurements[subject.key]
            few = min(SLOW_ROUNDS, self.plan.budget_s // measurement.call_s)
            slow = not self.plan.samples and measurement.call_s > share_s
            return measurement.status == "ok" and not (slow and len(measurement.samples_s) >= few)

        return [subject for subject in connection.loaded.values() if stays(subject)]

    def expected_rounds(self, deadline: float, number: int) -> int:
        """How many rounds there will be, at the present pace."""
        round_s = sum(self.measurements[subject.key].call_s * self.measurements[subject.key].calls
                      for subject in self.connection.loaded.values())  # fmt: skip
        more = (deadline - self.clock()) / max(round_s, 1e-9)
        return min(MAX_ROUNDS, max(MIN_ROUNDS, number + math.ceil(max(more, 0))))

    def sample(self, connection: Connection, subject: Subject, number: int, total: int) -> None:
        """One sample of one subject."""
        measurement = self.measurements[subject.key]
        median = sorted(measurement.samples_s)[len(measurement.samples_s) // 2] if measurement.samples_s else None
        self.notify(
            Progress(label=subject.label, step="latency", done=number, total=total,
                     estimate_s=median or measurement.call_s)
        )  # fmt: skip
        connection.start()
        wake(connection)
        if subject.key not in connection.loaded:
            return
        warm_calls = int(measurement.call_s < WARM_CALL_LIMIT_S)
        request = Time(subject=subject.key, calls=measurement.calls, warm_calls=warm_calls)
        limit_s = self.plan.timeout_s * max(1, measurement.calls)
        took: Took | None = connection.ask(subject, request, timeout_s=limit_s)
        if took is not None:
            measurement.keep(took, number, launch=connection.born)


def measure(session: Session, cells: Sequence[Sequence[Subject]]) -> None:
    """Measures cell after cell, each with an equal part of the budget. Whatever happens, the child is gone afterwards.

    Raises:
        KeyboardInterrupt: passed on; `session.measurements` holds what was measured until then.
    """
    session.outlook = outlook_of(cells, session.plan)
    try:
        for cell in cells:
            session.measure_cell(cell, session.plan.budget_s / len(cells))
    finally:
        session.close()

"""What a session is told, and what it finds out: subjects, whether they may run, progress, measurements."""

import math
from typing import Any

import msgspec
from msgspec.structs import replace

from kaoprof.measuring.messages import LayersSeen, Seen, Took
from kaoprof.records.measured import Latency, Observed
from kaoprof.records.options import Options
from kaoprof.units import format_bytes, format_percent, format_rate, format_seconds
from kaoprof.workload.workload import Workload

MIN_ROUNDS = 10  # enough for a 95 % interval that leaves the extremes out
SLOW_ROUNDS = 3  # at most, for a subject whose single call exceeds its share of the budget
PACE_DIGITS = 3


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Something to measure. `floor_flops` is arithmetic that it cannot avoid, for the whole batch.

    `layers` are the names of a model's layers that are to be told apart; `variant` is how it is run: `eager`,
    `compile` or `graph`.
    """

    key: int
    label: str
    workload: Workload
    resident_bytes: int
    predicted_bytes: int
    floor_flops: int
    layers: tuple[str, ...] = ()
    variant: str = "eager"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session stands: what is being measured, how far it is, and the estimate so far; or a `warning`."""

    label: str
    step: str
    done: int
    total: int
    estimate_s: float | None = None
    warning: str = ""


class Measurement(msgspec.Struct, kw_only=True):
    """What is known of one subject so far: `observed`, but for the samples, which are still being taken."""

    observed: Observed = Observed()
    compulsory_bytes: int | None = None
    layers: LayersSeen | None = None
    call_s: float = math.inf
    calls: int = 1
    rounds: list[int] = msgspec.field(default_factory=list)
    samples_s: list[float] = msgspec.field(default_factory=list)
    launches: list[int] = msgspec.field(default_factory=list)
    page_faults: list[float] = msgspec.field(default_factory=list)
    system_shares: list[float] = msgspec.field(default_factory=list)
    paces_s: list[float] = msgspec.field(default_factory=list)
    best_pace_s: float | None = None

    @property
    def status(self) -> str:
        """What became of it."""
        return self.observed.status

    @property
    def detail(self) -> str:
        """Why, if it is not `ok`."""
        return self.observed.detail

    def note(self, **observed: Any) -> None:
        """Keeps what was observed, by the names of `records.Observed`."""
        self.observed = replace(self.observed, **observed)

    def see(self, seen: Seen) -> None:
        """Keeps what a look found; what it does not tell stays as it was."""
        blank = Observed().observed()
        self.note(**{name: value for name, value in seen.observed.observed().items() if value != blank[name]})
        self.compulsory_bytes = seen.compulsory_bytes if self.compulsory_bytes is None else self.compulsory_bytes
        self.layers = seen.layers or self.layers

    def keep(self, took: Took, number: int, *, launch: int) -> None:
        """Adds what a child told of a block of calls: the sample of this round, taken by that process."""
        self.rounds.append(number)
        self.samples_s.append(took.seconds)
        self.launches.append(launch)
        if took.page_faults is not None and took.system_share is not None:
            self.page_faults.append(took.page_faults)
            self.system_shares.append(took.system_share)
        if took.pace_s is not None:
            self.paces_s.append(took.pace_s)
        self.call_s = min(self.call_s, took.seconds)  # a first call that was disturbed must not decide

    @property
    def latency(self) -> Latency | None:
        """Its samples as a record keeps them; None if there are none."""
        if not self.samples_s:
            return None
        return Latency(
            rounds=tuple(self.rounds), samples_s=tuple(self.samples_s), calls=self.calls,
            launches=tuple(self.launches), page_faults=tuple(self.page_faults), system_shares=tuple(self.system_shares),
            paces=self.paces,
        )  # fmt: skip

    @property
    def paces(self) -> tuple[float, ...]:
        """What the reference took beside each sample, in multiples of its best; empty where that is not known."""
        if self.best_pace_s is None or len(self.paces_s) < len(self.samples_s):
            return ()
        return tuple(round(pace_s / self.best_pace_s, PACE_DIGITS) for pace_s in self.paces_s)

    def for_a_record(self) -> dict[str, Any]:
        """All that was observed, by name, samples included: what `replace` puts into a row or a model."""
        return self.observed.observed() | {"latency": self.latency}


def unreached() -> Measurement:
    """Of a subject that the session has not come to."""
    return Measurement(observed=Observed(status="skipped", detail="not reached before the run ended"))


def refusal_of(subject: Subject, plan: Options, *, free_bytes: int, throughput_flops: float) -> str | None:
    """Why the subject is not run; None if it may be.

    Args:
        subject: with what it needs at least.
        plan: with the limits.
        free_bytes: on the device, now.
        throughput_flops: FLOP/s of a large product there.
    """
    needed = subject.predicted_bytes + subject.resident_bytes
    floor_s = subject.floor_flops / throughput_flops
    if needed > int(free_bytes * plan.memory_fraction):
        return (
            f"predicted not to fit: needs {format_bytes(needed)}, allowed "
            f"{format_bytes(int(free_bytes * plan.memory_fraction))} "
            f"({format_percent(plan.memory_fraction)} of {format_bytes(free_bytes)} free); --force-run tries anyway"
        )
    if floor_s > plan.timeout_s:
        return (
            f"predicted too slow: one call needs at least {format_seconds(floor_s)} at this device's "
            f"{format_rate(throughput_flops, 'FLOP')}, limit {format_seconds(plan.timeout_s)}; raise --timeout"
        )
    return None

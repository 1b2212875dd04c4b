"""What a session is told, and what it finds out: subjects, the plan, progress, measurements."""

import math
from typing import Any

import msgspec

from kaoprof.units import format_bytes, format_percent, format_rate, format_seconds
from kaoprof.workload.workload import Workload


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


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to measure; times in seconds. `samples` fixes the number of rounds; else the budget decides.

    `cache` is `warm`, or `cold`: emptied before every call that is timed. `sdpa` is the one backend that fused
    attention may use, or `auto`. `affinity` are the cores to run on; None leaves the system's choice.
    """

    device: str
    threads: int | None
    budget_s: float
    samples: int | None
    timeout_s: float
    memory_fraction: float
    force_run: bool
    seed: int
    cache: str = "warm"
    sdpa: str = "auto"
    affinity: tuple[int, ...] | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session stands: what is being measured, how far it is, and the estimate so far."""

    label: str
    step: str
    done: int
    total: int
    estimate_s: float | None = None


def not_compared(why: str) -> dict[str, Any]:
    """The fields of a `records.Deviation` that is not known."""
    return {"largest": None, "rms": None, "not_compared": why}


class Measurement(msgspec.Struct, kw_only=True):
    """What is known of one subject so far."""

    status: str = "ok"
    detail: str = ""
    peak_bytes: int | None = None
    reserved_bytes: int | None = None
    denormal_fraction: float | None = None
    layers: dict[str, dict[str, Any]] | None = None
    traffic: dict[str, Any] | None = None
    deviation: dict[str, Any] | None = None
    compile_s: float | None = None
    graph_breaks: int | None = None
    energy_j: float | None = None
    call_s: float = math.inf
    calls: int = 1
    rounds: list[int] = msgspec.field(default_factory=list)
    samples_s: list[float] = msgspec.field(default_factory=list)
    launches: list[int] = msgspec.field(default_factory=list)
    page_faults: list[float] = msgspec.field(default_factory=list)
    system_shares: list[float] = msgspec.field(default_factory=list)

    def keep(self, told: dict[str, float], number: int, *, launch: int) -> None:
        """Adds what a child told of a block of calls: the sample of this round, taken by that process."""
        self.rounds.append(number)
        self.samples_s.append(told["seconds"])
        self.launches.append(launch)
        if "page_faults" in told:
            self.page_faults.append(told["page_faults"])
            self.system_shares.append(told["system_share"])
        self.call_s = min(self.call_s, told["seconds"])  # a first call that was disturbed must not decide


def refusal_of(subject: Subject, plan: Plan, *, free_bytes: int, throughput_flops: float) -> str | None:
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

"""What is told of anything that was measured, and of the device it was measured on: frozen, raw, in SI units.

Statistics are computed from it, never stored. None means "not known"; it is never written as 0.
"""

import re
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from kaoprof.records import fields
from kaoprof.records.shown import Shown
from kaoprof.units import counted

SCHEMA = 1
HIDDEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
EAGER = "eager"
VARIANT = "+"  # between an implementation and how it is run, when that is not eagerly: `matmul+compile`


class Head(Shown, frozen=True, kw_only=True):
    """How a record begins: the format's number, the command that left it behind, kaoprof's version, and when."""

    schema: int = SCHEMA
    kind: str
    version: str
    created: str


class Latency(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Raw samples: `samples_s[i]`, taken in round `rounds[i]`, is the mean seconds per call over `calls` in a row.

    `launches[i]` is the number of the process that took it, `page_faults[i]` how many times a call touched memory that
    was new to it, `system_shares[i]` the part of the processor time that the operating system took for itself, and
    `paces[i]` how many times longer than ever before on this machine a small reference took at that moment: it marks
    the samples that something disturbed. Each is empty where it is not known.
    """

    rounds: tuple[fields.Count, ...]
    samples_s: tuple[fields.CallSeconds, ...]
    calls: fields.Positive
    launches: tuple[fields.Count, ...] = ()
    page_faults: tuple[fields.Faults, ...] = ()
    system_shares: tuple[fields.Share, ...] = ()
    paces: tuple[fields.Multiple, ...] = ()


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What one call really did on the device: operations launched, and bytes that these read plus wrote.

    Views launch nothing. What a kernel does inside, without a tensor to show for it, is not in the bytes. `launch_s` is
    what the same call takes on the smallest input: mostly launches, whatever the size.
    """

    operations: fields.Count
    moved_bytes: fields.Count
    launch_s: fields.Seconds | None = None


class Deviation(msgspec.Struct, frozen=True, kw_only=True):
    """How far an output is from the same computation in fp64, relative to the reference; None where it is not finite.

    `largest` is the largest absolute difference over the largest absolute value, `rms` the same of root mean squares;
    `not_finite` is the fraction of the output that is infinite or not a number; `not_compared` says why none is known.
    """

    largest: fields.Error | None
    rms: fields.Error | None
    not_finite: fields.Share = 0.0
    not_compared: str = ""

    @classmethod
    def unknown(cls, why: str) -> Self:
        """One that was not found out."""
        return cls(largest=None, rms=None, not_compared=why)


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What was observed of anything that ran: an operator in a grid cell, a whole model, a subject of `fit`.

    Args:
        status: `ok`, or why there are no figures.
        detail: explains any status that is not `ok`.
        peak_bytes_measured: the high-water mark of one call, above what was resident before it.
        peak_bytes_reserved: what a GPU's allocator took from the device for it.
        latency: seconds of a call, as raw samples.
        denormal_fraction: of the coefficients of attention that would be denormal.
        traffic: what one call launched and moved.
        backend: the fused attention that really ran: flash, efficient, cudnn or math; None where there is none.
        deviation: how far the output is from fp64.
        compile_s: what compilation took, which no sample holds.
        energy_j: of one call.
        graph_breaks: left what was compiled in pieces, with uncompiled code between them.
    """

    status: fields.Status = "ok"
    detail: str = ""
    peak_bytes_measured: fields.Count | None = None
    peak_bytes_reserved: fields.Count | None = None
    latency: Latency | None = None
    denormal_fraction: fields.Share | None = None
    traffic: Traffic | None = None
    backend: str | None = None
    deviation: Deviation | None = None
    compile_s: fields.Seconds | None = None
    energy_j: fields.Joules | None = None
    graph_breaks: fields.Count | None = None

    def observed(self) -> dict[str, Any]:
        """All of it by name: what `replace` puts into another struct that holds observations."""
        return {name: getattr(self, name) for name in Observed.__struct_fields__}


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The device at one moment; None is not told.

    `throttled` counts how often, or ns how long, it slowed itself; `cores_taken` is how many of the cores that are
    measured on other programs kept busy, on the mean, `stolen` how many of them a virtual machine's host gave to
    others: before, while the processes began, after, since then.
    """

    clock_hz: fields.Hertz | None = None
    temperature_c: fields.Celsius | None = None
    throttled: fields.Unbounded | None = None
    cores_taken: fields.Load | None = None
    stolen: fields.Load | None = None


class Environment(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Where it was measured. `device_name` is the processor's or the GPU's name; loads are 1-minute averages.

    `cores` counts those that the process may use, which `affinity` names, `machine_cores` all that there are;
    `energy_source` is who tells of energy: NVML or RAPL; `settings` are environment variables that change how torch
    computes or allocates, as `NAME=value`. Of a GPU there are versions of CUDA, cuDNN and the driver, its compute
    capability, its multiprocessors, and the watts that it may draw. `node` is its name where nodes of a cluster are
    compared.
    """

    device_name: str
    cores: fields.Positive
    threads: fields.Positive
    memory_bytes: fields.Positive
    system: str
    python: str
    torch: str
    backends: tuple[str, ...]
    denormals_flushed: bool
    load_before: fields.Load | None = None
    cuda: str | None = None
    affinity: tuple[fields.Count, ...] | None = None
    energy_source: str | None = None
    machine_cores: fields.Positive | None = None
    settings: tuple[str, ...] = ()
    cudnn: fields.Positive | None = None
    driver: str | None = None
    capability: str | None = None
    multiprocessors: fields.Positive | None = None
    power_limit_w: fields.Watts | None = None
    node: str | None = None

    def __str__(self) -> str:
        named = f"{self.node}: " if self.node else ""
        return f"{named}{self.device_name}, {counted(self.threads, 'thread')}, torch {self.torch}"


class Copy(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """The fastest copy of one size. `moved_bytes` is what it reads plus what it writes."""

    moved_bytes: fields.Positive
    seconds: fields.CallSeconds


class Ceilings(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a device was seen to do, with the run's threads: what floors follow from.

    Args:
        created: when it was measured.
        load: of the machine meanwhile, in processes or in cores that others took, whichever is more: a busy machine has
            lower ceilings.
        copies: by size, smallest first, from and to memory that was just used.
        cold_copies: the same after the caches were flushed; empty where nobody asked.
        products: FLOP/s of the fastest large matrix product, by dtype.
        launch_s: seconds that the smallest operation takes.
        pace_s: seconds of the small reference that is timed beside samples, at its best; None where nobody did.
    """

    created: str
    load: fields.Load | None = None
    copies: tuple[Copy, ...]
    cold_copies: tuple[Copy, ...] = ()
    products: dict[str, fields.Rate]
    launch_s: fields.LaunchSeconds
    pace_s: fields.CallSeconds | None = None

    @property
    def bytes_per_s(self) -> float:
        """Bandwidth of main memory: of the largest copy, which no cache holds."""
        return self.copies[-1].moved_bytes / self.copies[-1].seconds


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """How it was measured; times in seconds.

    `in_process` says that it was measured in the process of whoever asked, not in one of its own.
    `cache` is `warm` or `cold`, `sdpa` the fused attention that was asked for; both None in records that are older.
    `before` and `after` frame what was measured. `setup_s` is what passed until measuring could begin, which is no
    part of the budget; `precision` the half width of intervals, relative, at which to stop; `ended_by` says which came
    first: `budget`, `precision`, `samples` or `rounds`, the most that are taken. `quiet_share` is the part of all
    samples at which the reference said that nothing disturbed.
    """

    budget_s: fields.Seconds
    samples: fields.Positive | None
    timeout_s: fields.Seconds
    seed: fields.Count
    memory_fraction: fields.Multiple
    force_run: bool
    spent_s: fields.Seconds
    free_bytes: fields.SignedBytes | None = None
    throughput_flops: fields.Rate | None = None  # FLOP/s of a large product on this device, from which floors follow
    ceilings: Ceilings | None = None
    cache: fields.Cache | None = None
    sdpa: fields.Sdpa | None = None
    before: Conditions | None = None
    after: Conditions | None = None
    in_process: bool = False
    setup_s: fields.Seconds | None = None
    precision: fields.Share | None = None
    ended_by: fields.Ending | None = None
    quiet_share: fields.Share | None = None


def timestamp() -> str:
    """When a record is made: the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def dumps(record: object) -> str:
    """A record, of whatever kind, as JSON text; what a terminal would obey, or not show, is written as its code."""
    text = msgspec.json.format(msgspec.json.encode(record), indent=1).decode() + "\n"
    return HIDDEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    """JSON's code for a sign, of two parts beyond the first plane."""
    pairs = match[0].encode("utf-16-be")
    return "".join(f"\\u{pairs[place : place + 2].hex()}" for place in range(0, len(pairs), 2))

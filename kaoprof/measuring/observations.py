"""What is learnt of a subject beside its time and memory, each quantity only where that does not cost too much."""

import math
from collections.abc import Callable

from msgspec.structs import replace

from kaoprof.dims import DTYPE_BYTES
from kaoprof.measuring.connection import Connection
from kaoprof.measuring.messages import Look
from kaoprof.measuring.plan import Subject
from kaoprof.records.measured import Deviation

LOOK_LIMIT_S = 120.0  # for one look: it is never longer than a few calls, and what they set up
DENORMAL_SHARE = 0.25  # of a subject's share of the budget that a look at its denormals may take
SINGLE_THREAD_SLOWDOWN = 4  # a guess, generous, for a call on one thread with denormals
CHEAP_S = 0.2  # what the error may take whatever the budget
DEVIATION_SHARE = 0.75  # likewise, of the computation in fp64: every row should have its error
FP64_SLOWDOWN = {"cpu": 4, "cuda": 64}  # a guess, generous: consumer GPUs have 1/64 of their rate in fp64
FP64_COPIES = 2  # the reference and what is compared with it
ENERGY_SHARE = 0.25
ENERGY_LIMITS_S = (0.5, 2.0)  # counters are renewed every 20 to 100 ms: shorter tells nothing, longer not more


def _shows_operations(subject: Subject) -> bool:
    """Whether its operations can be looked at one by one: not of what was compiled or captured."""
    return subject.variant == "eager" and not subject.workload.compiles_itself


def observe(connection: Connection, subject: Subject, share_s: float) -> None:
    """Asks for whatever can be learnt of a subject beside its time and memory, for as long as it runs."""
    measurement, limit_s = connection.measurements[subject.key], LOOK_LIMIT_S + connection.plan.timeout_s
    for quantity, wanted in QUANTITIES.items():
        if subject.key not in connection.loaded:
            return
        request = wanted(connection, subject, share_s)
        if request is not None:
            seen = connection.ask(subject, replace(request, quantity=quantity), timeout_s=limit_s)
            if seen is not None:
                measurement.see(seen)


def _layers(connection: Connection, subject: Subject, share_s: float) -> Look | None:
    quick = connection.measurements[subject.key].call_s < share_s
    return Look(subject=subject.key, layers=subject.layers) if subject.layers and quick else None


def _kept(connection: Connection, subject: Subject, share_s: float) -> Look | None:
    """Of a model; operators keep nothing."""
    wanted = subject.layers and subject.variant == "eager" and connection.measurements[subject.key].call_s < share_s
    return Look(subject=subject.key) if wanted else None


def _denormals(connection: Connection, subject: Subject, share_s: float) -> Look | None:
    """Of an operator on a CPU, where they cost time."""
    if subject.layers or not _shows_operations(subject) or connection.plan.device != "cpu":
        return None
    sample_s = connection.measurements[subject.key].call_s / subject.workload.batch
    return Look(subject=subject.key) if sample_s * SINGLE_THREAD_SLOWDOWN < share_s * DENORMAL_SHARE else None


def _traffic(connection: Connection, subject: Subject, share_s: float) -> Look | None:
    """Of the whole call; of its first sample where that is all that there is time for, and the subject an operator."""
    if not _shows_operations(subject):
        return None
    call_s, batch = connection.measurements[subject.key].call_s, subject.workload.batch
    alone = call_s >= share_s
    if alone and (subject.layers or call_s / batch >= share_s):
        return None
    return Look(subject=subject.key, alone=alone)


def _deviation(connection: Connection, subject: Subject, share_s: float) -> Look | None:
    """Where the same computation in fp64 fits in memory and in time; of fp64 itself there is nothing to say."""
    measurement, dtype = connection.measurements[subject.key], subject.workload.dtype
    if subject.variant == "graph" or dtype == "fp64":
        return None
    wider = DTYPE_BYTES["fp64"] // DTYPE_BYTES[dtype]
    held = subject.resident_bytes + (measurement.observed.peak_bytes_measured or subject.predicted_bytes)
    allowed = math.inf if connection.free_bytes is None else connection.free_bytes * connection.plan.memory_fraction
    slowdown = FP64_SLOWDOWN[connection.plan.device.partition(":")[0]]
    if measurement.call_s * slowdown >= max(share_s * DEVIATION_SHARE, CHEAP_S):
        measurement.note(deviation=Deviation.unknown("too slow for this budget"))
    elif FP64_COPIES * wider * held >= allowed:
        measurement.note(deviation=Deviation.unknown("too large for the free memory"))
    else:
        return Look(subject=subject.key, allowed_bytes=None if math.isinf(allowed) else int(allowed))
    return None


def _energy(connection: Connection, subject: Subject, share_s: float) -> Look | None:
    """Where the device has a meter; in a block of calls as long as the meter needs."""
    if connection.environment is None or not connection.environment.energy_source:
        return None
    shortest, longest = ENERGY_LIMITS_S
    block_s = min(longest, max(shortest, share_s * ENERGY_SHARE))
    return Look(subject=subject.key, calls=math.ceil(block_s / max(connection.measurements[subject.key].call_s, 1e-9)))


QUANTITIES: dict[str, Callable[[Connection, Subject, float], Look | None]] = {  # as `bench.looks` calls them
    "layers": _layers,
    "kept": _kept,
    "denormals": _denormals,
    "traffic": _traffic,
    "deviation": _deviation,
    "energy": _energy,
}

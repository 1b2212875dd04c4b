"""Looks at a subject that runs: what it moves, how exact it is, what it burns; each where it does not cost too much."""

import math
from typing import TYPE_CHECKING

from kaoprof.dims import DTYPE_BYTES
from kaoprof.measuring.plan import Subject, not_compared

if TYPE_CHECKING:
    from kaoprof.measuring.session import Session

LOOK_LIMIT_S = 120.0  # for one look: it is never longer than a few calls, and what they set up
DENORMAL_SHARE = 0.25  # of a subject's share of the budget that a look at its denormals may take
SINGLE_THREAD_SLOWDOWN = 4  # a guess, generous, for a call on one thread with denormals
CHEAP_S = 0.2  # what the error may take whatever the budget
DEVIATION_SHARE = 0.75  # likewise, of the computation in fp64: every row should have its error
FP64_SLOWDOWN = {"cpu": 4, "cuda": 64}  # a guess, generous: consumer GPUs have 1/64 of their rate in fp64
FP64_COPIES = 2  # the reference and what is compared with it
ENERGY_SHARE = 0.25
ENERGY_LIMITS_S = (0.5, 2.0)  # counters are renewed every 20 to 100 ms: shorter tells nothing, longer not more


def examine(session: "Session", subject: Subject, share_s: float) -> None:
    """Asks for whatever can be learnt of a subject beside its time and memory."""
    if subject.layers:
        _layers(session, subject, share_s)
    elif subject.variant == "eager":
        _denormals(session, subject, share_s)
    if subject.variant == "eager":
        _traffic(session, subject, share_s)
    if subject.variant != "graph":
        _deviation(session, subject, share_s)
    _energy(session, subject, share_s)


def _runs(session: "Session", subject: Subject) -> bool:
    return subject.key in session.loaded


def _layers(session: "Session", subject: Subject, share_s: float) -> None:
    measurement = session.measurements[subject.key]
    if measurement.call_s < share_s:
        measurement.layers = session.ask(subject, "layers", timeout_s=LOOK_LIMIT_S + session.plan.timeout_s)


def _denormals(session: "Session", subject: Subject, share_s: float) -> None:
    """On a CPU, where they cost time."""
    if session.plan.device != "cpu":
        return
    measurement, batch = session.measurements[subject.key], subject.workload.inputs[0].shape[0]
    if measurement.call_s / batch * SINGLE_THREAD_SLOWDOWN < share_s * DENORMAL_SHARE:
        measurement.denormal_fraction = session.ask(subject, "denormals", timeout_s=LOOK_LIMIT_S)


def _traffic(session: "Session", subject: Subject, share_s: float) -> None:
    """Of the whole call; of its first sample where that is all that there is time for, and the subject an operator."""
    measurement, batch = session.measurements[subject.key], subject.workload.inputs[0].shape[0]
    if not _runs(session, subject):
        return
    alone = measurement.call_s >= share_s
    if not alone or (not subject.layers and measurement.call_s / batch < share_s):
        limit_s = LOOK_LIMIT_S + session.plan.timeout_s
        measurement.traffic = session.ask(subject, "traffic", timeout_s=limit_s, alone=alone)


def _deviation(session: "Session", subject: Subject, share_s: float) -> None:
    """Where the same computation in fp64 fits in memory and in time; of fp64 itself there is nothing to say."""
    measurement, dtype = session.measurements[subject.key], subject.workload.dtype
    if not _runs(session, subject) or dtype == "fp64":
        return
    wider = DTYPE_BYTES["fp64"] // DTYPE_BYTES[dtype]
    needed = FP64_COPIES * wider * (subject.resident_bytes + (measurement.peak_bytes or subject.predicted_bytes))
    slowdown = FP64_SLOWDOWN[session.plan.device.partition(":")[0]]
    if measurement.call_s * slowdown >= max(share_s * DEVIATION_SHARE, CHEAP_S):
        measurement.deviation = not_compared("too slow for this budget")
    elif session.free_bytes is not None and needed >= session.free_bytes * session.plan.memory_fraction:
        measurement.deviation = not_compared("too large for the free memory")
    else:
        measurement.deviation = session.ask(subject, "deviation", timeout_s=LOOK_LIMIT_S + session.plan.timeout_s)


def _energy(session: "Session", subject: Subject, share_s: float) -> None:
    """Where the device has a meter; in a block of calls as long as the meter needs."""
    measurement = session.measurements[subject.key]
    if not _runs(session, subject) or not (session.environment or {}).get("energy_source"):
        return
    shortest, longest = ENERGY_LIMITS_S
    block_s = min(longest, max(shortest, share_s * ENERGY_SHARE))
    calls = math.ceil(block_s / max(measurement.call_s, 1e-9))
    measurement.energy_j = session.ask(subject, "energy", calls=calls, timeout_s=LOOK_LIMIT_S + session.plan.timeout_s)

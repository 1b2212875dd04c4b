"""Finds out how long a call takes: once a GPU has settled, and in blocks that are long enough to be a sample."""

import math

from kaoprof.measuring.connection import Connection
from kaoprof.measuring.messages import Time, Took
from kaoprof.measuring.plan import Subject

MIN_SAMPLE_S = 0.005  # a sample is a block of calls at least this long: far above the clock's and the pipe's noise
COLD_CALLS = {"cpu": 1, "cuda": 10}  # of a sample: a flush takes ms on a CPU, a tenth of one on a GPU
STABLE = 0.03  # relative change from one block to the next below which a subject has settled
BLOCK_S = 0.05
WAKE_S = 0.3  # of calls before any is timed in a process on a GPU: an idle one's clock is a sixth of a busy one's
SETTLING_S = 0.2  # of calls at least: two blocks in a row may agree while the clock is still low
COLD_CALL_S = 2e-4  # at least, of a call with the flush before it and the waits around it: blocks are that much shorter
MOST_BLOCKS = 20  # a device that is throttled or shared never settles


def settle(connection: Connection, subject: Subject) -> None:
    """On a GPU blocks of calls, until two in a row take about the same: clocks rise, and libraries choose kernels.

    What is slow by itself is warm already.
    """
    measurement = connection.measurements[subject.key]
    if not connection.plan.device.startswith("cuda") or measurement.call_s >= BLOCK_S:
        return
    before_s = spent_s = 0.0
    least_s = SETTLING_S if connection.awake == connection.born else WAKE_S
    for _ in range(MOST_BLOCKS):
        calls = _calls_of(BLOCK_S, measurement.call_s, cold=connection.plan.cache == "cold")
        request = Time(subject=subject.key, calls=calls)
        took: Took | None = connection.ask(subject, request, timeout_s=connection.plan.timeout_s)
        if took is None:
            return
        measurement.call_s = now_s = took.seconds
        spent_s += calls * now_s
        if spent_s >= least_s and abs(now_s - before_s) <= STABLE * now_s:
            break
        before_s = now_s
    connection.awake = connection.born


def _calls_of(seconds: float, call_s: float, *, cold: bool) -> int:
    """How many calls take so long."""
    return max(1, round(seconds / max(call_s, COLD_CALL_S if cold else 1e-9)))


def wake(connection: Connection) -> None:
    """In a new process on a GPU, untimed calls of a quick subject until the clock is up; then rounds go on."""
    quick = [subject for subject in connection.loaded.values() if connection.measurements[subject.key].call_s < BLOCK_S]
    if connection.awake == connection.born or not connection.plan.device.startswith("cuda") or not quick:
        return
    subject, plan = quick[0], connection.plan
    calls = _calls_of(WAKE_S, connection.measurements[subject.key].call_s, cold=plan.cache == "cold")
    connection.ask(subject, Time(subject=subject.key, calls=calls), timeout_s=plan.timeout_s)
    connection.awake = connection.born


def calibrate(connection: Connection, subject: Subject) -> None:
    """How many calls make a sample long enough: known after one call, and for fast ones after a block of them."""
    measurement = connection.measurements[subject.key]
    cold = connection.plan.cache == "cold"
    if cold:
        measurement.calls = COLD_CALLS[connection.plan.device.partition(":")[0]]
    for _ in range(3):
        if subject.key not in connection.loaded:
            return
        request = Time(subject=subject.key, calls=measurement.calls, warm_calls=int(measurement.calls > 1))
        took: Took | None = connection.ask(subject, request, timeout_s=connection.plan.timeout_s)
        if took is None:
            return
        measurement.call_s = took.seconds
        enough = math.ceil(MIN_SAMPLE_S / max(measurement.call_s, 1e-9))
        if cold or enough <= measurement.calls:
            return
        measurement.calls = enough

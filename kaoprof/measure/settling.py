"""Runs a subject on a GPU until its time no longer changes: clocks rise while it runs, libraries choose kernels."""

from typing import TYPE_CHECKING

from kaoprof.measure.plan import Subject

if TYPE_CHECKING:
    from kaoprof.measure.session import Session

STABLE = 0.03  # relative change from one block to the next below which a subject has settled
BLOCK_S = 0.05  # clocks take a tenth of a second to rise
MOST_BLOCKS = 10  # a device that is throttled or shared never settles


def settle(session: "Session", subject: Subject) -> None:
    """Untimed blocks of calls, until two in a row take about the same; what is slow by itself is warm already."""
    measurement = session.measurements[subject.key]
    if not session.plan.device.startswith("cuda") or measurement.call_s >= BLOCK_S:
        return
    before_s = 0.0
    for _ in range(MOST_BLOCKS):
        calls = max(1, round(BLOCK_S / max(measurement.call_s, 1e-9)))
        now_s = session.ask(subject, "time", calls=calls, timeout_s=session.plan.timeout_s)
        if now_s is None:
            return
        measurement.call_s = now_s
        if abs(now_s - before_s) <= STABLE * now_s:
            return
        before_s = now_s

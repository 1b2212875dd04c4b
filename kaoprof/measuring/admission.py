"""Whether a subject is worth starting: what is predicted not to fit, in memory or in time, is refused with figures."""

from kaoprof.measuring.plan import Plan, Subject
from kaoprof.units import format_bytes, format_percent, format_rate, format_seconds


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

"""What the operating system does during a call: memory that is new to a process costs a page fault for each page."""

from typing import NamedTuple

try:
    import resource
except ImportError:  # not a Unix: nobody tells
    resource = None  # type: ignore[assignment]


class Usage(NamedTuple):
    """Since the process began, of all its threads: page faults, seconds in the system's code and in its own."""

    page_faults: int
    system_s: float
    user_s: float


def usage() -> Usage | None:
    """The usage until now; None where the system does not tell."""
    if resource is None:
        return None
    told = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(told.ru_minflt + told.ru_majflt, told.ru_stime, told.ru_utime)


def system_work(before: Usage | None, after: Usage | None, calls: int) -> dict[str, float]:
    """Page faults of one of `calls` calls, and the system's share of their processor time; empty where nobody tells."""
    if before is None or after is None:
        return {}
    system_s, user_s = after.system_s - before.system_s, after.user_s - before.user_s
    busy_s = system_s + user_s
    return {
        "page_faults": (after.page_faults - before.page_faults) / calls,
        "system_share": system_s / busy_s if busy_s > 0 else 0.0,
    }

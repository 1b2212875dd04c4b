"""What the operating system does during a call: memory that is new to a process costs a page fault for each page."""

from typing import NamedTuple, Self

try:
    import resource
except ImportError:  # not a Unix: nobody tells
    resource = None  # type: ignore[assignment]


class Usage(NamedTuple):
    """Of a process with all its threads: page faults, seconds in the system's code and in its own."""

    page_faults: int
    system_s: float
    user_s: float

    def and_between(self, before: Self, after: Self) -> "Usage":
        """With what was used between two moments."""
        return Usage(
            self.page_faults + after.page_faults - before.page_faults,
            self.system_s + after.system_s - before.system_s,
            self.user_s + after.user_s - before.user_s,
        )

    def of_one(self, calls: int) -> dict[str, float]:
        """Page faults of one of `calls` calls, and the system's share of the processor time; empty if nobody tells."""
        if resource is None:
            return {}
        busy_s = self.system_s + self.user_s
        return {
            "page_faults": self.page_faults / calls,
            "system_share": min(1.0, self.system_s / busy_s) if busy_s > 0 else 0.0,
        }


NOTHING = Usage(0, 0.0, 0.0)


def usage() -> Usage:
    """Since the process began; nothing where the system does not tell."""
    if resource is None:
        return NOTHING
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(used.ru_minflt + used.ru_majflt, used.ru_stime, used.ru_utime)

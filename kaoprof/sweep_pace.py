"""How long the rest of a sweep will take, learnt from the cells that are done. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

SLOW_CALLS = 5  # of a slow row: the first, the peak's, and a few rounds


@dataclass(kw_only=True)
class Pace:
    """A cell takes a basic time, and more in proportion to its MACs. Both are learnt.

    Args:
        call_limit_s: a row of which one call would take longer is skipped, and costs nothing.
    """

    call_limit_s: float
    seen: list[tuple[int, float]] = field(default_factory=list)  # MACs of a cell, seconds

    def learn(self, work: Sequence[int], seconds: float) -> None:
        """A cell is done whose rows need so many MACs."""
        self.seen.append((sum(work), seconds))

    def left_s(self, works: Sequence[Sequence[int]]) -> float | None:
        """Seconds for cells whose rows need so many MACs; None before anything was learnt."""
        if not self.seen:
            return None
        basic_s = min(seconds for _, seconds in self.seen)
        macs = sum(work for work, _ in self.seen)
        per_mac_s = sum(seconds - basic_s for _, seconds in self.seen) / macs if macs else 0.0
        rows = [row * per_mac_s for work in works for row in work]
        return basic_s * len(works) + sum(seconds for seconds in rows if seconds <= SLOW_CALLS * self.call_limit_s)

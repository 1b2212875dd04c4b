"""How long the rest of a sweep will take, learnt from the cells that are done. Pure.

A cell's work is its MACs, or what grows with these; one that needs none counts as one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

SLOW = 2.0  # times the fastest cell: from here on it is the calls that take the time, not the share of the budget
GROWTH = 0.5  # of a slow cell's time with its MACs: the slower the calls, the fewer of them


@dataclass
class Pace:
    """Small cells all take about the same, their share of the budget; of slow ones the nearest is the measure."""

    seen: list[tuple[int, float]] = field(default_factory=list)  # MACs of a cell, seconds

    def learn(self, macs: int, seconds: float) -> None:
        """A cell is done whose rows need so many MACs together."""
        self.seen.append((max(macs, 1), seconds))

    def left_s(self, cells: Sequence[int]) -> float | None:
        """Seconds for cells whose rows need so many MACs; None before anything was learnt."""
        if not self.seen:
            return None
        basic_s = min(seconds for _, seconds in self.seen)
        slow = [cell for cell in self.seen if cell[1] > SLOW * basic_s and not self._disturbed(*cell)]
        return sum(max(basic_s, _like_nearest(slow, max(macs, 1))) for macs in cells)

    def _disturbed(self, macs: int, seconds: float) -> bool:
        """Whether a larger cell took less: then it was not the calls, but a first use, or another program."""
        return any(larger > macs and less < seconds for larger, less in self.seen)


def _like_nearest(slow: Sequence[tuple[int, float]], macs: int) -> float:
    if not slow:
        return 0.0
    known, seconds = min(slow, key=lambda cell: abs(math.log(macs / cell[0])))
    return seconds * math.pow(macs / known, GROWTH)

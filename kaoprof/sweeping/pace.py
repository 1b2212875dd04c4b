"""How long the rest of a sweep will take, learnt from the cells that are done. Pure.

A cell's work is its MACs, or what grows with these; one that needs none counts as one.
"""

import math
from bisect import bisect
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

SLOW = 2.0  # times the fastest cell: from here on it is the calls that take the time, not the share of the budget
GROWTH = 0.5  # of a slow cell's time with its MACs: the slower the calls, the fewer of them

Seen = tuple[int, float]  # MACs of a cell, seconds


@dataclass
class Pace:
    """Small cells all take about the same, their share of the budget; of slow ones the nearest is the measure."""

    seen: list[Seen] = field(default_factory=list)

    def learn(self, macs: int, seconds: float) -> None:
        """A cell is done whose rows need so many MACs together."""
        self.seen.append((max(macs, 1), seconds))

    def left_s(self, cells: Collection[int]) -> float | None:
        """Seconds for cells whose rows need so many MACs; None before anything was learnt."""
        if not self.seen:
            return None
        basic_s = min(seconds for _, seconds in self.seen)
        slow = [cell for cell in _undisturbed(self.seen) if cell[1] > SLOW * basic_s]
        return sum(max(basic_s, _like_nearest(slow, max(macs, 1))) for macs in cells)


def _undisturbed(seen: Sequence[Seen]) -> list[Seen]:
    """By MACs, without those that took longer than a larger one: that was not the calls, but a first use, or others."""
    kept: list[Seen] = []
    for cell in sorted(seen, reverse=True):
        if not kept or cell[1] <= kept[-1][1]:
            kept.append(cell)
    return kept[::-1]


def _like_nearest(slow: Sequence[Seen], macs: int) -> float:
    """What a cell of so many MACs takes, from the nearest of slow ones in order."""
    if not slow:
        return 0.0
    place = bisect(slow, (macs, math.inf))
    known, seconds = min(slow[max(place - 1, 0) : place + 1], key=lambda cell: abs(math.log(macs / cell[0])))
    return seconds * math.pow(macs / known, GROWTH)

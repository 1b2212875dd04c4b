"""Which of two timed operators is faster at the largest sizes measured, and since where. Pure."""

import math
from collections.abc import Sequence
from functools import partial

from kaoprof.records.fit import CrossRow, TimedRatio

ROUNDING = 1e-6  # of sizes: what logarithms leave


def race_row(first: str, second: str, axis: str, ratios: Sequence[TimedRatio]) -> CrossRow:
    """Who is faster at the largest sizes measured, since where, and how sure that is."""
    row = partial(CrossRow, first=first, second=second, quantity="time", ratios=tuple(ratios))
    ratios = [ratio for ratio in ratios if ratio.low is not None]
    if not ratios:
        return row(status="refused", detail="no size at which both could be measured often enough; raise --budget")
    sides = [_side(ratio) for ratio in ratios]
    reach = f"measured from {axis}={ratios[0].size} to {ratios[-1].size}"
    if sides[-1] == 0:
        return row(status="refused", detail=f"not distinguishable from equal at {axis}={ratios[-1].size}; {reach}")
    winner = sides[-1]
    certain = len(sides) - next((index for index, side in enumerate(reversed(sides)) if side != winner), len(sides))
    lost = [ratio.size for ratio, side in zip(ratios, sides, strict=True) if side == -winner]
    cheaper = second if winner > 0 else first
    return row(
        detail=f"{reach}; beyond that nothing is known", cheaper=cheaper, since=_crossing(ratios, winner),
        low=lost[-1] if lost else None, high=ratios[certain].size,
    )  # fmt: skip


def _side(ratio: TimedRatio) -> int:
    """1 where the second is certainly faster, -1 where the first is, 0 where neither."""
    if ratio.low is not None and ratio.low > 1:
        return 1
    return -1 if ratio.high is not None and ratio.high < 1 else 0


def _crossing(ratios: Sequence[TimedRatio], winner: int) -> int:
    """The size from which on the quiet times are on the winner's side, interpolated on logarithms."""
    behind = [index for index, ratio in enumerate(ratios) if (ratio.ratio - 1) * winner <= 0]
    if not behind:
        return ratios[0].size
    before, after = ratios[behind[-1]], ratios[behind[-1] + 1]
    share = math.log(before.ratio) / (math.log(before.ratio) - math.log(after.ratio))
    crossing: float = before.size * (after.size / before.size) ** share
    return math.ceil(crossing - ROUNDING)

"""From which size on is one operator cheaper than another: exactly, for all sizes, in MACs or in predicted peak memory.

Torch-free for MACs, which have closed forms.
"""

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from kaoprof.dims import one_of
from kaoprof.errors import KaoprofError
from kaoprof.fitting.exact import BUDGETS, Need, Setting, needed_macs

if TYPE_CHECKING:
    from kaoprof.fitting.peak_curve import PeakCurve

PERIOD = 2  # closed forms round halves of sizes (pooling), so they are polynomials on even and on odd sizes
MOST_DEGREE = 8  # of one size with the others tied to it: N^2 in 3-D is the 6th power
FURTHEST = 2**20  # up to here it is looked for a size from which on nothing changes any more


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes from `start` to `end` (None: for ever) where one operator is cheaper; None where both cost the same."""

    start: int
    end: int | None
    cheaper: str | None


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """Which of two operators is cheaper at which sizes of `axis`, in `macs` or `memory`; together all sizes."""

    first: str
    second: str
    axis: str
    quantity: str
    stretches: tuple[Stretch, ...]

    def cheaper_from(self, operator: str) -> int | None:
        """The size from which on the operator is always cheaper; None if it is not, in the end."""
        last = self.stretches[-1]
        return last.start if last.cheaper == operator else None


def cross(first: str, second: str, axis: str, quantity: str, setting: Setting) -> Crossing:
    """Compares two operators at every size of `axis`; a name may say its implementation, `nonlocal:sdpa`.

    Memory is the predicted peak above input and parameters, which both have in common.

    Raises:
        UsageError: there is no such operator or axis.
        KaoprofError: up to a very large size no end of the changes is in sight.
    """
    one_of("quantity", quantity, BUDGETS)
    setting.dims(axis, setting.step(axis))
    step = setting.step(axis)
    race = (_memory_race if quantity == "memory" else _macs_race)(first, second, axis, setting)
    stretches = _stretches(race, {-1: first, 0: None, 1: second}, step)
    return Crossing(first=first, second=second, axis=axis, quantity=quantity, stretches=stretches)


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """Two costs over a whole number from 1 on: a size, in its steps.

    `final` says whether from a number on the same side is certain to be ahead; by default by differences.
    """

    first: Need
    second: Need
    final: Callable[[int], bool] | None = None

    def sign(self, count: int) -> int:
        """-1 where the first is cheaper, 1 where the second is, 0 where both cost the same."""
        difference = self.first(count) - self.second(count)
        return (difference > 0) - (difference < 0)

    def is_final(self, count: int) -> bool:
        """Whether the sign at `count` is certain to stay for ever."""
        if self.final is not None:
            return self.final(count)
        return all(
            keeps_sign(lambda number: self.first(number) - self.second(number), offset, self.sign(count))
            for offset in range(count, count + PERIOD)
        )


def _told(name: str, setting: Setting) -> tuple[str, Setting]:
    """The operator that a name means, and the setting with its implementation."""
    operator, _, implementation = name.partition(":")
    return operator, setting.told(implementation or None)


def _macs_race(first: str, second: str, axis: str, setting: Setting) -> "Race":
    def steps(name: str) -> Need:
        operator, _ = _told(name, setting)
        need = needed_macs(operator, axis, setting)
        return lambda count: need(count * setting.step(axis))

    return Race(first=steps(first), second=steps(second))


def _memory_race(first: str, second: str, axis: str, setting: Setting) -> "Race":
    from kaoprof.fitting.peak_curve import peak_curve, stays_ordered

    def curve(name: str) -> "PeakCurve":
        operator, told = _told(name, setting)
        return peak_curve(
            lambda dims: told.target(operator, dims),
            lambda count: setting.dims(axis, count * setting.step(axis)),
            device=setting.device,
            threads=setting.threads,
        )

    curves = curve(first), curve(second)
    return Race(
        first=curves[0].at,
        second=curves[1].at,
        final=lambda count: stays_ordered(curves[0], curves[1], count),
    )


def keeps_sign(value: Need, start: int, sign: int) -> bool:
    """Whether a polynomial keeps its sign at `start`, `start + PERIOD`, ... for ever.

    By Newton's forward formula its value k periods on is the sum of its differences at `start` times binomials of k: if
    none has the other sign, the value never gets it. The differences must vanish beyond the highest degree there is.
    """
    values = [value(start + PERIOD * k) for k in range(MOST_DEGREE + 3)]
    differences = []
    while values:
        differences.append(values[0])
        values = [after - before for before, after in itertools.pairwise(values)]
    if any(differences[MOST_DEGREE + 1 :]):
        return False
    if sign == 0:
        return not any(differences)
    return differences[0] * sign > 0 and all(difference * sign >= 0 for difference in differences)


def _stretches(race: Race, names: dict[int, str | None], step: int) -> tuple[Stretch, ...]:
    end = 1
    while not race.is_final(end):
        end *= 2
        if end > FURTHEST:
            raise KaoprofError(f"no end of the crossings in sight up to {FURTHEST}", where="cross")
    signs = ((count, race.sign(count)) for count in range(1, end + 1))
    runs = [(sign, [count for count, _ in run]) for sign, run in itertools.groupby(signs, key=lambda pair: pair[1])]
    return tuple(
        Stretch(
            start=counts[0] * step,
            end=None if index == len(runs) - 1 else counts[-1] * step,
            cheaper=names[sign],
        )
        for index, (sign, counts) in enumerate(runs)
    )

"""The largest number that fits, where what is needed need not grow: with the size another kernel may serve.

What serves depends on how far a number can be divided (channels of a head by 8, say) and on bounds (heads of up to
256 channels). So numbers that differ by a multiple of the period are looked at by themselves, from the largest down.
"""

from collections.abc import Callable, Sequence

LOOKED_BEYOND = 4  # numbers, or twice the period if that is more: none of them may fit again

Fits = Callable[[int], bool]


def largest_within(fits: Fits, *, least: int, most: int, period: int = 1) -> int:
    """The largest whole number from `least` to `most` that fits; 0 if none does.

    The `period` numbers up to each doubling of the least are tried, the largest first; above the first of them that
    fit, each by itself is followed to the last that fits. Beyond the answer the next ones are tried, too.
    """
    tops = _doubling(least + period - 1, most)
    above = None
    for top in reversed(tops):
        fitting = [number for number in range(max(least, top - period + 1), top + 1) if fits(number)]
        if fitting:
            largest = max(_followed(fits, number, above, period) for number in fitting)
            return _beyond(fits, largest, most, max(LOOKED_BEYOND, 2 * period))
        above = top
    return 0


def _doubling(first: int, most: int) -> Sequence[int]:
    tops = [min(first, most)]
    while 2 * tops[-1] < most:
        tops.append(2 * tops[-1])
    return [*tops, most] if most > tops[-1] else tops


def _followed(fits: Fits, number: int, above: int | None, period: int) -> int:
    """The last that fits of those that differ from `number` by a multiple of the period; up to `above` one does not."""
    if above is None:
        return number
    low, high = 0, (above - number) // period
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(number + middle * period) else (low, middle)
    return number + low * period


def _beyond(fits: Fits, largest: int, most: int, looked: int) -> int:
    """The largest of those that fit from here on, as long as another one of the next `looked` does."""
    while further := [number for number in range(largest + 1, min(largest + looked, most) + 1) if fits(number)]:
        largest = max(further)
    return largest

"""The only place that formats or parses quantities: counts, bytes, seconds, ratios."""

import math
import re
from decimal import Decimal

from kaoprof.errors import UsageError

BYTE_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
BYTE_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
SECOND_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0, "m": 60.0, "h": 3600.0}
NUMBER = r"(?P<number>[0-9]{1,100}(?:\.[0-9]{0,100})?|\.[0-9]{1,100})"  # no digits of other scripts, and an end

COUNT_PREFIXES = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
BINARY_PREFIXES = ((2**50, "PiB"), (2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
TIME_PREFIXES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
LONGEST_S = 30 * 24 * 3600.0
ROUNDS_UP = 0.9995  # of a unit: what is rounded to 1024 KiB is 1.00 MiB
MOST_DECIMALS = 9  # of a figure beside its limit
LEAST_BARE_BYTES = 2**20  # below it a number without a unit is a slip: who writes 24 means 24 GiB
FROM_THOUSANDS = 10_000  # from here on a factor is written with separators
FROM_WHOLE_PERCENT = 9.95  # a change from here on is written without decimals
FROM_MINUTES_S, FROM_HOURS_S = 100.0, 6000.0  # below 100 of a unit its smaller neighbour still reads well


def three_digits(value: float) -> str:
    """`value` with three significant digits and no exponent below a million: 0.01, 6.74, 157, 3736."""
    if value == 0:
        return "0"
    shown, _, exponent = f"{value:.2e}".partition("e")  # of what it is when rounded: 9.996 is 10.0
    place = int(exponent)
    return shown if place == 0 else f"{value:.{min(max(0, 2 - place), 6)}f}"


def format_count(count: int) -> str:
    """A plain count with an SI prefix, as papers print it: `157.55 M`; small counts stay whole."""
    for factor, prefix in COUNT_PREFIXES:
        if count >= factor:
            return f"{count / factor:.2f} {prefix}"
    return str(count)


def format_bytes(count: int) -> str:
    """Bytes with a binary prefix and three digits: `1.20 MiB`, `125 TiB`."""
    factor, prefix = next((unit for unit in BINARY_PREFIXES if count >= unit[0] * ROUNDS_UP), (1, "B"))
    return f"{count} B" if prefix == "B" else f"{three_digits(count / factor)} {prefix}"


def format_beside(amount: int, limit: float, prefixes: tuple[tuple[int, str], ...]) -> str:
    """`amount` with three digits, and more where only these show on which side of `limit` it is: `23.998 GiB` of 24."""
    factor, prefix = next((unit for unit in prefixes if amount >= unit[0] * ROUNDS_UP), (1, ""))
    if factor == 1:
        return f"{amount} B" if prefixes is BINARY_PREFIXES else str(amount)
    shown = three_digits(amount / factor)
    decimals = len(shown.partition(".")[2])
    while decimals < MOST_DECIMALS and _side(Decimal(shown) * factor, limit) != _side(amount, limit):
        decimals += 1
        shown = f"{amount / factor:.{decimals}f}"
    return f"{shown} {prefix}"


def _side(amount: Decimal | int, limit: float) -> int:
    return (amount > limit) - (amount < limit)


def time_unit(seconds: float) -> tuple[float, str]:
    """The unit in which `seconds` is between 1 and 1000, as (factor, name)."""
    for unit in TIME_PREFIXES:  # a report of many rows asks for it several times a row
        if seconds >= unit[0]:
            return unit
    return TIME_PREFIXES[-1]


def format_seconds(seconds: float) -> str:
    """Seconds in a readable unit: `156 µs`, `32.5 ms`, `3.74 s`, `25 min`."""
    if seconds >= FROM_HOURS_S:
        return f"{three_digits(seconds / 3600)} h"
    if seconds >= FROM_MINUTES_S:
        return f"{three_digits(seconds / 60)} min"
    factor, name = time_unit(seconds)
    return f"{three_digits(seconds / factor)} {name}"


def format_interval(low: float, high: float) -> str:
    """An interval of seconds in one unit: `32.1-33.0 ms`."""
    factor, name = time_unit(high)
    return f"{three_digits(low / factor)}-{three_digits(high / factor)} {name}"


def sure_digits(value: float, low: float | None, high: float | None) -> str:
    """`value` with the digits that its interval supports, three at most: 71.3 within 70.4-75.0 is 71.

    Rounded to the decimal place of half the interval's first digit; without an interval to two digits.
    """
    return _at_place(value, _sure_place(value, low, high)) if value > 0 else "0"


def sure_interval(value: float, low: float, high: float) -> str:
    """The interval, rounded outwards, with a digit more than its value has, three in all at most: `70.4-75.0`.

    An end far from the value has its own place: the lower one never becomes 0, the upper one has three digits too.
    """
    place = max(_sure_place(value, low, high) - 1, math.floor(math.log10(value)) - 2)
    below = min(place, math.floor(math.log10(low))) if low > 0 else place
    above = max(place, math.floor(math.log10(high)) - 2)
    low = math.floor(round(low / 10.0**below, 6)) * 10.0**below
    high = math.ceil(round(high / 10.0**above, 6)) * 10.0**above
    return f"{_at_place(low, below)}-{_at_place(high, above)}"


def _sure_place(value: float, low: float | None, high: float | None) -> int:
    """The decimal place of the last digit worth printing: 0 for ones, -1 for tenths."""
    magnitude = math.floor(math.log10(value))
    if low is None or high is None:
        return magnitude - 1
    half = (high - low) / 2
    place = math.floor(math.log10(half)) if half > 0 else magnitude - 2
    return min(max(place, magnitude - 2), magnitude)


def _at_place(value: float, place: int) -> str:
    return f"{round(value, -place):.{max(0, -place)}f}"


def format_seconds_surely(seconds: float, low: float | None, high: float | None) -> str:
    """Seconds with the digits that their interval supports: `71 ms`."""
    factor, name = time_unit(seconds)
    ends = (None if low is None else low / factor, None if high is None else high / factor)
    return f"{sure_digits(seconds / factor, *ends)} {name}"


def counted(count: int, noun: str) -> str:
    """`1 thread`, `2 threads`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def format_short_count(count: int) -> str:
    """A plain count with an SI prefix and three digits: `158 M`."""
    factor, prefix = next((pair for pair in COUNT_PREFIXES if count >= pair[0]), (1, ""))
    return f"{three_digits(count / factor)} {prefix}" if prefix else str(count)


def format_rate(per_second: float, unit: str) -> str:
    """A rate with a decimal prefix: `42.5 GB/s`, `1.98 TFLOP/s`."""
    factor, prefix = next((pair for pair in COUNT_PREFIXES if per_second >= pair[0]), (1, ""))
    return f"{three_digits(per_second / factor)} {prefix}{unit}/s"


def format_ratio(ratio: float) -> str:
    """A factor: `306x`, `1.53x`, `0.840x`, `258,119x`."""
    if ratio >= FROM_THOUSANDS:
        return f"{ratio:,.0f}x"
    return f"{three_digits(ratio)}x"


def format_percent(fraction: float, style: str = ".0%") -> str:
    """A fraction as people read it: `33 %`, and `+4.2 %` in Python's style `+.1%`."""
    return f"{fraction:{style}}".replace("%", " %")


def parse_seconds(text: str, *, where: str | None = None) -> float:
    """`10s`, `500ms`, `2min` or a bare number of seconds.

    Raises:
        UsageError: it is not a positive, finite length of time.
    """
    match = re.fullmatch(NUMBER + r"\s*(?P<unit>[a-zµ]*)", text.strip())
    if match is None or match["unit"] not in SECOND_UNITS:
        raise UsageError(f"{text!r} is not a length of time", where=where, hint="write for example 10s, 500ms or 2min")
    seconds = float(match["number"]) * SECOND_UNITS[match["unit"]]
    if seconds > LONGEST_S:
        raise UsageError(f"{text!r} is more than 30 days", where=where, hint="write for example 10s")
    if not seconds > 0:
        raise UsageError(f"{text!r} must be more than zero", where=where, hint="write for example 10s")
    return seconds


def parse_bytes(text: str, *, where: str | None = None) -> int:
    """`24GiB`, `512 MB` or a bare number of bytes from 1 MiB on: who writes `24` means no bytes.

    Raises:
        UsageError: it is not a positive amount of memory, or a bare number that is too small to be meant.
    """
    match = re.fullmatch(NUMBER + r"\s*(?P<unit>[A-Za-z]*)", text.strip())
    unit = (match["unit"].upper() or "B") if match else ""
    if match is None or unit not in BYTE_UNITS:
        raise UsageError(f"{text!r} is not an amount of memory", where=where, hint="write for example 24GiB or 512MB")
    count = int(float(match["number"]) * BYTE_UNITS[unit])
    if not 1 <= count <= MOST_COUNT:
        wrong = "must be more than zero" if count < 1 else "is more than any memory"
        raise UsageError(f"{text!r} {wrong}", where=where, hint="write for example 24GiB")
    if not match["unit"]:
        check_bare_bytes(count, where=where)
    return count


def check_bare_bytes(count: float, *, where: str | None = None) -> None:
    """Refuses a number of bytes, given without a unit, that nobody means.

    Raises:
        UsageError: it is below 1 MiB.
    """
    if 1 <= count < LEAST_BARE_BYTES:
        hint = f"write {count:g}GiB; or {count:g}B, if bytes are meant"
        raise UsageError(f"{count:g} bytes?", where=where, hint=hint)


MOST_COUNT = 10**24  # beyond it no prefix is left, and a count is a slip of the hand


def parse_count(text: str, *, where: str | None = None) -> int:
    """`1G`, `157.5 M`, `2e9` or a bare number: decimal prefixes k, M, G, T, P.

    Raises:
        UsageError: it is not a positive count; `m` is none, since it could mean millions or thousandths.
    """
    match = re.fullmatch(NUMBER + r"(?P<power>[eE]\+?[0-9]{1,2})?\s*(?P<prefix>[kKMGTP]?)", text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a count", where=where, hint="write for example 1G, 300M or 2e9")
    factor = {prefix: factor for factor, prefix in COUNT_PREFIXES}.get(match["prefix"].replace("K", "k"), 1)
    count = Decimal(match["number"] + (match["power"] or "")) * factor  # decimal: 157.3 M is exact
    if count < 1:
        raise UsageError(f"{text!r} must be more than zero", where=where, hint="write for example 1G")
    if count != int(count) or count > MOST_COUNT:
        raise UsageError(f"{text!r} is not a whole number up to 1e24", where=where, hint="write for example 1G")
    return int(count)


def format_change(ratio: float) -> str:
    """New over old as a change: `+20 %`, `-3.2 %`, `0.0 %`; growth from nothing is `from 0`."""
    if math.isinf(ratio):
        return "from 0"
    percent = 100 * (ratio - 1)
    if abs(percent) < FROM_WHOLE_PERCENT:
        return "0.0 %" if round(percent, 1) == 0 else f"{percent:+.1f} %"
    return f"{percent:+,.0f} %"


def format_change_interval(low: float, high: float) -> str:
    """An interval of changes: `+12 to +29 %`."""
    return f"{format_change(low).removesuffix(' %')} to {format_change(high)}"


def parse_percent(text: str, *, where: str | None = None) -> float:
    """`5%` or `2.5 %` as 0.05 or 0.025.

    Raises:
        UsageError: it is not a percentage from 0 % on; a bare number is none, since 5 and 0.05 could mean the same.
    """
    match = re.fullmatch(NUMBER + r"\s*%", text.strip(), re.ASCII)
    if match is None:
        raise UsageError(f"{text!r} is not a percentage", where=where, hint="write for example 5%")
    return float(match["number"]) / 100

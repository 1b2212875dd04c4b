"""What a screen quotes of a standing: which estimate, with the digits that hold, and what is too noisy to quote."""

import math
from collections.abc import Callable
from typing import Protocol

from kaoprof.reporting.document import UNKNOWN
from kaoprof.stats.medians import Estimate
from kaoprof.units import counted, format_interval, format_ratio, format_seconds, sure_digits

TOO_NOISY = 10.0  # times the lower end: an interval whose upper end is farther away holds no figure
NOISY = "too noisy"
UNSURE = "?"
ITSELF = "1x"  # of what is compared with itself
FROM_WHOLE = 1000  # of a factor: from here on it is written with separators


class Timed(Protocol):
    """A row or a model beside its rivals."""

    @property
    def latency(self) -> Estimate | None:
        """Seconds of a call."""


def seconds_of(standing: Timed) -> float:
    """The seconds by which rows and models are ranked; what has none comes last."""
    return math.inf if standing.latency is None else standing.latency.value


def is_too_noisy(estimate: Estimate | None) -> bool:
    """Whether the ends of its interval are so far apart that no figure between them means anything."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return False
    return estimate.high > TOO_NOISY * max(estimate.low, 0.0)


def seconds_text(seconds: Estimate | None) -> str:
    """A time: `283 µs`."""
    return UNKNOWN if seconds is None else format_seconds(seconds.value)


def interval_text(seconds: Estimate | None) -> str:
    """Its interval, `228-436 µs`, or that it is too wide to mean anything; empty where there is none."""
    if seconds is None or seconds.interval is None:
        return ""
    return NOISY if is_too_noisy(seconds) else format_interval(*seconds.interval)


def times_text(factor: Estimate | None) -> str:
    """A factor with the digits that its interval supports, `180x`; `?` where that holds none."""
    if factor is None:
        return UNKNOWN
    if is_too_noisy(factor):
        return UNSURE
    if factor.interval == (1.0, 1.0):
        return ITSELF
    if factor.value >= FROM_WHOLE:
        return format_ratio(factor.value)
    return f"{sure_digits(factor.value, factor.low, factor.high)}x"


def surely_text(factor: Estimate) -> str:
    """How sure a factor is: `at least 107x (95 %)`."""
    if factor.low is None or factor.high is None:
        return f"no interval from {counted(factor.samples, 'round')}"
    if factor.low > 1:
        return f"at least {format_ratio(_rounded(factor.low, math.floor))} (95 %)"
    low, high = _rounded(factor.low, math.floor), _rounded(factor.high, math.ceil)
    return f"95 %: {format_ratio(low).removesuffix('x')} to {format_ratio(high)}"


def _rounded(factor: float, towards: Callable[[float], int]) -> float:
    """Three digits that promise no more than is known."""
    unit: float = 10.0 ** (math.floor(math.log10(factor)) - 2) if factor > 0 else 1.0
    return towards(round(factor / unit, 6)) * unit

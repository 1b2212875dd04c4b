"""What parts of a picture say to who points at them, without any script: an SVG's own titles."""

import re

from kaoprof.reporting.formats.plain import visible
from kaoprof.reporting.plots import style

SIGN = "says: "  # what an artist's identifier begins with that is no identifier
GROUP = re.compile(rf'<g id="{SIGN}([^"]*)">')


def says(text: str) -> str:
    """The `gid` of an artist that says `text`."""
    return SIGN + visible(text)


def with_titles(svg: str) -> str:
    """The drawing with titles, whose texts matplotlib has escaped."""
    return GROUP.sub(r"<g><title>\1</title>", svg)


def surely(value: float, low: float | None, high: float | None, unit: str) -> str:
    """Such as `1.62 ms (95 %: 1.57 ms to 1.67 ms)`."""
    text = style.in_unit(value, unit)
    if low is None or high is None:
        return text
    return f"{text} (95 %: {style.in_unit(low, unit)} to {style.in_unit(high, unit)})"

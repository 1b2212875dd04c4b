"""How a width follows a height: `16:9`, or `1.78h`, 1.78 times the height; rounded to the nearest whole number."""

import math
import re
from collections.abc import Collection
from fractions import Fraction
from typing import Annotated

import msgspec
from msgspec import Meta

from kaoprof.errors import UsageError

NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
RATIO, FACTOR = re.compile(f"{NUMBER}:{NUMBER}"), re.compile(f"{NUMBER} ?h")
MOST_BELOW = 1000  # of a ratio that is looked for: the simplest is what somebody wrote
MOST = 10_000  # times as wide as high, or as high as wide
AspectText = Annotated[str, Meta(pattern=r"^([0-9.]{1,13}(:[0-9.]{1,13}|h))?$")]


class Aspect(msgspec.Struct, frozen=True):
    """The width for each height, as it was written."""

    text: str
    ratio: Fraction

    def width(self, height: int) -> int:
        """The nearest whole number, upwards from a half; at least 1."""
        exact = height * self.ratio
        return max(1, (2 * exact.numerator + exact.denominator) // (2 * exact.denominator))

    def step(self, multiple: int) -> int:
        """The least height whose exact width is a multiple of `multiple`; all such heights are multiples of it."""
        return (self.ratio / multiple).denominator

    def __str__(self) -> str:
        if self.ratio == 1:
            return "w = h"
        factor = self.text.removesuffix("h") if self.text.endswith("h") else self.text.replace(":", "/")
        return f"w = {factor} h, rounded"


SQUARE = Aspect("1:1", Fraction(1))


def parse_aspect(text: str, *, where: str) -> Aspect:
    """`16:9`, width to height; `1.78h` or `h`, the height so many times.

    Raises:
        UsageError: it is neither, or no picture has such sides.
    """
    told = text.strip()
    ratio, factor = RATIO.fullmatch(told), FACTOR.fullmatch("1h" if told == "h" else told)
    try:
        if ratio is not None:
            exact = Fraction(ratio[1]) / Fraction(ratio[2])
        elif factor is not None:
            exact = Fraction(factor[1])
        else:
            raise UsageError(
                f"{text[:40]!r} is not an aspect ratio", where=where, hint="write for example 16:9 or 1.78h"
            )
    except ZeroDivisionError:
        exact = Fraction(0)
    if not Fraction(1, MOST) <= exact <= MOST:
        raise UsageError(f"{text[:40]!r} is no picture's", where=where, hint="write for example 16:9, width to height")
    return Aspect("1h" if told == "h" else told.replace(" ", ""), exact)


def aspect_through(shapes: Collection[tuple[int, int]]) -> Aspect | None:
    """The simplest ratio that rounds every height to its width, of (h, w); None if none does, or there is one."""
    sides = dict(shapes)
    if len(sides) < len(set(shapes)) or len(sides) == 1:
        return None
    least = max(_least_ratio(height, width) for height, width in sides.items())
    most = min(Fraction(2 * width + 1, 2 * height) for height, width in sides.items())
    for below in range(1, MOST_BELOW):
        above = math.ceil(least * below)
        if Fraction(above, below) < most:
            aspect = parse_aspect(f"{above}:{below}", where="aspect")
            return aspect if all(aspect.width(height) == width for height, width in sides.items()) else None
    return None


def _least_ratio(height: int, width: int) -> Fraction:
    """From which on the width is that wide; nothing is narrower than 1."""
    return Fraction(2 * width - 1, 2 * height) if width > 1 else Fraction(1, MOST_BELOW)


def is_tied(width: str) -> bool:
    """Whether a width is meant to follow the height."""
    return width.strip().endswith("h") or ":" in width


def told_aspect(aspect: str | None, width: str | None) -> Aspect | None:
    """What ties the width to the height: `--aspect 16:9`, or a width that ends in `h`; None if nothing does.

    Raises:
        UsageError: both are given, or one that cannot be read.
    """
    if aspect is not None and width is not None:
        raise UsageError("excludes w, which it ties to h", where="aspect", hint="give one of them")
    if aspect is not None:
        return parse_aspect(aspect, where="aspect")
    return parse_aspect(width, where="w") if width is not None and width.strip().endswith("h") else None


def follows_height(shapes: Collection[tuple[int, ...]]) -> bool:
    """Whether some ratio rounds every height to its width, and is not 1, nor the widths all the same."""
    least = max((width - 0.5) / height for height, width in shapes)
    most = min((width + 0.5) / height for height, width in shapes)
    bent = any(height != width for height, width in shapes)
    return bent and least <= most and len({width for _, width in shapes}) > 1

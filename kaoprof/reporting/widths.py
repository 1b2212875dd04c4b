"""How wide a paper's columns are, by the names of who prints it."""

import re

import msgspec

from kaoprof.errors import UsageError, did_you_mean

INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
POINTS = 72.27  # of TeX, in an inch
LEAST_IN, MOST_IN = 2.0, 20.0  # narrower no plot can be read; wider no paper is
AMOUNT = re.compile(r"([0-9]{1,4}(?:\.[0-9]{0,4})?)\s*(in|cm|mm|pt)")


class Width(msgspec.Struct, frozen=True):
    """A column, or the text `across` all of them; in inches."""

    inches: float
    across: bool = False

    @property
    def points(self) -> float:
        """In TeX's points."""
        return self.inches * POINTS


WIDTHS = {
    "neurips": Width(5.5), "cvpr": Width(3.25), "cvpr-wide": Width(6.875, across=True), "ieee": Width(3.5),
    "ieee-wide": Width(7.16, across=True),
}  # fmt: skip


def parse_width(text: str | None) -> Width | None:
    """`cvpr`, or `84mm`.

    Raises:
        UsageError: it is neither, or no width of a paper.
    """
    if text is None or text in WIDTHS:
        return WIDTHS[text] if text else None
    match = AMOUNT.fullmatch(text.strip())
    if match is None:
        names = ", ".join(WIDTHS)
        hint = did_you_mean(text, tuple(WIDTHS)) if text[:1].isalpha() else f"write {names}, or a width such as 84mm"
        raise UsageError(f"{text!r} is no width", where="--width", hint=hint)
    inches = float(match[1]) * INCHES[match[2]]
    if not LEAST_IN <= inches <= MOST_IN:
        between = f"from {LEAST_IN:g}in to {MOST_IN:g}in"
        raise UsageError(f"{text!r} is no width of a paper's column", where="--width", hint=f"choose one {between}")
    return Width(inches)

"""How every plot looks: sizes for a two-column paper, signs that survive greyscale and colour blindness."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from kaoprof.units import format_bytes, format_count, format_seconds

COLUMN_IN, PAGE_IN = 3.3, 7.0  # widths of one column and of both, in inches
LEAST_PANEL_IN = 1.8  # width that a panel takes: of fewer there are more below each other
NARROW_IN = 4.5  # width below which there is no room for names and several panels
ENTRY_IN = 1.38  # width of a legend's entry
PANEL_IN = 2.2  # height of one panel
LOW_PANEL_IN = 1.6  # of panels below each other
LEGEND_IN = 0.17  # height of one line of a legend
SMALL_PT = 7
MARKER_PT = 3.6
INK = "#0a0b0c"  # of text and axes: nearly black, and told apart from any colour of a curve
SHEET = Path(__file__).with_name("kaoprof.mplstyle")  # all else, as matplotlib reads it
GREY = "#7f7f7f"  # of guide lines
BENT: dict[str, Any] = {"color": GREY, "alpha": 0.3, "linewidth": 6.0}  # the shadow of what overhead bends
# Okabe and Ito's palette (Color Universal Design), in an order in which neighbours differ in lightness; no yellow
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#555555")
CLASS_COLOURS = {6: "#CC79A7", 4: "#D55E00", 3: "#0072B2", 2: "#009E73", 1: "#56B4E9"}  # by the power of the size
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))  # of an operator's implementations, in order

Sign: TypeAlias = dict[str, Any]  # how one curve is drawn, in matplotlib's words


def signs_of(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Sign]:
    """A sign for each (operator, implementation): colour and marker tell the operator, line and filling the rest."""
    operators: dict[str, int] = {}
    implementations: dict[str, int] = {"": 0}
    signs = {}
    for operator, implementation in names:
        which = operators.setdefault(operator, len(operators))
        if implementation:
            implementations.setdefault(implementation, len(implementations) - 1)
        kind = implementations[implementation]
        colour = COLOURS[which % len(COLOURS)]
        signs[operator, implementation] = {
            "color": colour, "marker": MARKERS[which % len(MARKERS)], "linestyle": LINES[kind % len(LINES)],
            "markerfacecolor": "none" if kind % 2 else colour, "markeredgewidth": 0.8,
        }  # fmt: skip
    return signs


def in_unit(value: float, unit: str) -> str:
    """Seconds (`s`), bytes (`B`) or a count."""
    if unit == "s":
        return format_seconds(value)
    return format_bytes(round(value)) if unit == "B" else format_count(round(value))


def short(value: float, unit: str) -> str:
    """A tick's label: `10 ms`, `64 KiB`, `1 M`."""
    if value <= 0:
        return "0"
    number, _, name = in_unit(value, unit).partition(" ")
    plain = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{plain} {name}".strip()

"""How every plot looks: sizes for a two-column paper, signs that survive greyscale and colour blindness."""

from collections.abc import Iterable
from typing import Any

import msgspec

from kaoprof.units import format_bytes, format_count, format_seconds

COLUMN_IN, PAGE_IN = 3.3, 7.0  # widths of one column and of both, in inches
PANEL_IN = 2.2  # height of one panel
LEGEND_IN = 0.17  # height of one line of a legend
FONT_PT, SMALL_PT = 8, 7
MARKER_PT = 3.6
INK = "#0a0b0c"  # of text and axes: nearly black, and told apart from any colour of a curve
GREY = "#7f7f7f"  # of guide lines
# Okabe and Ito's palette (Color Universal Design), in an order in which neighbours differ in lightness; no yellow
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#555555")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))  # of an operator's implementations, in order

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": FONT_PT,
    "axes.titlesize": FONT_PT,
    "axes.labelsize": FONT_PT,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "legend.fontsize": SMALL_PT,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "lines.markersize": MARKER_PT,
    "legend.frameon": False,
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": True,
    "pdf.fonttype": 42,  # embedded TrueType: publishers refuse type 3
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "kaoprof",  # the same figure gives the same file
    "path.simplify": False,
}


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """How one curve is drawn."""

    colour: str
    marker: str
    line: Any  # matplotlib's line style: a sign, or dashes
    hollow: bool


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
        signs[operator, implementation] = Sign(
            colour=COLOURS[which % len(COLOURS)],
            marker=MARKERS[which % len(MARKERS)],
            line=LINES[kind % len(LINES)],
            hollow=kind % 2 == 1,
        )
    return signs


def short(value: float, unit: str) -> str:
    """A tick's label: `10 ms`, `64 KiB`, `1 M`."""
    if value <= 0:
        return "0"
    if unit == "s":
        text = format_seconds(value)
    else:
        text = format_bytes(round(value)) if unit == "B" else format_count(round(value))
    number, _, name = text.partition(" ")
    plain = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{plain} {name}".strip()

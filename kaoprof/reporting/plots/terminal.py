"""A log-log plot made of characters: a letter for each curve, dots between its points."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from kaoprof.reporting.plots.chart import Curve, Panel, known_quantities, panel_of, quantities_of
from kaoprof.reporting.plots.style import in_unit
from kaoprof.reporting.tables.grid import Grid

MOST_PLOTS = 3  # of one report
ROWS = 16  # of characters: with the table's legend it fits a terminal of 24
LABEL_WIDTH = 9  # of the vertical axis: `1023 KiB`
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOST = "x"  # what did not run, at its predicted place
STYLES = ("blue", "yellow", "green", "red", "magenta", "cyan", "white")  # by operator
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a Braille sign, by row and column
BRAILLE = 0x2800


@dataclass(slots=True)
class Canvas:
    """Characters, with dots finer than characters: 2 across and 4 down in each."""

    columns: int
    rows: int
    dots: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    signs: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)

    def dot(self, across: float, down: float, style: str) -> None:
        """A dot at a place between 0 and 1 from the left and from the top."""
        x, y = round(across * (2 * self.columns - 1)), round(down * (4 * self.rows - 1))
        bits, _ = self.dots.get((x // 2, y // 4), (0, style))
        self.dots[x // 2, y // 4] = (bits | DOTS[y % 4][x % 2], style)

    def sign(self, across: float, down: float, sign: str, style: str) -> None:
        """A character at such a place; where there is another one, `*`."""
        place = (round(across * (2 * self.columns - 1)) // 2, round(down * (4 * self.rows - 1)) // 4)
        there, _ = self.signs.get(place, (sign, style))
        self.signs[place] = (sign, style) if there == sign else ("*", "bold")

    def line(self, row: int, *, unicode: bool) -> Text:
        """One row of characters."""
        text = Text()
        for column in range(self.columns):
            if (column, row) in self.signs:
                text.append(*self.signs[column, row])
            elif (column, row) in self.dots:
                bits, style = self.dots[column, row]
                text.append(chr(BRAILLE + bits) if unicode else ".", style=style)
            else:
                text.append(" ")
        return text


def first_plots(grid: Grid, width: int, *, unicode: bool) -> list[RenderableType]:
    """The first quantity that there is, or those asked for, of the first blocks."""
    known = known_quantities(grid)
    names = [name for name in grid.quantities or quantities_of(grid)[:1] if name in known]
    plots = [
        plot_to_console(panel_of(grid, block, name), grid.x_label, block.label, width, unicode=unicode)
        for block in grid.blocks[:MOST_PLOTS]
        for name in names
    ]
    return [plot for plot in plots if plot is not None]


def plot_to_console(panel: Panel, x_label: str, title: str, width: int, *, unicode: bool) -> RenderableType | None:
    """The panel as rich renderables; None if there are not two sizes to draw a line between.

    Args:
        panel: what to draw.
        x_label: what varies.
        title: what stays.
        width: of the terminal, in characters.
        unicode: whether the terminal knows Braille signs.
    """
    drawn = [curve for curve in panel.curves if curve.shown]
    sizes = sorted({point.x for curve in drawn for point in curve.shown})
    values = [point.value for curve in drawn for point in curve.shown]
    if len(sizes) < 2 or not values:  # noqa: PLR2004 - a line takes two points
        return None
    canvas = Canvas(columns=max(20, width - LABEL_WIDTH - 2), rows=ROWS)
    scale = _Scale(sizes[0], sizes[-1], min(values), max(values))
    operators = list(dict.fromkeys(curve.operator for curve in drawn))
    styles = {operator: STYLES[number % len(STYLES)] for number, operator in enumerate(operators)}
    legend = Text()
    for letter, curve in zip(LETTERS, drawn, strict=False):
        _draw(canvas, scale, curve, letter, styles[curve.operator])
        legend.append(f"{letter} ", style=f"bold {styles[curve.operator]}").append(f"{curve.name}  ")
    if any(curve.lost for curve in drawn):
        legend.append(f"{LOST} did not run  ")
    legend.append("* several")
    head = Text(f"{panel.what.title} against {x_label}, both logarithmic{f'; {title}' if title else ''}", style="bold")
    return Group(
        Text(), head, *_framed(canvas, panel.what.unit, scale, unicode=unicode), _ticks(canvas, sizes, scale), legend
    )


class _Scale(msgspec.Struct, frozen=True):
    """The corners; a quantity that is the same everywhere lies in the middle."""

    left: float
    right: float
    bottom: float
    top: float

    def across(self, x: float) -> float:
        return math.log(x / self.left) / math.log(self.right / self.left)

    def down(self, value: float) -> float:
        if self.top <= self.bottom:
            return 0.5
        return 1.0 - math.log(value / self.bottom) / math.log(self.top / self.bottom)


def _draw(canvas: Canvas, scale: _Scale, curve: Curve, letter: str, style: str) -> None:
    places = [(scale.across(point.x), scale.down(point.value)) for point in curve.shown]
    steps = 4 * canvas.columns
    for (left, start), (right, end) in itertools.pairwise(places):
        for step in range(steps + 1):
            part = step / steps
            canvas.dot(left + part * (right - left), start + part * (end - start), style)
    for across, down in places:
        canvas.sign(across, down, letter, f"bold {style}")
    for lost in curve.lost:
        inside = lost.value is not None and scale.bottom <= lost.value <= scale.top
        if scale.left <= lost.x <= scale.right:
            canvas.sign(scale.across(lost.x), scale.down(lost.value or 1.0) if inside else 0.0, LOST, f"bold {style}")


def _framed(canvas: Canvas, unit: str, scale: _Scale, *, unicode: bool) -> list[Text]:
    """The rows with the values at the top, in the middle and at the bottom."""
    marks = {0: scale.top, canvas.rows // 2: math.sqrt(scale.top * scale.bottom), canvas.rows - 1: scale.bottom}
    edge = "┤" if unicode else "|"
    return [
        Text.assemble(f"{in_unit(marks[row], unit) if row in marks else '':>{LABEL_WIDTH}}",
                      edge if row in marks else ("│" if unicode else "|"), canvas.line(row, unicode=unicode))
        for row in range(canvas.rows)
    ]  # fmt: skip


def _ticks(canvas: Canvas, sizes: Sequence[int], scale: _Scale) -> Text:
    """The sizes under their places, as many as fit."""
    line = [" "] * (canvas.columns + 1)
    for size in sorted(sizes, key=lambda size: size not in (sizes[0], sizes[-1])):
        text = str(size)
        place = round(scale.across(size) * (canvas.columns - 1))
        start = min(max(place - len(text) // 2, 0), canvas.columns + 1 - len(text))
        if all(sign == " " for sign in line[max(0, start - 1) : start + len(text) + 1]):
            line[start : start + len(text)] = text
    return Text(" " * (LABEL_WIDTH + 1) + "".join(line).rstrip())

"""Log-log plots of a grid: measured points with their intervals over the slopes that theory expects."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from kaoprof.reporting.formats.plain import visible
from kaoprof.reporting.plots import style
from kaoprof.reporting.plots.chart import Curve, Panel, panel_of, same_course
from kaoprof.reporting.plots.overhead import BENT
from kaoprof.reporting.tables.grid import Block, Grid

Signs = dict[tuple[str, str], style.Sign]
MOST_TICKS = 7  # sizes that are named on the horizontal axis
FEW_TICKS, WIDE_PANEL_IN = 4, 2.2  # in narrower panels fewer have room
APART = 0.055  # of a panel's height, the least distance between the labels of guide lines
MOST_COLUMNS = 5  # of the legend, across both columns of a paper
FEW_DECADES = 1.5  # below them powers of ten are too few ticks
BEYOND = 1.15  # factor by which the axes go on beyond the outermost points
ROOM = 0.03  # of the height, that at least stays free above and below: half of a mark
LONGEST_LABEL = 100  # characters: a title of runs that were kept is as long


def plot_grid(grid: Grid, blocks: Sequence[Block], chosen: Sequence[str], inches: float | None = None) -> Figure:
    """One figure: a row of panels per block, a column per quantity; as wide as one or both columns of a paper.

    In fewer `inches` than they take the quantities stand below each other.
    """
    panels = panels_of(grid, blocks, chosen)
    signs = style.signs_of(
        (curve.operator, curve.implementation) for row in panels for panel in row for curve in panel.curves
    )
    with mpl.rc_context(fname=style.SHEET):
        width = inches or (style.COLUMN_IN if len(chosen) == 1 else style.PAGE_IN)
        handles = _legend(panels, signs)
        columns = max(2, min(MOST_COLUMNS, int(width / style.ENTRY_IN), math.ceil(len(handles) / 2)))
        beside = width / len(chosen) >= style.LEAST_PANEL_IN
        lines, across = (len(blocks), len(chosen)) if beside else (len(blocks) * len(chosen), 1)
        panel_in = style.PANEL_IN if beside else style.LOW_PANEL_IN
        height = panel_in * lines + style.LEGEND_IN * math.ceil(len(handles) / columns) + 0.1
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(lines, across, squeeze=False, sharex=True).reshape(len(blocks), len(chosen))
        placed = list(zip(axes.flat, itertools.chain(*panels), strict=True))
        for place, panel in placed:
            draw_panel(place, panel, signs)
        for place, block in zip(axes[:, 0], blocks, strict=True):
            place.set_title(literal(block.label), loc="left")
        for place in axes[-1, -across:]:
            place.set_xlabel(literal(grid.x_label))
        for column, drawn in zip(axes.T, zip(*panels, strict=True), strict=True):
            scale_panels(drawn, list(column), MOST_TICKS if width / across >= WIDE_PANEL_IN else FEW_TICKS)
        for place, panel in placed:
            mark_panel(place, panel, signs, grid.x_label)
        figure.legend(handles=handles, loc="outside upper center", ncols=columns, handlelength=2.2, columnspacing=1.0)
    return figure


def panels_of(grid: Grid, blocks: Sequence[Block], chosen: Sequence[str]) -> list[list[Panel]]:
    """A row of panels for each block, one for each quantity."""
    return [[panel_of(grid, block, quantity) for quantity in chosen] for block in blocks]


def draw_panel(axes: Axes, panel: Panel, signs: Signs) -> None:
    """The curves of a panel on logarithmic axes, with their intervals, and the memory that is allowed."""
    axes.loglog()
    both = any(curve.expected and curve.points for curve in panel.curves)
    axes.set_ylabel(f"{panel.what.title} (line: predicted)" if both else panel.what.title)
    for number, curve in enumerate(panel.curves):
        sign = signs[curve.operator, curve.implementation]
        covered = sum(same_course(curve, later) for later in panel.curves[number + 1 :])
        line = curve.expected if len(curve.expected) > len(curve.points) else curve.points
        axes.plot([point.x for point in line], [point.value for point in line], color=sign["color"],
                  linestyle=sign["linestyle"], linewidth=0.9 + 1.2 * covered, zorder=2)  # fmt: skip
        axes.plot([x for x, _ in curve.bent], [value for _, value in curve.bent], **style.BENT,
                  solid_capstyle="round", zorder=1.5)  # fmt: skip
        points = curve.shown
        errors = [[0.0 if point.low is None else point.value - point.low for point in points],
                  [0.0 if point.high is None else point.high - point.value for point in points]]  # fmt: skip
        axes.errorbar(
            [point.x for point in points], [point.value for point in points], yerr=errors if points else None,
            **sign | {"linestyle": "none"}, capsize=1.5, elinewidth=0.8, zorder=3,
            markersize=style.MARKER_PT + 1.8 * covered,
        )  # fmt: skip
    if panel.limit is not None:
        axes.axhline(panel.limit, color=style.GREY, linewidth=0.8, linestyle=":")
        axes.annotate("allowed", (0.02, panel.limit), xycoords=("axes fraction", "data"), xytext=(0, 1.5),
                      textcoords="offset points", color=style.GREY, fontsize=style.SMALL_PT)  # fmt: skip


def scale_panels(panels: Sequence[Panel], column: Sequence[Axes], ticks: int = MOST_TICKS) -> None:
    """One scale for a column of panels, a little beyond what is drawn; of the sizes that were run some as `ticks`."""
    values = [value for panel in panels for value in _values(panel)]
    sizes = sorted({size for panel in panels for curve in panel.curves for size in curve.sizes})
    named = sizes[:: -math.ceil(len(sizes) / ticks)][::-1]  # evenly, the largest always among them
    unit = panels[0].what.unit
    for axes in column:
        axes.xaxis.set_major_locator(FixedLocator(named))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
        axes.set_xlim(sizes[0] / BEYOND, sizes[-1] * BEYOND)
        axes.yaxis.set_major_locator(_value_ticks(unit, math.log10(max(values) / min(values))))
        axes.yaxis.set_minor_locator(NullLocator() if unit == "B" else LogLocator(subs="all", numticks=50))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.short(value, unit)))
        room = max(BEYOND**2, (max(values) / min(values)) ** ROOM)
        axes.set_ylim(min(values) / room, max(values) * room)


def _value_ticks(unit: str, decades: float) -> LogLocator:
    """Powers of two for bytes, of ten for the rest, so that there are about three to six."""
    if unit == "B":
        return LogLocator(base=2 ** max(1, round(decades)), numticks=20)
    return LogLocator(base=10, subs=(1.0,) if decades > FEW_DECADES else (1.0, 2.0, 5.0), numticks=20)


def _values(panel: Panel) -> list[float]:
    values = [value for curve in panel.curves for point in (*curve.points, *curve.expected)
             for value in (point.value, point.low, point.high) if value]  # fmt: skip
    return values or [1.0]


def mark_panel(axes: Axes, panel: Panel, signs: Signs, x: str) -> None:
    """What did not run, at its predicted place or at the upper edge; and the guide lines with their labels."""
    for curve in panel.curves:
        sign = signs[curve.operator, curve.implementation]
        for lost in curve.lost:
            place: dict[str, Any] = {} if lost.value else {"transform": axes.get_xaxis_transform(), "clip_on": False}
            axes.plot([lost.x], [lost.value or 1.0], marker="x", color=sign["color"], linestyle="none", markersize=5,
                      markeredgewidth=1.2, zorder=4, **place)  # fmt: skip
    first = min((size for curve in panel.curves for size in curve.sizes), default=1)
    right = axes.get_xlim()[1]
    bottom, top = axes.get_ylim()
    labels = []
    for guide in panel.guides:
        start = guide.value * (first / guide.x) ** guide.exponent
        end = guide.value * (right / guide.x) ** guide.exponent
        axes.plot([first, right], [start, end], color=style.GREY, linestyle=(0, (2, 2)), linewidth=0.7, zorder=1,
                  scalex=False, scaley=False)  # fmt: skip
        labels.append((math.log(end / bottom) / math.log(top / bottom), guide.exponent))
    axis, height = x.partition(" ")[0], math.inf
    for wanted, exponent in sorted(labels, reverse=True):
        height = min(wanted, height - APART * 2, 1.0)
        power = f"${axis}^{{{exponent}}}$" if exponent != 1 else f"${axis}$"
        axes.annotate(power, (1.0, height), xycoords="axes fraction", xytext=(2, 0), textcoords="offset points",
                      color=style.GREY, fontsize=style.SMALL_PT, va="center", annotation_clip=False)  # fmt: skip


def _legend(panels: Sequence[Sequence[Panel]], signs: Signs) -> list[Line2D]:
    """One entry per curve; what a cross and a dashed grey line mean, where there are such."""
    curves = [curve for row in panels for panel in row for curve in panel.curves]
    handles = curve_handles(signs)
    if any(curve.lost for curve in curves):
        states = sorted({lost.status for curve in curves for lost in curve.lost})
        handles.append(Line2D([], [], color=style.INK, marker="x", linestyle="none", label=literal(", ".join(states))))
    handles += bent_handles(curves)
    if any(panel.guides for row in panels for panel in row):
        handles.append(Line2D([], [], color=style.GREY, linestyle=(0, (2, 2)), linewidth=0.7, label="theory"))
    return handles


def bent_handles(curves: Sequence[Curve]) -> list[Line2D]:
    """What a grey shadow means, where there is one."""
    if not any(curve.bent for curve in curves):
        return []
    return [Line2D([], [], **style.BENT, label=BENT)]


def curve_handles(signs: Signs) -> list[Line2D]:
    """One entry of a legend per curve; none for an operator as a whole whose implementations are there."""
    named = {operator for operator, implementation in signs if implementation}
    return [
        Line2D([], [], **sign, label=literal(":".join(filter(None, name))))
        for name, sign in signs.items()
        if name[1] or name[0] not in named
    ]


def literal(text: str) -> str:
    """`text` without what matplotlib takes for mathematics, on one line, and no longer than leaves room to draw."""
    shown = visible(text)
    shown = shown if len(shown) <= LONGEST_LABEL else f"{shown[:LONGEST_LABEL]}..."
    return shown.replace("$", r"\$")

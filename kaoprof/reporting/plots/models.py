"""Plots of a sweep of models: latency against MACs, with those that nobody beats; against the batch, and the size."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from kaoprof.findings import model_grid as findings
from kaoprof.reporting.plots import style
from kaoprof.reporting.plots.curves import APART, BEYOND, FEW_DECADES, MOST_COLUMNS, MOST_TICKS, literal
from kaoprof.reporting.plots.model_chart import (
    MANY,
    MOST_SIZES,
    UNITS,
    X_LABELS,
    ModelPanel,
    Spot,
    Trace,
    panels_of,
    size_of,
)  # fmt: skip
from kaoprof.reporting.plots.tips import says, surely
from kaoprof.reporting.tables.model_blocks import ModelBlock

NAMED = 12  # of a front's models that are named where there are many
CROWD_PT = 2.4  # a marker's size among many
CROWD_HIGH = 1.6  # times as high is a panel of many
ABOVE_BATCH_ONE = 1.6  # factor by which an axis of a single batch goes on
FRONT: dict[str, Any] = {"color": style.GREY, "alpha": 0.4, "linewidth": 3.0}
UNBEATEN = "nobody beats these"
Signs = dict[tuple[str, str], style.Sign]


def plot_models(
    blocks: Sequence[ModelBlock], x: str | None, quantities: Sequence[str] | None, inches: float | None = None
) -> Figure:
    """A row of panels for each block; in few `inches` they stand below each other.

    Raises:
        UsageError: nothing of this is known.
    """
    panels = panels_of(blocks, x, quantities)
    signs = signs_of(panels)
    crowded = is_crowded(panels)
    with mpl.rc_context(fname=style.SHEET):
        handles = [] if crowded else _legend(panels, signs)
        across = len(panels[0])
        width = inches or (style.PAGE_IN if across > 1 or crowded else style.COLUMN_IN)
        columns = _beside(panels[0], width)
        lines = len(panels) * across // columns
        entries = max(1, min(MOST_COLUMNS, int(width / style.ENTRY_IN), len(handles)))
        legend_in = style.LEGEND_IN * math.ceil(len(handles) / entries)
        height = style.PANEL_IN * (CROWD_HIGH if crowded else 1) * lines + legend_in + 0.1
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False).reshape(len(panels), across)
        for places, row in zip(axes, panels, strict=True):
            for place, panel in zip(places, row, strict=True):
                _draw(place, panel, signs, crowded=crowded)
        if handles:
            figure.legend(handles=handles, loc="outside upper center", ncols=entries, handlelength=2.2)
    return figure


def _beside(row: Sequence[ModelPanel], width: float) -> int:
    """How many panels stand beside each other: all of a row, else those of each quantity, else one."""
    axes = len({panel.axis for panel in row})
    fitting = (count for count in (len(row), axes) if width / count >= style.LEAST_PANEL_IN and len(row) % count == 0)
    return next(fitting, 1)


def is_crowded(panels: Sequence[Sequence[ModelPanel]]) -> bool:
    """Whether colours tell no models apart any more."""
    return len({trace.model for row in panels for panel in row for trace in panel.traces}) > MANY


def signs_of(panels: Sequence[Sequence[ModelPanel]]) -> Signs:
    """A sign for each model and size: colours are models, lines are sizes, unless these are too many."""
    spots = [spot for row in panels for panel in row for spot in panel.spots]
    models = list(dict.fromkeys(spot.name for spot in spots))
    sizes = list(dict.fromkeys(size_of(spot.row) for spot in spots))
    if len(sizes) <= MOST_SIZES:
        return style.signs_of((model, size) for model in models for size in sizes)
    plain = style.signs_of((model, "") for model in models)
    return {(model, size): plain[model, ""] for model in models for size in sizes}


def _draw(axes: Axes, panel: ModelPanel, signs: Signs, *, crowded: bool) -> None:
    """Curves and dots on logarithmic axes, the front behind them; names of the front where colours tell none."""
    axes.loglog()
    axes.set_title(literal(panel.label), loc="left")
    axes.set_xlabel(X_LABELS[panel.axis])
    axes.set_ylabel(panel.title)
    for trace in panel.traces:
        sign = signs[trace.model, trace.size or size_of(trace.spots[0].row)]
        along_batch = panel.axis == "batch"
        axes.plot(*_columns(trace.line), color=style.GREY if crowded else sign["color"], zorder=2,
                  linestyle=sign["linestyle"] if along_batch else "-", linewidth=0.4 if crowded else 0.8)  # fmt: skip
        for spot in trace.spots:
            _dot(axes, spot, signs, crowded=crowded)
    for front in panel.fronts:
        _front(axes, front, named=crowded)
    _scale(axes, panel)
    _crosses(axes, panel, signs, crowded=crowded)
    if panel.axis == "size" and not crowded:
        _exponents(axes, panel, signs)


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [value for _, value in points]


def _dot(axes: Axes, spot: Spot, signs: Signs, *, crowded: bool) -> None:
    if spot.value is None or spot.lost:
        return
    told = says(_said(spot))
    if crowded:
        axes.plot([spot.x], [spot.value], marker="o", color=style.GREY, markersize=CROWD_PT, linestyle="none",
                  zorder=3, gid=told)  # fmt: skip
        return
    sign = signs[spot.name, size_of(spot.row)] | {"linestyle": "none", "markersize": style.MARKER_PT}
    if spot.low is not None and spot.high is not None:
        axes.plot([spot.x, spot.x], [spot.low, spot.high], color=sign["color"], linewidth=0.8, marker="_",
                  markersize=3, zorder=2.5)  # fmt: skip
    axes.plot([spot.x], [spot.value], **sign, zorder=3, gid=told)


def _said(spot: Spot) -> str:
    """What a mark says to who points at it: the whole row."""
    macs, latency, peak = findings.macs_of_row(spot.row), findings.latency_of(spot.row), findings.peak_of_row(spot.row)
    figures = [f"{style.in_unit(macs, '')} MACs"] if macs else []
    figures += [surely(latency.value, latency.low, latency.high, "s")] if latency else []
    figures += [f"peak {style.in_unit(peak, 'B')}"] if peak else []
    return f"{spot.name} {size_of(spot.row)} batch {spot.row.case.b}: {', '.join(figures)}"


def _front(axes: Axes, front: Sequence[Spot], *, named: bool) -> None:
    """A broad grey line through those that nobody beats."""
    points = [(spot.x, spot.value) for spot in front if spot.value is not None]
    axes.plot(*_columns(points), **FRONT, zorder=1, solid_capstyle="round")
    if not named:
        return
    axes.plot(*_columns(points), marker="o", color=style.INK, linestyle="none", markersize=CROWD_PT, zorder=4)
    step = math.ceil(len(front) / NAMED)
    for spot in front[::step]:
        axes.annotate(literal(spot.name), (spot.x, spot.value or 0), xytext=(2, -3), va="top",
                      textcoords="offset points", fontsize=style.SMALL_PT)  # fmt: skip


def _scale(axes: Axes, panel: ModelPanel) -> None:
    """A little beyond what is drawn, with ticks that a reader knows: sizes that ran, powers of two for bytes."""
    places = sorted({spot.x for spot in panel.spots})
    values = [value for spot in panel.spots for value in (spot.value, spot.low, spot.high) if value]
    beyond = BEYOND if len(places) > 1 else ABOVE_BATCH_ONE
    axes.set_xlim(places[0] / beyond, places[-1] * beyond)
    axes.set_ylim(min(values) / BEYOND**2, max(values) * BEYOND**2)
    unit = UNITS[panel.quantity]
    axes.yaxis.set_major_locator(_ticks(min(values), max(values), unit))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.short(value, unit)))
    axes.yaxis.set_minor_locator(NullLocator() if unit == "B" else LogLocator(subs="all", numticks=50))
    axes.yaxis.set_minor_formatter(NullFormatter())
    if panel.axis == "macs":
        axes.xaxis.set_major_locator(_ticks(places[0], places[-1], ""))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda macs, _: style.short(macs, "")))
        axes.xaxis.set_minor_formatter(NullFormatter())
        return
    axes.xaxis.set_major_locator(FixedLocator(places[:: -math.ceil(len(places) / MOST_TICKS)][::-1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))


def _ticks(least: float, most: float, unit: str) -> LogLocator:
    decades = math.log10(most / least)
    if unit == "B":
        return LogLocator(base=2 ** max(1, round(decades)), numticks=20)
    return LogLocator(base=10, subs=(1.0,) if decades > FEW_DECADES else (1.0, 2.0, 5.0), numticks=20)


def _crosses(axes: Axes, panel: ModelPanel, signs: Signs, *, crowded: bool) -> None:
    """What did not run: at its predicted place, or at the upper edge."""
    for spot in panel.spots:
        if spot.lost:
            place: dict[str, Any] = {} if spot.value else {"transform": axes.get_xaxis_transform(), "clip_on": False}
            colour = style.GREY if crowded else signs[spot.name, size_of(spot.row)]["color"]
            axes.plot([spot.x], [spot.value or 1.0], marker="x", color=colour, linestyle="none", markersize=5,
                      markeredgewidth=1.2, zorder=4, gid=says(f"{spot.name}: {spot.row.status}"), **place)  # fmt: skip


def _exponents(axes: Axes, panel: ModelPanel, signs: Signs) -> None:
    """Behind the end of each curve the power of the side with which it grows."""
    bottom, top = axes.get_ylim()
    ends = [(trace.line[-1][1], trace) for trace in panel.traces if trace.line and trace.exponent is not None]
    height = math.inf
    for end, trace in sorted(ends, key=lambda pair: pair[0], reverse=True):
        height = min(math.log(end / bottom) / math.log(top / bottom), height - 2 * APART)
        axes.annotate(_power(trace), (1.0, height), xycoords="axes fraction", xytext=(2, 0), va="center",
                      textcoords="offset points", color=signs[trace.model, size_of(trace.spots[0].row)]["color"],
                      fontsize=style.SMALL_PT, annotation_clip=False)  # fmt: skip


def _power(trace: Trace) -> str:
    return f"$s^{{{trace.exponent:.2f}}}$"


def _legend(panels: Sequence[Sequence[ModelPanel]], signs: Signs) -> list[Line2D]:
    """Colours are models, lines are sizes; what a cross and a broad grey line are."""
    drawn = [panel for row in panels for panel in row]
    models = list(dict.fromkeys(model for model, _ in signs))
    sizes = list(dict.fromkeys(size for _, size in signs))
    handles = [Line2D([], [], **signs[model, sizes[0]] | {"linestyle": "-"}, label=literal(model)) for model in models]
    if 1 < len(sizes) <= MOST_SIZES:
        handles += [
            Line2D([], [], **signs[models[0], size] | {"color": style.INK, "markeredgecolor": style.INK,
                   "markerfacecolor": _filled(signs[models[0], size])}, label=literal(f"size {size}"))
            for size in sizes
        ]  # fmt: skip
    states = sorted({spot.row.status for panel in drawn for spot in panel.spots if spot.lost})
    if states:
        handles.append(Line2D([], [], color=style.INK, marker="x", linestyle="none", label=literal(", ".join(states))))
    if any(panel.fronts for panel in drawn):
        handles.append(Line2D([], [], **FRONT, label=UNBEATEN))
    return handles


def _filled(sign: style.Sign) -> str:
    return "none" if sign["markerfacecolor"] == "none" else style.INK

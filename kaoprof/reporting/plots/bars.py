"""Bars: the operators of a single cell, and the layers of models."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kaoprof.findings.models import macs_of, peak_holder, peak_of
from kaoprof.records.profile import LayerRow, ModelProfile, ProfileRecord
from kaoprof.reporting.plots.chart import QUANTITIES, Curve, Quantity, curves_of
from kaoprof.reporting.plots.curves import literal
from kaoprof.reporting.plots.style import COLOURS, COLUMN_IN, GREY, INK, NARROW_IN, PAGE_IN, SHEET, SMALL_PT, short
from kaoprof.reporting.plots.tips import says, surely
from kaoprof.reporting.tables.grid import Block, Grid
from kaoprof.reporting.tables.profile import profile_title, shown_layers
from kaoprof.units import BINARY_PREFIXES, format_bytes, format_count, format_percent

BAR_IN = 0.17  # height of a bar with the space around it
FRAME_IN = 0.65  # height of what is not a bar
LAYER_FRAME_IN = FRAME_IN + 0.15  # with a second line under the axis
BEYOND = 1.05  # of the longest bar: where the axis of layers ends
ROOM = 0.9  # of the longest bar's length, that stays free for its label


def plot_cells(grid: Grid, blocks: Sequence[Block], chosen: Sequence[str], inches: float | None = None) -> Figure:
    """A panel per quantity and block, a bar per operator: for runs in which no size varies.

    In few `inches` the quantities stand below each other.
    """
    curves = [[curves_of(grid, block, name) for name in chosen] for block in blocks]
    heights = [len(row[0]) * BAR_IN + FRAME_IN for row in curves]
    with mpl.rc_context(fname=SHEET):
        width = inches or (COLUMN_IN if len(chosen) == 1 else PAGE_IN)
        figure, axes = _panels(width, heights, len(chosen))
        for row, (block, drawn) in enumerate(zip(blocks, curves, strict=True)):
            for place, name, bars in zip(axes[row], chosen, drawn, strict=True):
                _bars(place, bars, QUANTITIES[name])
            _name_bars(axes[row], [curve.name for curve in drawn[0]])
            axes[row][0].set_title(literal(block.label), loc="left")
    return figure


def _panels(width: float, heights: Sequence[float], across: int) -> tuple[Figure, Any]:
    """A figure with a row of panels for each height; in a narrow one they stand below each other."""
    beside = width >= NARROW_IN or across == 1
    lines = list(heights) if beside else [height for height in heights for _ in range(across)]
    figure = Figure(figsize=(width, sum(lines)), layout="constrained")
    shape = (len(lines), across if beside else 1)
    axes = figure.subplots(*shape, squeeze=False, height_ratios=lines)
    return figure, axes.reshape(len(heights), across)


def _name_bars(row: Sequence[Axes], names: Sequence[str]) -> None:
    """The names of bars at the left of panels, of panels beside each other at the first one's."""
    beside = len({place.rowspan.start for axes in row if (place := axes.get_subplotspec())}) == 1
    for number, axes in enumerate(row):
        axes.set_yticks(range(len(names)), [literal(name) for name in names] if number == 0 or not beside else [])
        axes.set_ylim(len(names) - 0.5, -0.5)


def _bars(axes: Axes, curves: Sequence[Curve], what: Quantity) -> None:
    """A bar for each curve's only point; an outline where it is predicted; the reason where there is none."""
    values = [point.value for curve in curves for point in (*curve.points, *curve.expected)] or [1.0]
    least, most = min(values) / 2, max(values)
    operators = list(dict.fromkeys(curve.operator for curve in curves))
    for place, curve in enumerate(curves):
        _bar(axes, place, curve, what, COLOURS[operators.index(curve.operator) % len(COLOURS)], least)
    axes.set_xscale("log")
    axes.set_xlim(least, most * (most / least) ** ROOM)
    axes.set_xticks([])
    axes.minorticks_off()
    axes.tick_params(axis="y", length=0)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel(f"{what.title} (log scale)")


def _bar(axes: Axes, place: int, curve: Curve, what: Quantity, colour: str, least: float) -> None:
    lost = curve.lost[0].status if curve.lost else ""
    text, end = lost or "not known", least
    if curve.shown:
        point, measured = curve.shown[0], bool(curve.points)
        told = (
            f"{curve.name}: {surely(point.value, point.low, point.high, what.unit)}{'' if measured else ' predicted'}"
        )
        axes.barh(place, point.value - least, left=least, height=0.6, color=colour if measured else "none",
                  edgecolor=colour, linewidth=0.8, linestyle="-" if measured else ":", gid=says(told))  # fmt: skip
        because = lost or ("predicted" if what.name == "memory" else "")
        text = short(point.value, what.unit) + (f" ({because})" if because and not measured else "")
        end = point.high or point.value
        if point.low is not None and point.high is not None:
            axes.plot([point.low, point.high], [place, place], color=INK, linewidth=0.8, marker="|", markersize=4)
    axes.annotate(literal(text), (end, place), xytext=(3, 0), textcoords="offset points", va="center",
                  fontsize=SMALL_PT)  # fmt: skip


def plot_layers(record: ProfileRecord, inches: float | None = None) -> Figure:
    """For each model the share of MACs and time, and the peak memory, of its outer layers, in the order of running."""
    models = [(model, shown_layers(model, 1)) for model in record.models]
    models = [(model, layers) for model, layers in models if layers]
    heights = [len(layers) * BAR_IN + LAYER_FRAME_IN for _, layers in models]
    with mpl.rc_context(fname=SHEET):
        figure, axes = _panels(inches or PAGE_IN, heights, 3)
        for row, (model, layers) in zip(axes, models, strict=True):
            _layers(row, record, model, layers)
    return figure


def _layers(row: Sequence[Axes], record: ProfileRecord, model: ModelProfile, layers: Sequence[LayerRow]) -> None:
    macs = [macs_of(layer) for layer in layers]
    total = sum(count or 0 for count in macs) or 1
    names = [f"{layer.layer} {layer.type}" for layer in layers]
    told = [f"{name}: {format_count(count or 0)} MACs" for name, count in zip(names, macs, strict=True)]
    _filled(row[0], [None if count is None else count / total for count in macs], COLOURS[0], "not known", told)
    untimed = "not timed in training" if record.mode == "train" and model.latency else "not measured"
    shares = [layer.latency_share for layer in layers]
    told = [f"{name}: {format_percent(share or 0.0)} of the time" for name, share in zip(names, shares, strict=True)]
    _filled(row[1], shares, COLOURS[1], untimed, told)
    peak_title = _peaks(row[2], model, layers)
    _name_bars(row, names)
    row[0].set_title(literal(profile_title(record, model)), loc="left")
    for axes, title in zip(row, ("MACs", "time", peak_title), strict=True):
        axes.set_xlabel(title)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=True, axis="x", color=GREY, alpha=0.3, linewidth=0.5)
        axes.set_axisbelow(True)
    for axes in row[:2]:
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _peaks(axes: Axes, model: ModelProfile, layers: Sequence[LayerRow]) -> str:
    """A bar for each layer's peak, a line at the model's, which may lie between its layers; what the axis is called."""
    holders, whole = [peak_holder(model, layer) for layer in layers], peak_of(model.total)
    peaks = [peak_of(holder) for holder in holders]
    measured = any(holder.peak_bytes_measured is not None for holder in holders)
    most = max((peak for peak in (*peaks, whole) if peak is not None), default=0)
    factor, unit = next((pair for pair in BINARY_PREFIXES if most >= pair[0]), (1, "B"))
    told = [f"{layer.layer} {layer.type}: {format_bytes(peak or 0)}" for layer, peak in zip(layers, peaks, strict=True)]
    scaled = [None if peak is None else peak / factor for peak in peaks]
    _filled(axes, scaled, COLOURS[2], "not known", told, most / factor)
    if whole is None:
        return "peak memory"
    axes.axvline(whole / factor, color=INK, linewidth=0.8, linestyle="--")
    return f"{'' if measured else 'predicted '}peak memory ({unit})\ndashed: model {format_bytes(whole)}"


def _filled(
    axes: Axes, values: Sequence[float | None], colour: str, lacking: str, told: Sequence[str], most: float = 0.0
) -> None:
    """A bar for each value, on an axis that goes at least to `most`; where none is known `lacking` without an axis.

    `told` is what each bar says.
    """
    known = [value for value in values if value is not None]
    if not known and not most:
        axes.set_xticks([])
        axes.text(0.5, 0.5, lacking, transform=axes.transAxes, ha="center", va="center", color=GREY)
        return
    axes.set_xlim(0, BEYOND * max([*known, most]) or 1.0)
    for place, value in enumerate(values):
        if value is None:
            axes.annotate("not known", (0, place), xytext=(3, 0), textcoords="offset points", va="center", color=GREY,
                          fontsize=SMALL_PT)  # fmt: skip
        else:
            axes.barh(place, value, height=0.6, color=colour, gid=says(told[place]))

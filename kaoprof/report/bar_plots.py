"""Bars: the operators of a single cell, and the layers of models."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kaoprof.layer_findings import peak_of
from kaoprof.layer_records import LayerRow, ModelProfile, ProfileRecord
from kaoprof.report.chart import QUANTITIES, Curve, Quantity, curves_of
from kaoprof.report.grid import Block, Grid
from kaoprof.report.layer_cells import profile_title, shown_layers
from kaoprof.report.plot_style import COLOURS, COLUMN_IN, GREY, INK, PAGE_IN, SMALL_PT, STYLE, short
from kaoprof.report.plots import literal
from kaoprof.units import BINARY_PREFIXES

BAR_IN = 0.17  # height of a bar with the space around it
FRAME_IN = 0.65  # height of what is not a bar
ROOM = 0.9  # of the longest bar's length, that stays free for its label


def plot_cells(grid: Grid, blocks: Sequence[Block], chosen: Sequence[str]) -> Figure:
    """A panel per quantity and block, a bar per operator: for runs in which no size varies."""
    curves = [[curves_of(grid, block, name) for name in chosen] for block in blocks]
    heights = [len(row[0]) * BAR_IN + FRAME_IN for row in curves]
    with mpl.rc_context(STYLE):
        width = COLUMN_IN if len(chosen) == 1 else PAGE_IN
        figure = Figure(figsize=(width, sum(heights)), layout="constrained")
        axes = figure.subplots(len(curves), len(chosen), squeeze=False, sharey="row", height_ratios=heights)
        for row, (block, drawn) in enumerate(zip(blocks, curves, strict=True)):
            for column, (name, bars) in enumerate(zip(chosen, drawn, strict=True)):
                _bars(axes[row][column], bars, QUANTITIES[name])
            axes[row][0].set_yticks(range(len(drawn[0])), [literal(curve.name) for curve in drawn[0]])
            axes[row][0].set_ylim(len(drawn[0]) - 0.5, -0.5)
            axes[row][0].set_title(literal(block.label), loc="left")
    return figure


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
    if curve.points or curve.expected:
        point, measured = (curve.points or curve.expected)[0], bool(curve.points)
        axes.barh(place, point.value - least, left=least, height=0.6, color=colour if measured else "none",
                  edgecolor=colour, linewidth=0.8, linestyle="-" if measured else ":")  # fmt: skip
        because = lost or ("predicted" if what.name == "memory" else "")
        text = short(point.value, what.unit) + (f" ({because})" if because and not measured else "")
        end = point.high or point.value
        if point.low is not None and point.high is not None:
            axes.plot([point.low, point.high], [place, place], color=INK, linewidth=0.8, marker="|", markersize=4)
    axes.annotate(literal(text), (end, place), xytext=(3, 0), textcoords="offset points", va="center",
                  fontsize=SMALL_PT)  # fmt: skip


def plot_layers(record: ProfileRecord) -> Figure:
    """For each model the share of time and the peak memory of its outer layers, in the order in which they run."""
    models = [(model, shown_layers(model, 1)) for model in record.models]
    models = [(model, layers) for model, layers in models if layers]
    height = sum(len(layers) * BAR_IN + FRAME_IN for _, layers in models)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(PAGE_IN, height), layout="constrained")
        ratios = [len(layers) * BAR_IN + FRAME_IN for _, layers in models]
        axes = figure.subplots(len(models), 3, squeeze=False, sharey="row", height_ratios=ratios)
        for row, (model, layers) in zip(axes, models, strict=True):
            _layers(row, record, model, layers)
    return figure


def _layers(row: Sequence[Axes], record: ProfileRecord, model: ModelProfile, layers: Sequence[LayerRow]) -> None:
    places = range(len(layers))
    macs = [layer.macs_counted if layer.macs_counted is not None else layer.macs_analytic or 0 for layer in layers]
    total = sum(macs) or 1
    row[0].barh(places, [count / total for count in macs], height=0.6, color=COLOURS[0])
    row[1].barh(places, [layer.latency_share or 0.0 for layer in layers], height=0.6, color=COLOURS[1])
    peaks = [peak_of(layer) or 0 for layer in layers]
    factor, unit = next((pair for pair in BINARY_PREFIXES if max(peaks) >= pair[0]), (1, "B"))
    row[2].barh(places, [peak / factor for peak in peaks], height=0.6, color=COLOURS[2])
    row[0].set_yticks(places, [literal(f"{layer.layer} {layer.type}") for layer in layers])
    row[0].invert_yaxis()
    row[0].set_title(literal(profile_title(record, model)), loc="left")
    for axes, title in zip(row, ("MACs", "time", f"peak memory ({unit})"), strict=True):
        axes.set_xlabel(title)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=True, axis="x", color=GREY, alpha=0.3, linewidth=0.5)
        axes.set_axisbelow(True)
    for axes in row[:2]:
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if all(layer.latency_share is None for layer in layers):
        row[1].text(0.5, 0.5, "not measured", transform=row[1].transAxes, ha="center", va="center", color=GREY)

"""A roofline: the arithmetic that each row did in a second over that per byte, under the device's ceilings."""

from collections.abc import Sequence
from typing import TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.findings.roofline import ceilings_of
from kaoprof.records.measured import Ceilings, Copy
from kaoprof.reporting.plots import style
from kaoprof.reporting.plots.crowd import (
    FRAME_IN,
    LINE_IN,
    class_handles,
    classes_of,
    is_crowded,
    name_ends,
    signs_by_class,
)
from kaoprof.reporting.plots.curves import BEYOND, Signs, curve_handles, literal
from kaoprof.reporting.plots.tips import says
from kaoprof.reporting.tables.grid import Block, Grid, Placed, size_of
from kaoprof.units import format_count, three_digits

GIGA = 1e9
LEGEND_COLUMNS = 2
Dot: TypeAlias = tuple[float, float]  # one row: operations per byte that it moved, and per second
Dots: TypeAlias = dict[tuple[str, str], list[Dot]]  # by operator and implementation
ROOM = 8  # factor above the roof, for what is written there


def can_draw(block: Block) -> bool:
    """Whether the block's run knows its device's ceilings, and any of its rows what it moved."""
    return bool(ceilings_of(block.rows[0].run.record.protocol)) and any(map(_dot, block.rows))


def plot_rooflines(grid: Grid, blocks: Sequence[Block], inches: float | None = None) -> Figure:
    """One panel under the other, as wide as one column of a paper or in `inches`; along a line the size grows.

    Of many operators each is named at its last dot, in the colour of how its MACs grow.
    """
    dots = [_dots(grid, block) for block in blocks]
    if is_crowded(grid):
        return _named(grid, blocks, dots, inches)
    signs = style.signs_of(name for drawn in dots for name in drawn)
    with mpl.rc_context(fname=style.SHEET):
        legend_in = style.LEGEND_IN * -(-len(signs) // LEGEND_COLUMNS)
        size = (inches or style.COLUMN_IN, style.PANEL_IN * len(blocks) + legend_in)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(blocks), 1, squeeze=False)[:, 0]
        for place, block, drawn in zip(axes, blocks, dots, strict=True):
            _draw(place, block, drawn, signs)
        axes[-1].set_xlabel("FLOP per byte moved")
        figure.legend(handles=curve_handles(signs), loc="outside upper center", ncols=LEGEND_COLUMNS, handlelength=2.2)
    return figure


def _named(grid: Grid, blocks: Sequence[Block], dots: Sequence[Dots], inches: float | None) -> Figure:
    growth = classes_of(grid, blocks)
    signs = signs_by_class(growth, dict.fromkeys(name for drawn in dots for name in drawn))
    height = max(style.PANEL_IN, max(map(len, dots)) * LINE_IN + FRAME_IN)
    with mpl.rc_context(fname=style.SHEET):
        size = (inches or style.PAGE_IN, height * len(blocks) + 2 * style.LEGEND_IN)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(blocks), 1, squeeze=False)[:, 0]
        for place, block, drawn in zip(axes, blocks, dots, strict=True):
            _draw(place, block, drawn, signs)
            ends = [(":".join(name), signs[name]["color"], points[-1]) for name, points in drawn.items()]
            name_ends(place, ends, LINE_IN / (height - FRAME_IN))
        axes[-1].set_xlabel("FLOP per byte moved")
        figure.legend(handles=class_handles(growth, grid), loc="outside upper center", ncols=5, handlelength=2.2)
    return figure


def _dots(grid: Grid, block: Block) -> Dots:
    dots: Dots = {}
    for row in sorted(block.rows, key=lambda row: size_of(row, grid.x)):
        dot = _dot(row)
        if dot is not None:
            case = row.standing.row.case
            dots.setdefault((case.operator, case.implementation), []).append(dot)
    return dots


def _dot(row: Placed) -> Dot | None:
    measured, latency = row.standing.row, row.standing.latency
    if measured.traffic is None or latency is None or measured.analytic is None or not measured.traffic.moved_bytes:
        return None
    flops = measured.case.b * (
        measured.counted.flops_all if measured.counted else FLOPS_PER_MAC * measured.analytic.macs
    )
    return (flops / measured.traffic.moved_bytes, flops / latency.value) if flops else None


def _draw(axes: Axes, block: Block, dots: Dots, signs: Signs) -> None:
    axes.loglog()
    for name, drawn in dots.items():
        sign = signs[name] | {"markersize": style.MARKER_PT}
        axes.plot(*zip(*drawn, strict=True), color=sign["color"], linestyle=sign["linestyle"], linewidth=0.8)
        for intensity, rate in drawn:
            done = f"{format_count(round(rate))}FLOP/s at {three_digits(intensity)} FLOP per byte"
            axes.plot(intensity, rate, **sign | {"linestyle": "none"}, gid=says(f"{':'.join(name)}: {done}"))
    known = ceilings_of(block.rows[0].run.record.protocol)
    if known is not None:
        _ceilings(axes, block, known[0], known[0].cold_copies if known[1] else known[0].copies)
    axes.set_ylabel("FLOP/s")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_count(round(value)).replace(".00", "")))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(literal(block.label), loc="left")


def _ceilings(axes: Axes, block: Block, ceilings: Ceilings, copies: Sequence[Copy]) -> None:
    """The fastest product as a flat roof; copies of the largest and of the fastest size as slopes up to it."""
    peak = ceilings.products.get(block.rows[0].standing.row.case.dtype)
    if peak is None or not copies:
        return
    largest = max(copies, key=lambda copy: copy.moved_bytes)
    main = largest.moved_bytes / largest.seconds
    cached = max(copy.moved_bytes / copy.seconds for copy in copies)
    left = min(axes.get_xlim()[0], peak / cached) / BEYOND**2
    right = max(axes.get_xlim()[1], 4 * peak / main)
    low = axes.get_ylim()[0] / BEYOND**2
    for rate, line in ((main, "-"), (cached, ":")):
        roof = [rate * left, peak, peak]
        axes.plot([left, peak / rate, right], roof, color=style.INK, linestyle=line, linewidth=0.8, zorder=1)
    slopes = f"memory {three_digits(main / GIGA)} GB/s (line), cache {three_digits(cached / GIGA)} GB/s (dots)"
    axes.annotate(slopes, (0.02, 1.0), xycoords="axes fraction", color=style.GREY, fontsize=style.SMALL_PT, va="top")
    axes.annotate(f"products {three_digits(peak / GIGA)} GFLOP/s", (right, peak), xytext=(0, 2), color=style.GREY,
                  textcoords="offset points", fontsize=style.SMALL_PT, ha="right", va="bottom")  # fmt: skip
    axes.set_xlim(left, right)
    axes.set_ylim(low, peak * ROOM)

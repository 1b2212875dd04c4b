"""Plots of a sweep of models: latency against MACs, with those that nobody beats, and against the batch."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from kaoprof.findings import model_grid as findings
from kaoprof.records.swept_models import ModelRow, shown_size
from kaoprof.reporting.plots import style
from kaoprof.reporting.plots.curves import BEYOND, FEW_DECADES, MOST_COLUMNS, literal
from kaoprof.reporting.plots.tips import says, surely

MANY = 7  # models that colours tell apart; of more only those on a front are named
NAMED = 12  # of these at most
CROWD_PT = 2.4  # a marker's size among many
MOST_SIZES = 4  # line styles
FRONT: dict[str, Any] = {"color": style.GREY, "alpha": 0.4, "linewidth": 3.0}
Value = Callable[[ModelRow], float | None]


class Setting(NamedTuple):
    """What the rows of one line of panels have in common."""

    dtype: str
    mode: str


def plot_models(rows: Iterable[ModelRow], inches: float | None = None) -> Figure:
    """For each dtype and mode a panel against MACs, at the smallest batch, and where there are several one against it.

    Without any latency the peak stands in its place. In few `inches` the panels stand below each other.
    """
    by_setting: dict[Setting, list[ModelRow]] = {}
    for row in rows:
        by_setting.setdefault(Setting(row.case.dtype, row.case.mode), []).append(row)
    everything = [row for members in by_setting.values() for row in members]
    timed = any(findings.seconds_of(row) is not None for row in everything)
    batched = timed and len({row.case.b for row in everything}) > 1
    models = list(dict.fromkeys(row.profile.model for row in everything))
    crowded = len(models) > MANY
    sizes = list(dict.fromkeys(size_of(row) for row in everything))
    signs = style.signs_of((model, size) for model in models for size in sizes)
    with mpl.rc_context(fname=style.SHEET):
        handles = [] if crowded else _legend(models, sizes, signs)
        beside = batched and not (inches and inches < style.NARROW_IN)
        columns = min(MOST_COLUMNS, max(1, len(handles))) if beside else 2
        lines = len(by_setting) * (2 if batched and not beside else 1)
        legend_in = style.LEGEND_IN * math.ceil(len(handles) / columns)
        width = inches or (style.PAGE_IN if batched or crowded else style.COLUMN_IN)
        height = style.PANEL_IN * (1.6 if crowded else 1) * lines + legend_in + 0.1
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(lines, 2 if beside else 1, squeeze=False).reshape(len(by_setting), -1)
        for line, (setting, members) in zip(axes, by_setting.items(), strict=True):
            _against_macs(line[0], members, signs, timed=timed, crowded=crowded)
            least = min(row.case.b for row in members)
            line[0].set_title(literal(f"{setting.dtype}, {setting.mode}, batch {least}"), loc="left")
            if batched:
                _against_batch(line[1], members, signs, crowded=crowded)
                line[1].set_title(literal(f"{setting.dtype}, {setting.mode}"), loc="left")
        if handles:
            figure.legend(handles=handles, loc="outside upper center", ncols=columns, handlelength=2.2)
    return figure


def size_of(row: ModelRow) -> str:
    """The size as a legend names it."""
    return shown_size(row.size) if row.size else ""


def _against_macs(
    axes: Axes, members: Sequence[ModelRow], signs: dict[tuple[str, str], style.Sign], *, timed: bool, crowded: bool
) -> None:
    """Each model's sizes along a line; the front of each size dashed, named where there are many models."""
    least = min(row.case.b for row in members)
    rows = [row for row in members if row.case.b == least and findings.macs_of_row(row)]
    axes.loglog()
    value = findings.seconds_of if timed else findings.peak_of_row
    lines: dict[str, list[ModelRow]] = {}
    for row in rows:
        if value(row) is not None:
            lines.setdefault(row.profile.model, []).append(row)
    for model, line in lines.items():
        points = sorted(line, key=_macs)
        if not crowded:
            axes.plot([_macs(row) for row in points], [value(row) or 0 for row in points], linewidth=0.7, zorder=2,
                      color=signs[model, size_of(points[0])]["color"])  # fmt: skip
        for row in points:
            _dot(axes, row, _macs(row), value(row) or 0, signs, crowded=crowded)
    _fronts(axes, [row for line in lines.values() for row in line], value, named=crowded)
    _lost(axes, [(_macs(row), row) for row in rows if value(row) is None])
    axes.set_xlabel("MACs per sample")
    axes.set_ylabel("latency" if timed else "predicted peak memory")
    _scaled(axes, "s" if timed else "B")
    axes.xaxis.set_major_locator(_ticks(*axes.get_xlim()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda macs, _: style.short(macs, "")))


def _macs(row: ModelRow) -> int:
    return findings.macs_of_row(row) or 0


def _dot(
    axes: Axes, row: ModelRow, x: float, value: float, signs: dict[tuple[str, str], style.Sign], *, crowded: bool
) -> None:
    sign = signs[row.profile.model, size_of(row)] | {"linestyle": "none"}
    latency = findings.latency_of(row)
    told = says(_said(row))
    if crowded:
        axes.plot([x], [value], marker="o", color=style.GREY, markersize=CROWD_PT, linestyle="none", zorder=3, gid=told)
        return
    errors = None
    if latency and latency.low is not None and latency.high is not None:
        errors = [[latency.value - latency.low], [latency.high - latency.value]]
    drawn = axes.errorbar([x], [value], yerr=errors, **sign, markersize=style.MARKER_PT, capsize=1.5, elinewidth=0.8,
                          zorder=3)  # fmt: skip
    drawn.lines[0].set_gid(told)


def _said(row: ModelRow) -> str:
    """What a mark says to who points at it."""
    latency, peak = findings.latency_of(row), findings.peak_of_row(row)
    figures = [f"{style.in_unit(_macs(row), '')} MACs"]
    figures += [surely(latency.value, latency.low, latency.high, "s")] if latency else []
    figures += [f"peak {style.in_unit(peak, 'B')}"] if peak else []
    return f"{row.profile.model} {size_of(row)} batch {row.case.b}: {', '.join(figures)}"


def _fronts(axes: Axes, rows: Sequence[ModelRow], value: Value, *, named: bool) -> None:
    """A broad grey line through the front of each comparison; with its models' names where colours tell none."""
    for front in findings.fronts(rows):
        best = [(_macs(row), value(row) or 0, row.profile.model) for row in front.best]
        axes.plot([x for x, _, _ in best], [y for _, y, _ in best], **FRONT, zorder=1)
        if named:
            axes.plot([x for x, _, _ in best], [y for _, y, _ in best], marker="o", color=style.INK, linestyle="none",
                      markersize=CROWD_PT, zorder=4)  # fmt: skip
        step = math.ceil(len(best) / NAMED)
        for x, y, model in best[::step] if named else ():
            axes.annotate(literal(model), (x, y), xytext=(2, -3), textcoords="offset points", va="top",
                          fontsize=style.SMALL_PT)  # fmt: skip


def _against_batch(
    axes: Axes, members: Sequence[ModelRow], signs: dict[tuple[str, str], style.Sign], *, crowded: bool
) -> None:
    """Each model at each size along a line."""
    axes.loglog()
    lines: dict[tuple[str, str], list[ModelRow]] = {}
    for row in members:
        lines.setdefault((row.profile.model, size_of(row)), []).append(row)
    for name, line in lines.items():
        points = sorted((row for row in line if findings.seconds_of(row) is not None), key=lambda row: row.case.b)
        sign = signs[name]
        colour = style.GREY if crowded else sign["color"]
        axes.plot([row.case.b for row in points], [findings.seconds_of(row) or 0 for row in points], color=colour,
                  linestyle=sign["linestyle"], linewidth=0.5 if crowded else 0.9, zorder=2)  # fmt: skip
        for row in points:
            _dot(axes, row, row.case.b, findings.seconds_of(row) or 0, signs, crowded=crowded)
        _lost(axes, [(row.case.b, row) for row in line if findings.seconds_of(row) is None], sign)
    batches = sorted({row.case.b for row in members})
    axes.xaxis.set_major_locator(FixedLocator(batches))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda batch, _: f"{batch:g}"))
    axes.set_xlim(batches[0] / BEYOND, batches[-1] * BEYOND)
    axes.set_xlabel("batch")
    axes.set_ylabel("latency")
    _scaled(axes, "s")


def _lost(axes: Axes, places: Sequence[tuple[int, ModelRow]], sign: style.Sign | None = None) -> None:
    """A cross at the upper edge for what did not run."""
    colour = sign["color"] if sign else style.INK
    for x, row in places:
        if row.status != "ok":
            axes.plot([x], [1.0], marker="x", color=colour, linestyle="none", markersize=5, markeredgewidth=1.2,
                      transform=axes.get_xaxis_transform(), clip_on=False, zorder=4)  # fmt: skip


def _scaled(axes: Axes, unit: str) -> None:
    """Ticks that a reader knows: 1, 2 and 5 where there are few decades, powers of two for bytes."""
    bottom, top = axes.get_ylim()
    bytes_apart = LogLocator(base=2 ** max(1, round(math.log10(top / bottom))))
    axes.yaxis.set_major_locator(bytes_apart if unit == "B" else _ticks(bottom, top))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.short(value, unit)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _ticks(least: float, most: float) -> LogLocator:
    return LogLocator(base=10, subs=(1.0,) if math.log10(most / least) > FEW_DECADES else (1.0, 2.0, 5.0))


def _legend(models: Sequence[str], sizes: Sequence[str], signs: dict[tuple[str, str], style.Sign]) -> list[Line2D]:
    """Colours are models, lines are sizes; and what a broad grey line is."""
    handles = [Line2D([], [], **signs[model, sizes[0]] | {"linestyle": "-"}, label=literal(model)) for model in models]
    if len(sizes) > 1:
        handles += [
            Line2D([], [], **signs[models[0], size] | {"color": style.INK, "marker": ""}, label=literal(f"size {size}"))
            for size in sizes[:MOST_SIZES]
        ]
    handles.append(Line2D([], [], **FRONT, label="nobody beats these"))
    return handles

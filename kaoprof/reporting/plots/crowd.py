"""Many operators in one plot: each by its best implementation, named at its end, in the colour of how it grows."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from msgspec.structs import replace

from kaoprof.reporting.plots import style
from kaoprof.reporting.plots.chart import Curve, Panel, best_curves, growth_class, panel_of, same_course
from kaoprof.reporting.plots.curves import Signs, bent_handles, draw_panel, literal, mark_panel, scale_panels
from kaoprof.reporting.tables.grid import Block, Grid

MANY = 7  # operators that colours tell apart; of more nobody finds one in a legend
PANELS = 2  # beside each other, each with names at its right
LINE_IN = 0.105  # height of a name
NAME_IN = 1.0  # and its width
FRAME_IN = 0.55  # of a panel's height, for the axis and the title
LEADER = 0.09  # of the width, from the end of the axis to a name
UNKNOWN_GROWTH = -1


def is_crowded(grid: Grid) -> bool:
    """Whether there are more operators than colours tell apart."""
    return len({row.standing.row.case.operator for row in grid.rows}) > MANY


def plot_crowd(grid: Grid, blocks: Sequence[Block], chosen: Sequence[str], inches: float | None = None) -> Figure:
    """A panel per quantity and block, two beside each other; colours are classes of growth, names stand at curves.

    In few `inches` each stands below the other.
    """
    blocks_of = [block for block in blocks for _ in chosen]
    panels = [best_panel(panel_of(grid, block, quantity)) for block in blocks for quantity in chosen]
    growth = classes_of(grid, blocks)
    signs = signs_by_class(
        growth, dict.fromkeys((curve.operator, curve.implementation) for panel in panels for curve in panel.curves)
    )
    height = max(style.PANEL_IN, max(len(panel.curves) for panel in panels) * LINE_IN + FRAME_IN)
    beside = 1 if inches and inches < style.NARROW_IN else PANELS
    lines, across = math.ceil(len(panels) / beside), min(len(panels), beside)
    with mpl.rc_context(fname=style.SHEET):
        width = inches or (style.PAGE_IN if across > 1 else style.PAGE_IN / PANELS + NAME_IN)
        figure = Figure(figsize=(width, height * lines + 2 * style.LEGEND_IN), layout="constrained")
        places = list(figure.subplots(lines, across, squeeze=False).flat)
        for axes, block, panel in zip(places, blocks_of, panels, strict=False):
            draw_panel(axes, _drawn_once(panel), signs)
            axes.set_title(literal(block.label), loc="left")
            axes.set_xlabel(literal(grid.x_label))
            scale_panels([panel], [axes])
            mark_panel(axes, panel, signs, grid.x_label)
            _names(axes, panel, signs, LINE_IN / (height - FRAME_IN))
        for axes in places[len(panels) :]:
            axes.set_visible(False)
        curves = [curve for panel in panels for curve in panel.curves]
        figure.legend(
            handles=[*class_handles(growth, grid), *_lost(panels), *bent_handles(curves)],
            loc="outside upper center",
            ncols=max(2, min(5, int(width / style.ENTRY_IN))),
            handlelength=2.2,
        )
    return figure


def best_panel(panel: Panel) -> Panel:
    """The panel with one curve for each operator, and no guide lines: colours tell the growth.

    An implementation is named where the operator has others.
    """
    kinds = Counter(curve.operator for curve in panel.curves)
    curves = (curve if kinds[curve.operator] > 1 else replace(curve, implementation="")
              for curve in best_curves(panel.curves))  # fmt: skip
    return replace(panel, curves=tuple(curves), guides=())


def _drawn_once(panel: Panel) -> Panel:
    """The panel with one of those curves that lie on each other: their names tell them all."""
    once: list[Curve] = []
    for curve in panel.curves:
        if not any(same_course(curve, other) for other in once):
            once.append(curve)
    return replace(panel, curves=tuple(once))


def classes_of(grid: Grid, blocks: Sequence[Block]) -> Mapping[str, int]:
    """The power with which each operator's MACs grow; `UNKNOWN_GROWTH` where it is not known."""
    rows = [row for block in blocks for row in block.rows]
    names = dict.fromkeys(row.standing.row.case.operator for row in rows)
    known = {
        name: growth_class([row for row in rows if row.standing.row.case.operator == name], grid.x) for name in names
    }
    return {name: UNKNOWN_GROWTH if power is None else power for name, power in known.items()}


def signs_by_class(growth: Mapping[str, int], names: Iterable[tuple[str, str]]) -> Signs:
    """A sign for each (operator, implementation): the colour tells the class, the marker the operator inside it."""
    inside: dict[int, list[str]] = {}
    signs: Signs = {}
    for operator, implementation in names:
        power = growth[operator]
        members = inside.setdefault(power, [])
        if operator not in members:
            members.append(operator)
        number, colour = members.index(operator), style.CLASS_COLOURS.get(power, style.GREY)
        signs[operator, implementation] = {
            "color": colour, "marker": style.MARKERS[number % len(style.MARKERS)], "linestyle": "-",
            "markerfacecolor": colour if number < len(style.MARKERS) else "none", "markeredgewidth": 0.7,
        }  # fmt: skip
    return signs


def _names(axes: Axes, panel: Panel, signs: Signs, room: float) -> None:
    """Each curve's name at the right, as near to its end as the names above and below it allow.

    Args:
        axes: with their limits.
        panel: what is drawn.
        signs: with the colours.
        room: of a name, as a part of the height.
    """
    lasts = {curve: max(curve.shown, key=lambda point: point.x) for curve in panel.curves if curve.shown}
    name_ends(
        axes,
        [
            (curve.name, signs[curve.operator, curve.implementation]["color"], (last.x, last.value))
            for curve, last in lasts.items()
        ],
        room,
    )


def name_ends(axes: Axes, ends: Sequence[tuple[str, str, tuple[float, float]]], room: float) -> None:
    """Names at the right of logarithmic axes, each led to its point, none on another.

    Args:
        axes: with their limits.
        ends: name, colour and point of each.
        room: of a name, as a part of the height.
    """
    places = [_place(axes, *point) for _, _, point in ends]
    heights = spread([height for _, height in places], room)
    for (name, colour, _), (x, height), place in zip(ends, places, heights, strict=True):
        axes.annotate(
            literal(name), xy=(x, height), xytext=(1.0 + LEADER, place), xycoords="axes fraction",
            textcoords="axes fraction", color=colour, fontsize=style.SMALL_PT, va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2,
                        "relpos": (0, 0.5)},
        )  # fmt: skip


def _place(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """A point as parts of the width and the height."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return math.log(x / left) / math.log(right / left), math.log(y / bottom) / math.log(top / bottom)


def spread(wanted: Sequence[float], room: float) -> list[float]:
    """The heights of names, in the given order: as near to those wanted as `room` between two of them allows.

    Names that want the same place form a stack whose middle is theirs.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    stacks: list[list[int]] = []
    for index in order:
        stacks.append([index])
        while len(stacks) > 1 and _bottom(stacks[-1], wanted, room) < _top(stacks[-2], wanted, room):
            last = stacks.pop()
            stacks[-1] += last
    heights = [0.0] * len(wanted)
    for stack in stacks:
        bottom = _bottom(stack, wanted, room) + room / 2
        for number, index in enumerate(stack):
            heights[index] = bottom + number * room
    return heights


def _middle(stack: Sequence[int], wanted: Sequence[float]) -> float:
    return sum(wanted[index] for index in stack) / len(stack)


def _bottom(stack: Sequence[int], wanted: Sequence[float], room: float) -> float:
    """Not below 0, and not above where the stack would end beyond 1; a stack that is higher than that ends at 1."""
    height = room * len(stack)
    return min(max(_middle(stack, wanted) - height / 2, 0.0), 1.0 - height)


def _top(stack: Sequence[int], wanted: Sequence[float], room: float) -> float:
    return _bottom(stack, wanted, room) + room * len(stack)


def class_handles(growth: Mapping[str, int], grid: Grid) -> list[Line2D]:
    """One entry of a legend for each class of growth, the steepest first."""
    axis = (grid.x or "").replace("b", "batch")
    handles = []
    for power in sorted(set(growth.values()), reverse=True):
        grown = f"{axis}^{power}" if power > 1 else axis if power else "1"
        grows = f"MACs $\\sim {grown}$" if power != UNKNOWN_GROWTH else "growth not known"
        handles.append(Line2D([], [], color=style.CLASS_COLOURS.get(power, style.GREY), linewidth=1.6, label=grows))
    return handles


def _lost(panels: Sequence[Panel]) -> list[Line2D]:
    """What a cross means, where there is one."""
    states = sorted({lost.status for panel in panels for curve in panel.curves for lost in curve.lost})
    cross = Line2D([], [], color=style.INK, marker="x", linestyle="none", label=literal(", ".join(states)))
    return [cross] if states else []

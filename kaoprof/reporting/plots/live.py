"""What a page draws again so that it answers to the pointer: the curves of a figure as plain data, values as texts."""

from collections.abc import Mapping, Sequence

import msgspec

from kaoprof.reporting.plots import style
from kaoprof.reporting.plots.chart import Curve, Panel, Point, Quantity
from kaoprof.reporting.plots.crowd import best_panel, classes_of, is_crowded, signs_by_class
from kaoprof.reporting.plots.curves import Signs, panels_of
from kaoprof.reporting.plots.overhead import BENT
from kaoprof.reporting.plots.tips import surely
from kaoprof.reporting.tables.grid import Block, Grid
from kaoprof.units import BINARY_PREFIXES, COUNT_PREFIXES, TIME_PREFIXES

STEPS = {"s": TIME_PREFIXES, "B": (*BINARY_PREFIXES, (1, "B")), "": (*COUNT_PREFIXES, (1, ""))}
THEORY = "Dotted: how theory grows, through the costliest operator's last point."
SOLID: tuple[float, ...] = ()


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A point: what it says to who points at it; `y` is None where no place is known, `lost` where nothing ran.

    `at` is its place on the axis in words, where the number is none that is read.
    """

    x: int
    y: float | None
    text: str
    low: float | None = None
    high: float | None = None
    lost: bool = False
    at: str | None = None


class LiveCurve(msgspec.Struct, frozen=True, kw_only=True):
    """A curve: its `line` in (x, y), its marks, the part `bent` by overhead, and how it looks.

    `keys` are the entries of the legend that it belongs to: of implementations that are one curve each. `dash` is in
    line widths.
    """

    name: str
    keys: tuple[str, ...]
    colour: str
    marker: str
    hollow: bool
    dash: tuple[float, ...]
    line: tuple[tuple[int, float], ...]
    marks: tuple[Mark, ...]
    bent: tuple[tuple[float, float], ...]


class LivePanel(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity: `steps` are its units with their factors, `guides` slopes as (exponent, x, y).

    `x` is the label of its own axis, where it is not the figure's, with the units `x_steps` if it has any.
    """

    title: str
    steps: tuple[tuple[float, str], ...]
    base: int
    curves: tuple[LiveCurve, ...]
    guides: tuple[tuple[int, int, float], ...]
    limit: float | None
    x: str | None = None
    x_steps: tuple[tuple[float, str], ...] = ()


class LiveFigure(msgspec.Struct, frozen=True, kw_only=True):
    """All panels of a figure, along one axis; `notes` say what is drawn beside curves."""

    x: str
    axis: str
    panels: tuple[LivePanel, ...]
    notes: tuple[str, ...]


def live_figure(grid: Grid, block: Block, chosen: Sequence[str]) -> LiveFigure | None:
    """The curves of a block as its picture shows them; None where no size varies, and there are only bars."""
    if grid.x is None:
        return None
    panels = panels_of(grid, [block], chosen)[0]
    if is_crowded(grid):
        panels = [best_panel(panel) for panel in panels]
        names = dict.fromkeys((curve.operator, curve.implementation) for panel in panels for curve in panel.curves)
        signs = signs_by_class(classes_of(grid, [block]), names)
    else:
        signs = style.signs_of((curve.operator, curve.implementation) for panel in panels for curve in panel.curves)
    keys = _keys([curve for panel in panels for curve in panel.curves])
    drawn = tuple(_panel(panel, keys, signs) for panel in panels)
    notes = (
        *((THEORY,) if any(panel.guides for panel in drawn) else ()),
        *((f"Shadow: {BENT}.",) if any(curve.bent for panel in drawn for curve in panel.curves) else ()),
    )
    return LiveFigure(x=grid.x_label, axis=grid.x_label.partition(" ")[0], panels=drawn, notes=notes)


def _keys(curves: Sequence[Curve]) -> dict[str, tuple[str, ...]]:
    """The names of each operator's implementations in the legend; its own where it is one curve everywhere."""
    names: dict[str, list[str]] = {}
    for curve in curves:
        members = names.setdefault(curve.operator, [])
        members += [curve.name] if curve.implementation and curve.name not in members else []
    return {operator: tuple(members) or (operator,) for operator, members in names.items()}


def _panel(panel: Panel, keys: Mapping[str, tuple[str, ...]], signs: Signs) -> LivePanel:
    return LivePanel(
        title=panel.what.title,
        steps=tuple((float(factor), name) for factor, name in STEPS[panel.what.unit]),
        base=2 if panel.what.unit == "B" else 10,
        curves=tuple(_curve(panel.what, curve, keys, signs) for curve in panel.curves),
        guides=tuple((guide.exponent, guide.x, guide.value) for guide in panel.guides),
        limit=panel.limit,
    )


def _curve(what: Quantity, curve: Curve, keys: Mapping[str, tuple[str, ...]], signs: Signs) -> LiveCurve:
    sign = signs[curve.operator, curve.implementation]
    line = curve.expected if len(curve.expected) > len(curve.points) else curve.points
    expected = {point.x: point.value for point in curve.expected if curve.points}
    marks = [Mark(x=point.x, y=point.value, low=point.low, high=point.high,
                  text=_text(what, point, expected.get(point.x), curve)) for point in curve.shown]  # fmt: skip
    known = {mark.x for mark in marks}
    marks += [
        Mark(x=lost.x, y=lost.value, lost=True, text=_reason(what, lost.status, lost.value))
        for lost in curve.lost
        if lost.x not in known or lost.value
    ]
    return LiveCurve(
        name=curve.name,
        keys=(curve.name,) if curve.implementation else keys[curve.operator],
        colour=sign["color"],
        marker=sign["marker"],
        hollow=sign["markerfacecolor"] == "none",
        dash=SOLID if sign["linestyle"] == "-" else tuple(map(float, sign["linestyle"][1])),
        line=tuple((point.x, point.value) for point in line),
        marks=tuple(marks),
        bent=curve.bent,
    )


def _text(what: Quantity, point: Point, expected: float | None, curve: Curve) -> str:
    """The value with its interval, and whether that is overhead; or with what was predicted."""
    bent = f", {BENT}" if curve.overhead_to is not None and point.x <= curve.overhead_to else ""
    predicted = f" ({style.in_unit(expected, what.unit)} predicted)" if expected else ""
    return f"{surely(point.value, point.low, point.high, what.unit)}{predicted}{bent}"


def _reason(what: Quantity, status: str, value: float | None) -> str:
    return f"{status}: {style.in_unit(value, what.unit)} predicted" if value else status

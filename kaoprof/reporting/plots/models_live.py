"""What a page draws again of a sweep of models, so that it answers to the pointer."""

from collections.abc import Sequence

from kaoprof.findings import model_grid as findings
from kaoprof.reporting.plots import style
from kaoprof.reporting.plots.live import SOLID, STEPS, LiveCurve, LiveFigure, LivePanel, Mark
from kaoprof.reporting.plots.model_chart import UNITS, X_LABELS, ModelPanel, Spot, Trace, size_of
from kaoprof.reporting.plots.models import UNBEATEN, Signs, is_crowded, signs_of
from kaoprof.reporting.plots.tips import surely
from kaoprof.units import three_digits

OTHERS = "others"  # of many models: those that are beaten


def live_models(panels: Sequence[ModelPanel]) -> LiveFigure:
    """A block's panels as its picture shows them; of many models a name switches all that are beaten."""
    crowded, signs = is_crowded([panels]), signs_of([panels])
    drawn = tuple(_panel(panel, signs, crowded=crowded) for panel in panels)
    notes = (f"Shadow: {UNBEATEN}.",) if any(panel.fronts for panel in panels) else ()
    return LiveFigure(x="", axis="", panels=drawn, notes=notes)


def _panel(panel: ModelPanel, signs: Signs, *, crowded: bool) -> LivePanel:
    unit = UNITS[panel.quantity]
    best = {id(spot) for front in panel.fronts for spot in front}
    curves = [_curve(panel, trace, signs, best, crowded=crowded) for trace in panel.traces]
    shadows = [_shadow(front) for front in panel.fronts]
    return LivePanel(
        title=f"{panel.title} ({panel.label})",
        x=X_LABELS[panel.axis],
        x_steps=_steps("") if panel.axis == "macs" else (),
        steps=_steps(unit),
        base=2 if unit == "B" else 10,
        curves=(*shadows, *curves),
        guides=(),
        limit=None,
    )


def _steps(unit: str) -> tuple[tuple[float, str], ...]:
    return tuple((float(factor), name) for factor, name in STEPS[unit])


def _curve(panel: ModelPanel, trace: Trace, signs: Signs, best: set[int], *, crowded: bool) -> LiveCurve:
    sign = signs[trace.model, trace.size or size_of(trace.spots[0].row)]
    unbeaten = any(id(spot) in best for spot in trace.spots)
    dashed = panel.axis == "batch" and sign["linestyle"] != "-"
    return LiveCurve(
        name=" ".join(filter(None, (trace.model, trace.size))),
        keys=((UNBEATEN if unbeaten else OTHERS) if crowded else trace.model,),
        colour=(style.COLOURS[0] if unbeaten else style.GREY) if crowded else sign["color"],
        marker="o" if crowded else sign["marker"],
        hollow=sign["markerfacecolor"] == "none" and not crowded,
        dash=tuple(map(float, sign["linestyle"][1])) if dashed else SOLID,
        line=tuple(trace.line),
        marks=tuple(_mark(panel, spot) for spot in trace.spots),
        bent=(),
    )


def _mark(panel: ModelPanel, spot: Spot) -> Mark:
    return Mark(
        x=spot.x,
        at=style.in_unit(spot.x, "") if panel.axis == "macs" else None,
        y=spot.value,
        low=spot.low,
        high=spot.high,
        lost=spot.lost,
        text="; ".join(_texts(panel, spot)),
    )


def _texts(panel: ModelPanel, spot: Spot) -> list[str]:
    """The value, and what else of the row the panel does not show."""
    row, unit = spot.row, UNITS[panel.quantity]
    value = "" if spot.value is None else surely(spot.value, spot.low, spot.high, unit)
    if spot.lost:
        value = f"{row.status}: {value} predicted" if value else row.status
    rate = findings.samples_per_s(row) if panel.quantity == "latency" else None
    texts = [
        value,
        f"size {size_of(row)}" if panel.axis == "macs" and row.size else "",
        "" if rate is None else f"{three_digits(rate)} samples/s",
    ]
    return list(filter(None, texts))


def _shadow(front: Sequence[Spot]) -> LiveCurve:
    points = tuple((float(spot.x), spot.value) for spot in front if spot.value is not None)
    return LiveCurve(
        name=UNBEATEN, keys=(UNBEATEN,), colour=style.GREY, marker="o", hollow=True, dash=SOLID, line=(), marks=(),
        bent=points,
    )  # fmt: skip

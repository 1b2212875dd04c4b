"""What plots of sweeps of models show, before there is a single dot: panels of curves, fronts, what did not run."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from kaoprof.errors import UsageError
from kaoprof.findings import model_grid as findings
from kaoprof.records.swept_models import ModelRow, shown_size
from kaoprof.reporting.plots import style
from kaoprof.reporting.tables.model_blocks import ModelBlock
from kaoprof.stats.power_law import MIN_POINTS

MANY = 7  # models that colours tell apart
MOST_SIZES = len(style.LINES)  # that lines tell apart
X_LABELS = {"macs": "MACs per sample", "batch": "batch", "size": "side s of the input"}
UNITS = {"latency": "s", "memory": "B", "macs": ""}
TITLES = {"latency": "latency", "memory": "peak memory", "macs": "MACs per sample"}
COSTS: dict[str, findings.Cost] = {"latency": "latency", "memory": "peak"}  # what a front weighs beside MACs
Name = Callable[[ModelRow], str]
SENSELESS = {("macs", "macs"), ("batch", "macs")}  # MACs are of one sample


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """A row at its place, and what its model is called. `value` is None where nothing is known."""

    name: str
    x: int
    row: ModelRow
    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def lost(self) -> bool:
        """Whether it is a cross: at its predicted place, or at the upper edge."""
        return self.row.status != "ok"


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One model's spots, by growing `x`: at all sizes, or at one `size`. `exponent` is of what grows with the size."""

    model: str
    size: str = ""
    spots: tuple[Spot, ...]
    exponent: float | None = None

    @property
    def line(self) -> list[tuple[int, float]]:
        """Through what is known."""
        return [(spot.x, spot.value) for spot in self.spots if spot.value is not None and not spot.lost]


class ModelPanel(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of a block along one axis; `fronts` are the spots that no other beats, by growing MACs."""

    axis: str
    quantity: str
    label: str
    traces: tuple[Trace, ...]
    fronts: tuple[tuple[Spot, ...], ...] = ()

    @property
    def spots(self) -> list[Spot]:
        """All of them."""
        return [spot for trace in self.traces for spot in trace.spots]

    @property
    def title(self) -> str:
        """What stands on its vertical axis."""
        values = [spot.row for spot in self.spots if spot.value is not None]
        predicted = self.quantity == "memory" and all(row.profile.total.peak_bytes_measured is None for row in values)
        return f"predicted {TITLES['memory']}" if predicted else TITLES[self.quantity]


def panels_of(
    blocks: Sequence[ModelBlock], x: str | None, quantities: Sequence[str] | None
) -> list[tuple[ModelPanel, ...]]:
    """A row of panels for each block, the same ones for all.

    Raises:
        UsageError: nothing of this is known.
    """
    rows = [row for block in blocks for row in block.rows]
    name = findings.names_of(rows)
    held = [place for place in _places(rows, x, quantities) if any(spot.value for spot in _spots(rows, name, *place))]
    if not held:
        raise UsageError("these sweeps hold nothing that could be plotted so", hint=_way_out(rows, x))
    return [tuple(_panel(block, name, axis, quantity) for axis, quantity in held) for block in blocks]


def _way_out(rows: Sequence[ModelRow], x: str | None) -> str:
    if x == "size":
        return "along the size stand square inputs"
    known = any(findings.peak_of_row(row) is not None for row in rows)
    return "--x batch and --x size are others" if known else "nothing was counted; --x size --plot macs draws formulas"


def _places(rows: Sequence[ModelRow], x: str | None, quantities: Sequence[str] | None) -> list[tuple[str, str]]:
    """The panels that were asked for, each as (axis, quantity); by default the axes along which something varies."""
    if quantities is None:
        timed = any(findings.seconds_of(row) is not None for row in rows)
        counted = any(findings.peak_of_row(row) is not None for row in rows)
        quantities = ("latency",) if timed else ("memory",) if counted else ("macs",)
    axes = [x] if x else ["macs"]
    if x is None and len({row.case.b for row in rows}) > 1:
        axes.append("batch")
    if x is None and (findings.model_laws(rows) or quantities == ("macs",)):
        axes.append("size")
    return [(axis, quantity) for quantity in quantities for axis in axes if (axis, quantity) not in SENSELESS]


def _x_of(row: ModelRow, axis: str) -> int | None:
    return {"macs": findings.macs_of_row, "batch": lambda row: row.case.b, "size": findings.side_of}[axis](row) or None


def _spots(rows: Iterable[ModelRow], name: Name, axis: str, quantity: str) -> list[Spot]:
    """The rows that have a place on the axis, and a value or a reason for none."""
    spots = [_spot(row, name(row), x, quantity) for row in rows if (x := _x_of(row, axis)) is not None]
    return sorted((spot for spot in spots if spot.value is not None or spot.lost), key=lambda spot: spot.x)


def _spot(row: ModelRow, name: str, x: int, quantity: str) -> Spot:
    if quantity == "latency":
        latency = findings.latency_of(row)
        low, high = (latency.interval if latency else None) or (None, None)
        return Spot(name=name, x=x, row=row, value=latency.value if latency else None, low=low, high=high)
    exact: dict[str, Callable[[ModelRow], int | None]] = {
        "memory": findings.peak_of_row, "macs": findings.macs_of_row
    }  # fmt: skip
    return Spot(name=name, x=x, row=row, value=exact[quantity](row) or None)


def _panel(block: ModelBlock, name: Name, axis: str, quantity: str) -> ModelPanel:
    """Along the batch a curve for each model and size; else one for each model, at the smallest batch."""
    rows, label = block.rows, block.label
    if axis != "batch":
        least = min(row.case.b for row in rows)
        rows, label = tuple(row for row in rows if row.case.b == least), f"{label}, batch {least}"
    members: dict[tuple[str, str], list[Spot]] = {}
    for spot in _spots(rows, name, axis, quantity):
        size = size_of(spot.row) if axis == "batch" else ""
        members.setdefault((spot.name, size), []).append(spot)
    grows = axis == "size"
    traces = tuple(
        Trace(model=model, size=size, spots=tuple(spots), exponent=_exponent(spots, quantity) if grows else None)
        for (model, size), spots in members.items()
    )
    places = {id(spot.row): spot for trace in traces for spot in trace.spots}
    weighed = findings.fronts(rows, COSTS[quantity]) if axis == "macs" else ()
    fronts = tuple(tuple(places[id(row)] for row in front.best if id(row) in places) for front in weighed)
    return ModelPanel(axis=axis, quantity=quantity, label=label, traces=traces, fronts=fronts)


def _exponent(spots: Sequence[Spot], quantity: str) -> float | None:
    """Of the side, as the table has it; None at fewer than 3 sizes."""
    if len({spot.x for spot in spots}) < MIN_POINTS:
        return None
    laws = findings.model_laws(spot.row for spot in spots)
    powers = [{"latency": law.latency, "memory": law.peak, "macs": law.macs}[quantity] for law in laws]
    return powers[0] if len(powers) == 1 else None


def size_of(row: ModelRow) -> str:
    """The size as a legend names it."""
    return shown_size(row.size) if row.size else ""

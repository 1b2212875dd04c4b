"""What a plot shows, before there is a single dot: curves of a quantity along an axis, and what was not measured."""

import math
import re
from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from kaoprof.errors import UsageError
from kaoprof.records.compare import Row
from kaoprof.reporting.columns.observed import at
from kaoprof.reporting.plots.overhead import overhead_ends
from kaoprof.reporting.tables.grid import Block, Grid, Placed, size_of
from kaoprof.stats.medians import Estimate

WHOLE_EXPONENT = 0.02  # how far from a whole number a closed form's growth may be, to be a slope worth a guide line
ROOFLINE = "roofline"  # a plot of its own, which runs along no size
NEARLY_EQUAL = 1e-9  # relative: curves that differ by less are one


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its 95 % interval, if there is one."""

    x: int
    value: float
    low: float | None = None
    high: float | None = None


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A row that gave no measurement: where it would stand, if that is known, and its status."""

    x: int
    value: float | None
    status: str


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One operator's points, by growing `x`. `implementation` is empty where all of the operator's agree.

    `expected` is what was predicted at the same places, for what was also measured. Up to `overhead_to` more than half
    of the time is a call's overhead.
    """

    operator: str
    implementation: str
    points: tuple[Point, ...]
    expected: tuple[Point, ...] = ()
    lost: tuple[Lost, ...] = ()
    overhead_to: int | None = None

    @property
    def name(self) -> str:
        """As the command line names it."""
        return ":".join(filter(None, (self.operator, self.implementation)))

    @property
    def shown(self) -> tuple[Point, ...]:
        """What was measured, or else predicted."""
        return self.points or self.expected

    @property
    def bent(self) -> tuple[tuple[float, float], ...]:
        """Where it tells of overhead, as (x, value): up to half of the way to the next point."""
        if self.overhead_to is None:
            return ()
        points = [(float(point.x), point.value) for point in self.shown]
        inside = [point for point in points if point[0] <= self.overhead_to]
        beyond = points[len(inside) :][:1] if inside else []
        return (*inside, *((math.sqrt(inside[-1][0] * x), math.sqrt(inside[-1][1] * value)) for x, value in beyond))

    @property
    def sizes(self) -> set[int]:
        """Where there is anything to see."""
        return {place.x for place in (*self.points, *self.expected)} | {lost.x for lost in self.lost}


class Guide(msgspec.Struct, frozen=True, kw_only=True):
    """A theoretical slope, through the last point of the costliest operator that grows so."""

    exponent: int
    x: int
    value: float


class Quantity(msgspec.Struct, frozen=True):
    """What can be drawn; `unit` is that of the axis: `s`, `B` or nothing. `expected` is it before anything ran."""

    name: str
    title: str
    unit: str
    measured: Callable[[Placed], Estimate | None]
    expected: Callable[[Row], int | None]


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity in one block."""

    what: Quantity
    curves: tuple[Curve, ...]
    guides: tuple[Guide, ...]
    limit: float | None = None


def _exactly(path: str) -> Callable[[Placed], Estimate | None]:
    """What stands at a path, which has no interval; 0 is nothing to draw."""

    def measured(row: Placed) -> Estimate | None:
        value = at(path)(row)
        return Estimate(value=value, low=None, high=None, samples=1) if value else None

    return measured


def _map_bytes(row: Row) -> int | None:
    return row.analytic.map_bytes if row.analytic else None


def _predicted(row: Row) -> int | None:
    return row.counted.peak_bytes_predicted if row.counted else None


def _nothing(_: object) -> None:
    return None


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("latency", "latency", "s", lambda row: row.standing.latency, _nothing),
        Quantity("memory", "peak memory", "B", _exactly("standing.row.peak_bytes_measured"), _predicted),
        Quantity("map", "attention map", "B", _nothing, _map_bytes),
        Quantity("macs", "MACs per sample", "", _exactly("standing.row.analytic.macs"), _nothing),
    )
}


def quantities_of(grid: Grid) -> list[str]:
    """What these runs are best shown by: the attention map only in place of memory that nobody predicted."""
    there = known_quantities(grid)
    return [name for name in there if name != "map" or "memory" not in there]


def known_quantities(grid: Grid) -> list[str]:
    """All that these runs hold."""
    return [
        name
        for name, what in QUANTITIES.items()
        if any(what.measured(row) or what.expected(row.standing.row) for row in grid.rows)
    ]


def refuse_nothing(grid: Grid) -> None:
    """Refuses a plot of nothing.

    Raises:
        UsageError: no run holds a row, or none has what was asked for.
    """
    if grid.quantities == (ROOFLINE,):
        from kaoprof.reporting.plots.roofline import can_draw

        if not any(map(can_draw, grid.blocks)):
            hint = "kaoprof compare measures ceilings and traffic, unless --analytic"
            raise UsageError("these runs tell nothing of their device's ceilings", where="--plot", hint=hint)
        return
    there = known_quantities(grid)
    if not there:
        raise UsageError("these runs hold nothing that could be plotted", hint="they have no rows with figures")
    missing = [name for name in grid.quantities or () if name not in there]
    if missing:
        raise UsageError(f"these runs hold no {missing[0]}", where="--plot", hint=f"they hold {', '.join(there)}")


def held_by(grid: Grid, blocks: Sequence[Block], quantities: Sequence[str] | None) -> list[str]:
    """Which of the quantities asked for, or by default of all, some of the blocks hold."""
    part = replace(grid, blocks=tuple(replace(block, rows=tuple(_placed(grid, block))) for block in blocks))
    there = known_quantities(part)
    return [name for name in quantities or quantities_of(part) if name in there]


def _placed(grid: Grid, block: Block) -> list[Placed]:
    """The rows that have a place on the axis, smallest size first: a sequence has none among images."""
    rows = [row for row in block.rows if grid.x is None or size_of(row, grid.x)]
    return sorted(rows, key=lambda row: size_of(row, grid.x))


def panel_of(grid: Grid, block: Block, quantity: str) -> Panel:
    """One quantity of one block; an operator's implementations are one curve where they cannot be told apart."""
    what = QUANTITIES[quantity]
    curves = _merged(curves_of(grid, block, quantity))
    if quantity == "latency":
        ends = overhead_ends([row.standing.row for row in block.rows], grid.x)
        curves = [replace(curve, overhead_to=ends.get((curve.operator, curve.implementation))) for curve in curves]
    return Panel(
        what=what,
        curves=tuple(curves),
        guides=tuple(_guides(what, curves, block, grid.x)) if grid.x else (),
        limit=_limit(block) if quantity == "memory" else None,
    )


def curves_of(grid: Grid, block: Block, quantity: str) -> list[Curve]:
    """One curve for each operator and implementation of a block."""
    rows: dict[tuple[str, str], list[Placed]] = {}
    for row in _placed(grid, block):
        rows.setdefault((row.standing.row.case.operator, row.standing.row.case.implementation), []).append(row)
    return [_curve(QUANTITIES[quantity], name, placed, grid.x) for name, placed in rows.items()]


def _curve(what: Quantity, name: tuple[str, str], rows: Sequence[Placed], x: str | None) -> Curve:
    points, expected, lost = [], [], []
    for row in rows:
        size, measured, predicted = size_of(row, x), what.measured(row), what.expected(row.standing.row)
        if measured is not None:
            points.append(Point(x=size, value=measured.value, low=measured.low, high=measured.high))
        if predicted:
            expected.append(Point(x=size, value=predicted))
        if row.standing.row.status != "ok" and measured is None:  # counts are known of what never ran
            lost.append(Lost(x=size, value=predicted, status=row.standing.row.status))
    return Curve(
        operator=name[0], implementation=name[1], points=tuple(points), expected=tuple(expected), lost=tuple(lost)
    )


def _merged(curves: Iterable[Curve]) -> list[Curve]:
    """The curves, an operator's implementations as one where they cannot be told apart."""
    distinct: list[Curve] = []
    for curve in curves:
        rivals = (other for other in distinct if (other.operator, other.lost) == (curve.operator, curve.lost))
        same = next((other for other in rivals if same_course(other, curve)), None)
        if same is None:
            distinct.append(curve)
        else:
            distinct[distinct.index(same)] = replace(same, implementation="")
    return distinct


def same_course(first: Curve, second: Curve) -> bool:
    """Whether two curves lie on each other everywhere, as counts may and measurements do not."""
    these, those = [(*curve.points, *curve.expected) for curve in (first, second)]
    return len(these) == len(those) and all(
        left.x == right.x
        and left.low is None
        and right.low is None
        and math.isclose(left.value, right.value, rel_tol=NEARLY_EQUAL)
        for left, right in zip(these, those, strict=True)
    )


def _guides(what: Quantity, curves: Sequence[Curve], block: Block, x: str | None) -> list[Guide]:
    """One per theoretical exponent, the steepest first."""
    guides: dict[int, Guide] = {}
    for curve in curves:
        rows = [row for row in block.rows if row.standing.row.case.operator == curve.operator]
        exponent = growth_exponent(what, rows, x)
        fused = what.name == "memory" and curve.implementation == "sdpa"  # it never holds the map
        if not curve.shown or exponent is None or fused:
            continue
        last = curve.shown[-1]
        if exponent not in guides or (last.x >= guides[exponent].x and last.value > guides[exponent].value):
            guides[exponent] = Guide(exponent=exponent, x=last.x, value=last.value)
    return [guides[exponent] for exponent in sorted(guides, reverse=True)]


def growth_exponent(what: Quantity, rows: Sequence[Placed], x: str | None) -> int | None:
    """The power of `x` with which the closed form grows at the largest sizes; None if that is no whole number.

    That of the coefficients, the contraction's own: a term in c^2 bends MACs at small sizes. Batch and channels count
    once each, whatever the sizes.
    """
    if x in {"b", "c"}:
        return None if what.name == "map" and x == "c" else 1
    if what.name in {"macs", "latency"} and (power := growth_class(rows, x)) is not None:
        return power
    known = {size_of(row, x): value for row in rows if (value := _map_bytes(row.standing.row))}
    if len(known) < 2:  # noqa: PLR2004 - a slope takes two points
        return None
    (small, less), (large, more) = sorted(known.items())[-2:]
    exponent = math.log(more / less) / math.log(large / small)
    return round(exponent) if abs(exponent - round(exponent)) < WHOLE_EXPONENT else None


def growth_class(rows: Sequence[Placed], x: str | None) -> int | None:
    """The power of `x` in the order of the MACs; None where not all spatial sizes grow with it, or it is not known."""
    for row in rows:
        case, analytic = row.standing.row.case, row.standing.row.analytic
        grows = {"h": len(set(case.spatial)) == 1, "n": True}.get(x or "", False)
        if analytic is None or not grows:
            continue
        power = re.search(rf"\b{x}\b(?:\^(\d+))?", analytic.order_time)
        return int(power[1] or 1) if power else 0
    return None


def best_curves(curves: Iterable[Curve]) -> list[Curve]:
    """One curve for each operator: the lowest of its implementations at the largest size that most of them reached."""
    best: dict[str, Curve] = {}
    for curve in curves:
        rival = best.get(curve.operator)
        if rival is None or _height(curve) < _height(rival):
            best[curve.operator] = curve
    return list(best.values())


def _height(curve: Curve) -> tuple[int, float]:
    """How far it does not go, and how high it lies at its end."""
    last = max(curve.shown, key=lambda point: point.x, default=None)
    return (-last.x, last.value) if last else (0, math.inf)


def _limit(block: Block) -> float | None:
    """The memory above which rows were skipped, if any were."""
    protocol = block.rows[0].run.record.protocol
    skipped = any(row.standing.row.status in {"skipped", "oom"} for row in block.rows)
    if not skipped or protocol is None or protocol.free_bytes is None:
        return None
    return float(protocol.free_bytes * protocol.memory_fraction)

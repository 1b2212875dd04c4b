"""How costs grow: for rows that differ in one axis only, the fitted exponent of each quantity beside theory's. Pure."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from kaoprof.catalog import find_operator
from kaoprof.costs.cost import STAYING, Cost, degree
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.findings.own_cost import cost_of
from kaoprof.findings.race import race_row
from kaoprof.records.aspect import follows_height
from kaoprof.records.compare import Case, Row
from kaoprof.records.fit import CrossRow, TimedRatio
from kaoprof.records.measured import Latency
from kaoprof.records.own import OwnForm
from kaoprof.stats.overhead_law import OverheadLaw, Timed, overhead_law, pure_law
from kaoprof.stats.power_law import LEAST_EXPONENT, MIN_POINTS, law_through
from kaoprof.stats.timings import quiet_ratio, quiet_s, quiet_time

QUANTITIES = ("products", "macs", "map", "memory", "latency")
AXES = ("h", "w", "t", "n", "c", "b")
MOST_MARGIN = 1.0  # half a 95 % interval: an exponent that is less sure than this tells no law from another
TIME_TOLERANCE = 0.25  # of an exponent of time: as far as caches and threads bend a power law
FIGURES = {"products": "macs", "macs": "macs", "map": "map_entries", "latency": "flops_all"}  # of a closed form
PER_SAMPLE = ("products", "macs")  # counts that do not grow with the batch


class Law(msgspec.Struct, frozen=True, kw_only=True):
    """The exponent of one quantity, 95 %: `low` and `high`. `exponent` is None where `objection` says why.

    Args:
        quantity: `products` are the MACs of similarities and weighted sum, without the c x c transformations, which
            nobody tells apart in somebody's own module; `macs` all MACs; `map` the coefficients' bytes; `memory` the
            peak; `latency` the seconds of a call.
        source: `counted` or `formula`, `measured` or `predicted`.
        theory: the degree of the closed form; of memory that of the largest tensor that must exist, of latency that of
            all arithmetic.
        sizes: on which the exponent rests.
        overhead_s: of latency: what a call takes however small it is; at `dominated` sizes that is more than half.
    """

    quantity: str
    source: str
    theory: int
    sizes: tuple[int, ...]
    exponent: float | None = None
    low: float | None = None
    high: float | None = None
    objection: str = ""
    overhead_s: float | None = None
    dominated: tuple[int, ...] = ()

    @property
    def outgrows_theory(self) -> bool:
        """Whether it surely grows faster than theory allows: within these sizes something else than arithmetic does."""
        return self.low is not None and self.low > self.theory + TIME_TOLERANCE


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one operator that differ in `axis` only, smallest size first; `tied` axes have the same size as it."""

    axis: str
    tied: tuple[str, ...]
    rows: Mapping[int, Row]

    @property
    def case(self) -> Case:
        """The row at the smallest size: everything but the axis holds for all."""
        return next(iter(self.rows.values())).case

    @property
    def tie(self) -> str:
        """How the width follows the height: `w = h`; empty where it does not."""
        if not self.tied:
            return ""
        shapes = [row.case.spatial[-2:] for row in self.rows.values()]
        if all(height == width for height, width in shapes):
            return "w = h"
        return "w follows h: " + " to ".join(f"{height} x {width}" for height, width in (shapes[0], shapes[-1]))

    @property
    def stays(self) -> dict[str, int]:
        """The sizes that stay, by axis."""
        case = self.case
        sizes = {"b": case.b, "c": case.c, **dict(zip(case.dims.axes, case.spatial, strict=True))}
        return {name: size for name, size in sizes.items() if name not in (self.axis, *self.tied)}

    @property
    def group(self) -> tuple[object, ...]:
        """What lines share that stand in one table: all but the operator."""
        case = self.case
        return (self.axis, self.tied, tuple(self.stays.items()), _manner(case))


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """The laws of one line, by quantity; a quantity of which nothing is known is not there."""

    line: Line
    laws: Mapping[str, Law]


class Crossover(msgspec.Struct, frozen=True, kw_only=True):
    """Which of two operators is measured faster from which size on; `line` is one of the first's."""

    line: Line
    verdict: CrossRow


def growths(rows: Iterable[Row]) -> list[Growth]:
    """How every quantity grows along every axis in which at least `MIN_POINTS` rows differ and nothing else does."""
    return [Growth(line=line, laws=laws) for line in lines_of(rows) if (laws := _laws(line))]


def lines_of(rows: Iterable[Row]) -> list[Line]:
    """The lines, by axis, in the order of the rows."""
    by_line: dict[tuple[object, ...], dict[int, Row]] = {}
    rows = list(rows)
    for row in rows:
        for axis, tied, size, key in _directions(row.case):
            by_line.setdefault((axis, tied, row.case.name, key), {})[size] = row
    lines = [
        Line(axis=str(axis), tied=("w",) if tied else (), rows=dict(sorted(members.items())))
        for (axis, tied, *_), members in by_line.items()
        if len(members) >= MIN_POINTS
    ]
    lines += _lines_of_an_aspect(rows)
    return sorted(lines, key=lambda line: AXES.index(line.axis))


def _lines_of_an_aspect(rows: Iterable[Row]) -> Iterator[Line]:
    """Rows in which w follows h by some ratio other than 1, rounded: those whose heights have one width each."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        case = row.case
        if len(case.spatial) > 1:
            groups.setdefault((case.name, _manner(case), case.b, case.c, case.spatial[:-2]), []).append(row)
    for members in groups.values():
        shapes = {row.case.spatial[-2:]: row for row in members}
        by_height = {height: row for (height, _), row in sorted(shapes.items())}
        if len(by_height) == len(shapes) >= MIN_POINTS and follows_height(shapes):
            yield Line(axis="h", tied=("w",), rows=by_height)


def _manner(case: Case) -> tuple[object, ...]:
    """Everything but the operator and the sizes."""
    return (case.heads, case.projection, case.scale, case.dtype, case.device, case.mode)


def _directions(case: Case) -> Iterator[tuple[str, bool, int, tuple[object, ...]]]:
    """Each axis in which other rows may differ: (axis, whether w goes with it, the size, all that must be equal)."""
    manner = _manner(case)
    yield "b", False, case.b, (manner, case.c, case.spatial)
    yield "c", False, case.c, (manner, case.b, case.spatial)
    for index, axis in enumerate(case.dims.axes):
        others = (case.spatial[:index], case.spatial[index + 1 :])
        yield axis, False, case.spatial[index], (manner, case.b, case.c, others)
    *frames, height, width = (0, *case.spatial)
    if len(case.spatial) > 1 and height == width:
        yield "h", True, height, (manner, case.b, case.c, tuple(frames))


def _laws(line: Line) -> dict[str, Law]:
    """None of somebody's module that has no closed form."""
    if line.case.own is not None and _form(line) is None:
        return {}
    quantities = [name for name in QUANTITIES if line.axis != "b" or name not in PER_SAMPLE]
    laws = (_latency_law(line) if name == "latency" else _exact_law(name, line) for name in quantities)
    return {law.quantity: law for law in laws if law is not None}


def _exact_law(quantity: str, line: Line) -> Law | None:
    """The law of a count: its interval says how far the growth is from a pure power, not how noisy it is."""
    source, values = _values(quantity, line)
    values = {size: value for size, value in values.items() if value > 0}
    if not values:
        return None
    law = Law(quantity=quantity, source=source, theory=_theory(quantity, line), sizes=tuple(values))
    if len(values) < MIN_POINTS:
        return replace(law, objection=f"known at fewer than {MIN_POINTS} sizes")
    fitted = law_through(values)
    return _with_exponent(law, fitted.exponent, fitted.margin)


def _with_exponent(law: Law, exponent: float, margin: float) -> Law:
    return replace(law, exponent=exponent, low=exponent - margin, high=exponent + margin)


def _values(quantity: str, line: Line) -> tuple[str, dict[int, int]]:
    """Where the figures come from, and the figures by size: never of two sources."""
    rows = line.rows.items()
    if quantity == "map":
        return "formula", {
            size: row.analytic.map_bytes for size, row in rows if row.analytic and row.analytic.map_bytes
        }
    if quantity == "memory":
        measured = {size: row.peak_bytes_measured for size, row in rows if row.peak_bytes_measured is not None}
        if len(measured) >= MIN_POINTS:
            return "measured", measured
        return "predicted", {size: row.counted.peak_bytes_predicted for size, row in rows if row.counted}
    counted = {size: row.counted.macs for size, row in rows if row.counted}
    formula = {size: row.analytic.macs for size, row in rows if row.analytic}
    source, macs = ("counted", counted) if len(counted) >= MIN_POINTS else ("formula", formula)
    if quantity == "products" and line.case.own is None:
        macs = {size: count - _transformation_macs(line.rows[size].case) for size, count in macs.items()}
    return source, macs


def _transformation_macs(case: Case) -> int:
    """MACs of the c x c transformations of one sample, by the closed form: what `projection none` would not have."""
    operator = find_operator(case.operator)
    whole = operator.cost(case.dims, case.options)
    bare = operator.cost(case.dims, replace(case.options, projection="none"))
    return int(whole.macs_trained - bare.macs_trained if case.mode == "train" else whole.macs - bare.macs)


def _latency_law(line: Line) -> Law | None:
    """The law of the quiet times. More than the arithmetic's exponent is no overhead's doing: then all sizes count."""
    timed = {size: _timed(row.latency) for size, row in line.rows.items() if row.latency}
    if not timed:
        return None
    law = Law(quantity="latency", source="measured", theory=_theory("latency", line), sizes=tuple(timed))
    fitted = overhead_law(timed)
    if fitted is None:
        return replace(law, objection=f"measured at fewer than {MIN_POINTS} sizes")
    without = pure_law(timed)
    overall = _with_fit(law, fitted, line)
    return _with_fit(law, without, line) if overall.outgrows_theory and without else overall


def _with_fit(law: Law, fitted: OverheadLaw, line: Line) -> Law:
    """The law with a fit, or what speaks against it: among others that its output alone takes longer to write."""
    axis, output = line.axis, 1 + len(line.tied)  # exponents: the output is as large as all its sizes together
    law = replace(law, sizes=fitted.beyond, overhead_s=fitted.overhead_s or None, dominated=fitted.dominated)
    if len(fitted.beyond) < MIN_POINTS:
        wanted = f"fewer than {MIN_POINTS} sizes where less than half of the time is a call's overhead"
        return replace(law, objection=f"{wanted}: measure larger {axis}")
    if fitted.exponent < LEAST_EXPONENT:
        return replace(law, objection=f"time hardly depends on {axis}: a call's overhead; measure larger ones")
    known = _with_exponent(law, fitted.exponent, fitted.margin)
    if fitted.exponent + fitted.margin < output - TIME_TOLERANCE:
        slow = f"time grows more slowly than the output: a call's overhead; measure larger {axis}"
        return replace(law, objection=slow)
    if fitted.margin > MOST_MARGIN:
        return replace(known, exponent=None, objection="the points scatter: measure longer, or at more sizes")
    return known


def _timed(latency: Latency) -> Timed:
    seen = quiet_time(latency)
    return Timed(seconds=seen.value, half_width=seen.half_width if seen.interval else None)


def _form(line: Line) -> OwnForm | None:
    """The closed form that was derived from somebody's module, at whichever size."""
    return next((row.analytic.form for row in line.rows.values() if row.analytic and row.analytic.form), None)


def _theory(quantity: str, line: Line) -> int:
    form = _form(line)
    if form is not None:
        return _degree_of(quantity, form, line)
    return _order(quantity, line.case.operator, line.case.options, line.case.dims.axes, (line.axis, *line.tied))


def _degree_of(quantity: str, form: OwnForm, line: Line) -> int:
    """The same of a derived form; the largest tensor that must exist is then the output or the coefficients."""
    axes, growing = line.case.dims.axes, (line.axis, *line.tied)

    def dims(size: int) -> Dims:
        case = line.case
        sizes = {"b": case.b, "c": case.c, **dict(zip(axes, case.spatial, strict=True))} | dict.fromkeys(growing, size)
        return Dims(b=sizes["b"], c=sizes["c"], spatial=tuple(sizes[axis] for axis in axes))

    def count(of: str) -> Callable[[int], int]:
        return lambda size: int(
            dims(size).b ** (of not in PER_SAMPLE) * getattr(cost_of(form, dims(size)), FIGURES[of])
        )

    if quantity != "memory":
        return degree(count(quantity))
    output = degree(lambda size: int(dims(size).b * dims(size).c * dims(size).positions))
    return max(output, degree(count("map"))) if form.map_entries else output


@lru_cache(maxsize=1024)
def _order(quantity: str, name: str, options: AttentionOptions, axes: tuple[str, ...], growing: tuple[str, ...]) -> int:
    """The degree of the closed form in the growing axes, of the whole batch; what stays does not change it."""
    operator = find_operator(name)

    def dims(size: int) -> Dims:
        sizes = dict.fromkeys(("b", "c", *axes), STAYING) | dict.fromkeys(growing, size)
        return Dims(b=sizes["b"], c=sizes["c"], spatial=tuple(sizes[axis] for axis in axes))

    def cost(size: int) -> Cost:
        return operator.cost(dims(size), replace(options, projection="none") if quantity == "products" else options)

    if quantity in PER_SAMPLE:
        return degree(lambda size: int(cost(size).macs))
    if quantity == "map":
        return degree(lambda size: int(dims(size).b * cost(size).map_entries))
    if quantity == "latency":
        return degree(lambda size: int(dims(size).b * cost(size).flops_all))
    output = degree(lambda size: int(dims(size).b * dims(size).c * dims(size).positions))
    return max(output, _order("map", name, options, axes, growing)) if options.implementation == "matmul" else output


def crossovers(rows: Iterable[Row]) -> list[Crossover]:
    """For every two operators with common measured sizes on a line: who is faster from where on.

    Each operator stands by its fastest implementation at each size; ratios come from paired rounds.
    """
    groups: dict[tuple[object, ...], dict[str, list[Line]]] = {}
    for line in lines_of(rows):
        groups.setdefault(line.group, {}).setdefault(line.case.operator, []).append(line)
    return [
        Crossover(line=first[0], verdict=race_row(*names, first[0].axis, ratios))
        for members in groups.values()
        for names, (first, second) in zip(
            itertools.combinations(members, 2), itertools.combinations(members.values(), 2), strict=True
        )
        if (ratios := _ratios(first, second))
    ]


def _ratios(first: Sequence[Line], second: Sequence[Line]) -> list[TimedRatio]:
    """The first's time over the second's at every common size, smallest first."""
    ratios = []
    for size in sorted({size for line in first for size in line.rows}):
        fastest, other = _fastest(first, size), _fastest(second, size)
        ratio = quiet_ratio(fastest[1], other[1]) if fastest and other else None
        if fastest and other and ratio:
            ratios.append(
                TimedRatio(size=size, first=fastest[0], second=other[0], ratio=ratio.value, low=ratio.low,
                           high=ratio.high, samples=ratio.samples)
            )  # fmt: skip
    return ratios


def _fastest(lines: Sequence[Line], size: int) -> tuple[str, Latency] | None:
    """The fastest implementation at that size, by its name."""
    rows = [line.rows[size] for line in lines if size in line.rows]
    timed = [(row.case.name, row.latency) for row in rows if row.latency]
    return min(timed, key=lambda named: quiet_s(named[1]), default=None)

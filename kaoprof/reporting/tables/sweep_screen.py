"""What a sweep of operators says on a terminal: a line per row with how it grows, best first; who wins, since when."""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from kaoprof.findings.growth import TIME_TOLERANCE, Law, Line, crossovers, growths
from kaoprof.findings.operators import Standing, standings
from kaoprof.records.compare import Case, Record, Row
from kaoprof.records.fit import CrossRow
from kaoprof.reporting.document import UNKNOWN, Block, Column, Span, Table, Text, Tone, answer_of, notes_of
from kaoprof.reporting.sentences.quoted import surely_text
from kaoprof.reporting.sentences.verdicts import verdict_of
from kaoprof.reporting.tables.cells import without_twins
from kaoprof.reporting.tables.compare_screen import manner_of
from kaoprof.reporting.tables.growth import AXES, interval_of, power_of, sentence_of
from kaoprof.reporting.tables.looks import (
    Look,
    bar_in,
    best_in,
    factor_interval_of,
    factor_of,
    filled,
    name_columns,
    products_of,
    quiet_seconds,
    rank_of,
    slowness_of,
    text_of,
    time_of,
    versus,
    weight_of,
)

BAR, SIZES, MEMORY, INTERVAL = range(1, 5)  # what goes last where a line has no room
MOST_CROSSINGS = 2  # pairs whose crossing is said; of all pairs it is with -v
OUTGROWN = "!"  # behind an exponent of time that no arithmetic explains
WHY_FASTER = "caches overflow, or other programs ran"
NAMED = 4  # rows of which one sentence is said
Laws = Mapping[Case, Mapping[str, Law]]  # of each row, by quantity
LawLook = Callable[[Mapping[str, Law]], Text]


def answers_of(record: Record, lines: Sequence[Line]) -> list[Block]:
    """Lines that differ in the operator: their table, and what it says."""
    rows = [row for line in lines for row in line.rows.values()]
    known = {growth.line.case: growth.laws for growth in growths(rows) if growth.line.axis == lines[0].axis}
    size = _common(lines, timed=record.protocol is not None)
    there = {line.rows[size].case: line for line in lines if size in line.rows}
    placed = [standing for cell in standings(replace(record, rows=tuple(rows))).values() for standing in cell]
    cell = sorted((standing for standing in placed if standing.row.case in there), key=rank_of)
    laws = {case: known.get(line.case, {}) for case, line in there.items()}
    grown = (Span(sentence, Tone.QUIET) for sentence in _growth(cell, laws))
    surely = _surely(lines[0].axis, cell, placed)
    said = (_verdict(record, lines[0].axis, size, cell, surely), *_order(rows, lines[0], cell), *grown)
    return [_table(record, lines, size, cell, laws), *notes_of(*said)]


def _common(lines: Sequence[Line], *, timed: bool) -> int:
    """The largest size at which most of the rows have figures, so that they can be compared."""
    sizes = {size for line in lines for size in line.rows}
    having = {
        size: sum(size in line.rows and (line.rows[size].latency is not None or not timed) for line in lines)
        for size in sizes
    }
    return max(sizes, key=lambda size: (having[size], size))


def title_of(record: Record, lines: Sequence[Line]) -> str:
    """What grows, from where to where, and what stays."""
    line, case = lines[0], lines[0].case
    sizes = sorted({size for other in lines for size in other.rows})
    axis = "h = w" if line.tie == "w = h" else AXES.get(line.axis, line.axis)
    beside = f" ({line.tie})" if line.tie and line.tie != "w = h" else ""
    growing = (line.axis, *line.tied)
    shown = " x ".join(name if name in growing else str(_size(case, name)) for name in ("b", "c", *case.dims.axes))
    return f"Growth with {axis} from {sizes[0]} to {sizes[-1]}{beside}: {shown}, {manner_of(record, case)}"


def _table(record: Record, lines: Sequence[Line], size: int, cell: Sequence[Standing], laws: Laws) -> Table:
    axis = lines[0].axis
    make = _closed_columns if record.protocol is None else _measured_columns
    kept, shown = filled(make(record, axis, f"at {axis}={size}\n", cell, laws), cell)
    if record.protocol is None:
        shown = without_twins(shown, [standing.row for standing in cell])
    return Table(title=title_of(record, lines), columns=kept, rows=shown)


def _measured_columns(
    record: Record, axis: str, at: str, cell: Sequence[Standing], laws: Laws
) -> list[tuple[Column, Look]]:
    return [
        *name_columns(),
        (Column("theory"), _of(laws, _theory(axis))),
        (Column("MACs"), _of(laws, _power("products"))),
        (Column("memory"), _of(laws, _power("memory"))),
        (Column("time"), _of(laws, _power("latency"))),
        (Column(""), _of(laws, _mark)),
        (Column("(95 %)"), _of(laws, lambda known: Span(interval_of(known.get("latency")), Tone.QUIET))),
        (Column("over sizes", optional=SIZES), _of(laws, _sizes)),
        (Column(f"{at}memory", optional=MEMORY), best_in(cell, weight_of, text_of("weight"))),
        (Column(f"{at}time"), best_in(cell, quiet_seconds, time_of)),
        (Column(f"{at}{versus(record.baseline)}"), best_in(cell, slowness_of, factor_of)),
        (Column("(95 %)", optional=INTERVAL), factor_interval_of),
        (Column("", bar=True, optional=BAR), bar_in(cell)),
    ]


def _closed_columns(
    record: Record, axis: str, at: str, cell: Sequence[Standing], laws: Laws
) -> list[tuple[Column, Look]]:
    """Of closed forms alone."""
    against = versus(record.baseline)
    return [
        (Column("operator", words=True, name=True), lambda standing, _: standing.row.case.name),
        (Column("theory"), _of(laws, _theory(axis))),
        (Column("MACs"), _of(laws, _power("products"))),
        (Column("map"), _of(laws, _power("map"))),
        (Column(f"{at}MACs"), best_in(cell, products_of, text_of("macs"))),
        (Column(f"{at}map"), best_in(cell, _map_bytes, text_of("map"))),
        (Column(f"{at}MACs {against}"), text_of("macs ratio")),
    ]


def _map_bytes(standing: Standing) -> float | None:
    return standing.row.analytic.map_bytes if standing.row.analytic else None


def _of(laws: Laws, look: LawLook) -> Look:
    """A cell that depends on the row's laws."""
    return lambda standing, _: look(laws[standing.row.case])


def _theory(axis: str) -> LawLook:
    """The exponent that the closed form has: of all arithmetic where time was measured, else of products."""

    def theory(laws: Mapping[str, Law]) -> Text:
        law = next((laws[name] for name in ("latency", "products", "map") if name in laws), None)
        return UNKNOWN if law is None else f"{axis}^{law.theory}"

    return theory


def _power(quantity: str) -> LawLook:
    return lambda laws: power_of(laws.get(quantity))


def _mark(laws: Mapping[str, Law]) -> Text:
    law = laws.get("latency")
    return Span(OUTGROWN, Tone.WARN) if law and law.outgrows_theory else ""


def _sizes(laws: Mapping[str, Law]) -> Text:
    """On which sizes the exponent of time rests."""
    law = laws.get("latency")
    known = law is not None and law.exponent is not None
    return Span(f"{law.sizes[0]}-{law.sizes[-1]} ({len(law.sizes)})" if law and known else "", Tone.QUIET)


def _verdict(record: Record, axis: str, size: int, cell: Sequence[Standing], surely: str) -> Text | None:
    """Who is best at the largest common size, by how much, how surely."""
    first, *others = verdict_of(record, cell) or [""]
    if not first:
        return None
    return answer_of(f"At {axis}={size}: {first}", surely, *others)


def _surely(axis: str, cell: Sequence[Standing], placed: Sequence[Standing]) -> str:
    """Of a best row that ran too seldom beside the baseline: how sure its factor is at a smaller size."""
    if not cell or cell[0].speedup is None or cell[0].speedup.low is not None:
        return ""
    name = cell[0].row.case.name
    sure = [(standing.row.case, standing.speedup) for standing in placed
            if standing.row.case.name == name and standing.speedup and (standing.speedup.low or 0.0) > 1]  # fmt: skip
    if not sure:
        return ""
    case, speedup = max(sure, key=lambda known: _size(known[0], axis))
    return f"At {axis}={_size(case, axis)} it is {surely_text(speedup)}."


def _size(case: Case, axis: str) -> int:
    return {"b": case.b, "c": case.c, **dict(zip(case.dims.axes, case.spatial, strict=True))}[axis]


def _order(rows: Sequence[Row], line: Line, cell: Sequence[Standing]) -> list[str]:
    """Whose order changes with the size; or that the best is so everywhere."""
    pairs = [pair for pair in crossovers(rows) if pair.line.axis == line.axis and pair.line.tied == line.tied]
    crossing = [pair for pair in pairs if pair.verdict.low is not None]
    if crossing:
        more = len(crossing) - MOST_CROSSINGS
        beside = [f"{more} more pairs change their order (-v)."] if more > 0 else []
        return [*map(sentence_of, crossing[:MOST_CROSSINGS]), *beside]
    best = cell[0].row.case.operator if cell and cell[0].latency else ""
    own = [pair.verdict for pair in pairs if best in (pair.verdict.first, pair.verdict.second)]
    known = [sizes for verdict in own if verdict.cheaper == best and (sizes := _known(verdict))]
    if (
        not own
        or len(known) < len(own)
        or any(verdict.high != sizes[0] for verdict, sizes in zip(own, known, strict=True))
    ):
        return []
    first, last = max(sizes[0] for sizes in known), min(sizes[-1] for sizes in known)
    return [f"{best} is surely the fastest at every size, {line.axis}={first} to {last}."] if first < last else []


def _known(verdict: CrossRow) -> list[int]:
    """The sizes at which both were measured often enough."""
    return [ratio.size for ratio in verdict.ratios if ratio.low is not None]


def _growth(cell: Sequence[Standing], laws: Laws) -> list[str]:
    """Whether time grows as theory says; of whom that cannot be said, and why."""
    timed = {standing.row.case.name: law for standing in cell if (law := laws[standing.row.case].get("latency"))}
    known = {name: law for name, law in timed.items() if law.exponent is not None}
    faster = [name for name, law in known.items() if law.outgrows_theory]
    slower = [name for name, law in known.items() if law.high and law.high < law.theory - TIME_TOLERANCE]
    agree = len(known) - len(faster) - len(slower)
    reasons: dict[str, list[str]] = {}
    for name, law in timed.items():
        if law.exponent is None:
            reasons.setdefault(law.objection, []).append(name)
    every = f"all {agree}" if agree == len(timed) else f"{agree} of {len(timed)}"
    return [
        *([f"Time grows as theory says in {every} rows."] if agree else []),
        *([f"Time grows faster than arithmetic ({OUTGROWN}) for {_listed(faster)}: {WHY_FASTER}."] if faster else []),
        *([f"Time grows more slowly than arithmetic for {_listed(slower)}."] if slower else []),
        *(f"No exponent of time for {_listed(names)}: {why}." for why, names in reasons.items()),
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"

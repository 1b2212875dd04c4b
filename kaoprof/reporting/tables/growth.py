"""How costs grow, as tables of exponents with sentences: for all runs at several sizes."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from kaoprof.errors import UsageError
from kaoprof.findings.growth import QUANTITIES, Crossover, Growth, Law, crossovers, growths
from kaoprof.records.compare import Row
from kaoprof.records.fit import Conditions
from kaoprof.reporting.document import UNKNOWN, Table, columns_of
from kaoprof.reporting.tables.grid import Block, Grid
from kaoprof.units import format_seconds

HEADERS = {"products": "products", "macs": "MACs", "map": "map", "memory": "memory"}
AXES = {"b": "batch", "c": "channels"}
MOST_CROSSINGS = 10  # pairs of which each is told in a sentence
MOST_BLOCKS = 4  # of one report: each table takes half a page
MEANING = (
    "Exponents by regression on logarithms. Products: MACs of similarities and weighted sum, without the c x c "
    "transformations. k: the highest power in the closed form, which exponents approach as sizes grow."
)
BRACKETS = "In brackets: k of the largest tensor that must exist, where that is another."
TIMING = (
    "Latency: t = a + b s^k fitted to quiet times on a logarithmic scale, each weighted by its interval; given is k "
    "with Student's 95 % interval, and at which sizes (how many): those where a call's overhead a is at most half."
)


def growth_tables(rows: Iterable[Row]) -> list[Table]:
    """One table for each axis and setting in which rows lie at 3 or more sizes; none if there are none."""
    rows = tuple(rows)
    groups: dict[tuple[object, ...], tuple[list[Growth], list[Crossover]]] = {}
    for growth in growths(rows):
        groups.setdefault(growth.line.group, ([], []))[0].append(growth)
    for crossing in crossovers(rows):
        groups[crossing.line.group][1].append(crossing)
    return [_table(members, crossings) for members, crossings in groups.values()]


def grid_growth(grid: Grid) -> list[Table]:
    """One table for each of the first blocks with three sizes or more; what all have in common is told once, first."""
    tables = [table for block in grid.blocks[:MOST_BLOCKS] for table in _block_tables(grid, block)]
    common = [note for note in tables[0].notes if all(note in table.notes for table in tables)] if tables else []
    return tables[:1] + [
        replace(table, notes=tuple(note for note in table.notes if note not in common)) for table in tables[1:]
    ]


def for_paper(table: Table) -> Table:
    """The table with what a caption needs; all else that is said of it is for the author."""
    needed = tuple(note for note in table.notes if note in {MEANING, BRACKETS, TIMING})
    details = (*table.details, *(note for note in table.notes if note not in needed))
    columns = (replace(table.columns[0], name=True), *table.columns[1:])
    return replace(table, columns=columns, notes=needed, details=details)


def _block_tables(grid: Grid, block: Block) -> Iterator[Table]:
    """The block's exponents; of several runs each block holds the rows of one."""
    run = f"{block.rows[0].run.name}: " if len(grid.runs) > 1 else ""
    try:
        tables = growth_tables(row.standing.row for row in block.rows)
    except (UsageError, ValueError):  # no closed form for an operator that this kaoprof does not know, or another one
        return
    yield from (replace(table, title=f"{run}{table.title}") for table in tables)


def _table(members: Sequence[Growth], crossings: Sequence[Crossover]) -> Table:
    line = members[0].line
    shown = [name for name in HEADERS if any(name in growth.laws for growth in members)]
    timed = any("latency" in growth.laws for growth in members)
    sizes = sorted({size for growth in members for size in growth.line.rows})
    case = line.case
    conditions = Conditions(
        axis=line.axis, sizes=line.stays, heads=case.heads, projection=case.projection, scale=case.scale,
        dtype=case.dtype, mode=case.mode, device=case.device,
    )  # fmt: skip
    axis = AXES.get(line.axis, line.axis)
    rows = tuple(_cells(growth, shown, timed=timed) for growth in members)
    headers = ("operator", f"{line.axis}^k", *(HEADERS[name] for name in shown))
    return Table(
        title=f"growth with {axis}, {len(sizes)} sizes from {sizes[0]} to {sizes[-1]}; {_conditions_of(conditions)}",
        columns=columns_of((*headers, "latency 95 %", "at") if timed else headers),
        rows=rows,
        notes=(
            *_overheads(members),
            *_outgrown(members),
            *_objections(members),
            *_crossings(crossings),
            *((f"{line.tie}.",) if line.tied else ()),
            MEANING,
            *_brackets(rows, len(shown)),
            *((TIMING,) if timed else ()),
        ),
    )


def _conditions_of(conditions: Conditions) -> str:
    """Everything that stays."""
    sizes = " ".join(f"{name}={size}" for name, size in conditions.sizes.items())
    device = f", {conditions.device}" if conditions.device else ""
    return (
        f"{sizes}, {conditions.dtype}, {conditions.mode}{device}, heads {conditions.heads}, "
        f"projection {conditions.projection}, scale {conditions.scale}"
    )


def _cells(growth: Growth, shown: Sequence[str], *, timed: bool) -> tuple[str, ...]:
    law = growth.laws.get("macs") or next(iter(growth.laws.values()))
    order = f"{growth.line.axis}^{law.theory}"
    cells = [_exponent(growth.laws.get(name), law.theory) for name in shown]
    return (growth.line.case.name, order, *cells, *(_latency_cells(growth.laws.get("latency")) if timed else ()))


def _brackets(rows: Sequence[Sequence[str]], shown: int) -> list[str]:
    """What an order in brackets is, if there is one."""
    return [BRACKETS] if any(cell.endswith(")") for row in rows for cell in row[2 : 2 + shown]) else []


def _exponent(law: Law | None, order: int) -> str:
    """The exponent, and its own order where that is another than the row's."""
    known = law is not None and law.exponent is not None
    return power_of(law) + (f" ({law.theory})" if law and known and law.theory != order else "")


def power_of(law: Law | None) -> str:
    """An exponent: `2.46`."""
    return UNKNOWN if law is None or law.exponent is None else f"{law.exponent:.2f}"


def interval_of(law: Law | None) -> str:
    """Its interval; nothing where the points scatter: then there is one, but an objection tells that it is no law."""
    if law is None or law.exponent is None or law.low is None or law.high is None:
        return ""
    return f"{law.low:.2f}{'-' if law.low >= 0 else ' to '}{law.high:.2f}"


def _latency_cells(law: Law | None) -> tuple[str, str]:
    interval = interval_of(law)
    if law is None or not interval:
        return UNKNOWN, UNKNOWN
    return f"{power_of(law)} ({interval})", f"{law.sizes[0]}-{law.sizes[-1]} ({len(law.sizes)})"


def _overheads(members: Sequence[Growth]) -> list[str]:
    """Up to which size a call's overhead dominates, in one sentence for all operators."""
    laws = [(growth.line, growth.laws["latency"]) for growth in members if "latency" in growth.laws]
    named = [
        f"{line.case.name} up to {line.axis}={law.dominated[-1]} ({format_seconds(law.overhead_s)} a call)"
        for line, law in laws
        if law.dominated and law.overhead_s
    ]
    return [f"Overhead is more than half of the time: {', '.join(named)}."] if named else []


def _outgrown(members: Sequence[Growth]) -> list[str]:
    """Whose time grows faster than its arithmetic, which no arithmetic explains."""
    laws = [(growth.line.case.name, growth.laws.get("latency")) for growth in members]
    named = [name for name, law in laws if law is not None and law.outgrows_theory]
    outgrown = f"Time grows faster than arithmetic for {', '.join(named)}: caches overflow, or other programs ran."
    return [outgrown] if named else []


def _objections(members: Sequence[Growth]) -> list[str]:
    """Why there is no exponent, each reason once with whom it concerns."""
    concerned: dict[tuple[str, str], list[str]] = {}
    for growth in members:
        for name in QUANTITIES:
            law = growth.laws.get(name)
            if law is not None and law.objection:
                concerned.setdefault((name, law.objection), []).append(growth.line.case.name)
    return [f"No exponent of {name} for {', '.join(names)}: {why}." for (name, why), names in concerned.items()]


def crossings_of(rows: Iterable[Row]) -> list[str]:
    """Who is faster than whom from where on, pair by pair."""
    return _crossings(crossovers(rows))


def _crossings(crossings: Sequence[Crossover]) -> list[str]:
    """A sentence for each pair; of many pairs only of those that do cross, and of few of these."""
    if len(crossings) <= MOST_CROSSINGS:
        return [sentence_of(crossing) for crossing in crossings]
    crossing = [pair for pair in crossings if pair.verdict.status == "ok" and pair.verdict.low is not None]
    told = [sentence_of(pair) for pair in crossing[:MOST_CROSSINGS]]
    return [*told, f"Of {len(crossings)} pairs {len(crossing)} cross, {len(told)} of which are told here."]


def sentence_of(crossing: Crossover) -> str:
    """Who is faster from where on, or that no such size was measured."""
    verdict, axis = crossing.verdict, crossing.line.axis
    pair = f"{verdict.first} and {verdict.second}"
    if verdict.status != "ok" or verdict.cheaper is None:
        return f"Crossover of {pair}: {verdict.detail}."
    other = verdict.first if verdict.cheaper == verdict.second else verdict.second
    first, last = verdict.ratios[0].size, verdict.ratios[-1].size
    if verdict.low is None and verdict.high == first:
        everywhere = f"at all sizes measured, {axis}={first} to {last}" if first != last else f"at {axis}={first}"
        return f"No crossover: {verdict.cheaper} is faster than {other} {everywhere}."
    if verdict.low is None:
        since = f"from {axis}={verdict.high} to {last}" if verdict.high != last else f"at {axis}={last}"
        faster = f"{verdict.cheaper} is certainly faster than {other} {since}"
        return f"No crossover: {faster}, at no smaller one certainly slower."
    return (
        f"Crossover: {verdict.cheaper} is faster than {other} from about {axis}={verdict.since} on (certainly from "
        f"{verdict.high} on, while up to {verdict.low} {other} certainly is)."
    )

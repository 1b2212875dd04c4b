"""What a sweep says: how operators' costs grow along an axis, and with its detail what they are at its end."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from kaoprof.findings.growth import Growth, Line, growths, lines_of
from kaoprof.findings.operators import Standing, standings
from kaoprof.records.compare import Case, Record, Row
from kaoprof.reporting.document import UNKNOWN, Medium, Page, Table, Tone, columns_of, notes_of, words_of
from kaoprof.reporting.sentences.failures import failures
from kaoprof.reporting.sentences.protocol import CONVENTION, MAP_MEANING, PAPER_CONVENTION, protocol_of
from kaoprof.reporting.sentences.row_facts import facts_of
from kaoprof.reporting.tables.cells import cells_of, without_twins
from kaoprof.reporting.tables.compare import page_of as page_of_cells
from kaoprof.reporting.tables.grid_rows import UNSURE
from kaoprof.reporting.tables.growth import crossings_of, interval_of, power_of
from kaoprof.reporting.tables.looks import rank_of
from kaoprof.reporting.tables.sweep_screen import answers_of

MOST_TABLES = 8  # beyond it nobody reads them on a terminal
MEASURED = ("operator", "~\nMACs", "~\npeak", "~\ntime", "95 %", "at {axis}", "latency", "peak", "speedup")
CLOSED = ("operator", "~\nMACs", "~\nmap", "at {axis}", "MACs", "map", "MACs ratio")
GROWTH = (
    "~: the exponent of the size; 2.00: it grows with its square. Fitted to all sizes, of time to those where less "
    "than half is a call's overhead (-: too few, or too scattered); ~ MACs without c x c transformations."
)
CLOSED_GROWTH = (
    "~: the exponent of the size; 2.00: it grows with its square. Fitted to all sizes; ~ MACs without c x c "
    "transformations."
)
OWN_GROWTH = "Of your own modules ~ MACs is of all of them: nobody tells transformations apart."
LARGEST = (
    "Latency, peak and speedup: at the largest size of the operator that ran (speedup: where the baseline ran too, in "
    "brackets if that is another), against the baseline's best there; *: predicted."
)
CLOSED_LARGEST = "MACs of one sample, map and ratio: at the largest size."


def page_of(record: Record, medium: Medium = Medium.TEXT) -> Page:
    """On a terminal the growth along one axis, for each group of rows that have all else in common; else all cells."""
    groups = _groups(record.rows)
    if medium != Medium.SCREEN or not groups:
        return page_of_cells(record, medium)
    shown = groups[:MOST_TABLES]
    answers = [block for lines in shown for block in answers_of(record, lines)]
    hidden = len(record.rows) - sum(len(line.rows) for lines in shown for line in lines)
    beside = notes_of(f"{hidden} rows are in none of these tables; --format csv shows all." if hidden > 0 else None)
    rows = [standing.row for cell in standings(record).values() for standing in sorted(cell, key=rank_of)]
    details = [replace(_table(record, lines), detail=True) for lines in shown]
    convention = CONVENTION if record.protocol else f"{PAPER_CONVENTION} {MAP_MEANING}"
    legend = notes_of(*_notes(record, details), convention, *protocol_of(record), tone=Tone.QUIET, detail=True)
    return Page(blocks=(*answers, *beside, *facts_of(record, rows, weighed=False), *details, *legend))


def _groups(rows: Iterable[Row]) -> list[list[Line]]:
    """The lines along one axis, h with w if there are any, by what they have in common."""
    lines = lines_of(rows)
    best = next((line for line in lines if line.tied), lines[0] if lines else None)
    groups: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        if best is not None and (line.axis, line.tied) == (best.axis, best.tied):
            groups.setdefault(line.group, []).append(line)
    return list(groups.values())


def _table(record: Record, lines: Sequence[Line]) -> Table:
    rows = [row for line in lines for row in line.rows.values()]
    cells = standings(replace(record, rows=tuple(rows))).values()
    standing = {placed.row.case: placed for cell in cells for placed in cell}
    grown = {growth.line.case.name: growth for growth in growths(rows) if growth.line.axis == lines[0].axis}
    analytic = record.protocol is None
    told = [_row(line, grown[line.case.name], standing, analytic=analytic) for line in lines if line.case.name in grown]
    shown = [next(iter(line.rows.values())) for line in lines if line.case.name in grown]
    return Table(
        title=_title(lines),
        columns=columns_of([header.format(axis=lines[0].axis) for header in (CLOSED if analytic else MEASURED)]),
        rows=without_twins(told, shown) if analytic else tuple(told),
    )


def _title(lines: Sequence[Line]) -> str:
    line, case = lines[0], lines[0].case
    sizes = sorted({size for other in lines for size in other.rows})
    axis = "h = w" if line.tie == "w = h" else line.axis
    stays = " ".join(f"{name}={size}" for name, size in line.stays.items())
    manner = f"{case.dtype}, {case.mode}{f', {case.device}' if case.device else ''}, heads {case.heads}"
    follows = f", {line.tie}" if line.tied and axis == "h" else ""
    return f"{axis} from {sizes[0]} to {sizes[-1]} ({len(sizes)} sizes{follows}); {stays}, {manner}"


def _row(line: Line, growth: Growth, standing: dict[Case, Standing], *, analytic: bool) -> tuple[str, ...]:
    """How it grows, and what it costs at the largest size that ran; of an operator that never did, at the largest."""
    largest = max([size for size, row in line.rows.items() if row.status == "ok"] or line.rows)
    cells, laws = cells_of(standing[line.rows[largest].case]), growth.laws
    grows = [
        power_of(laws.get(name)) for name in (("products", "map") if analytic else ("products", "memory", "latency"))
    ]
    shown = [cells[name].text for name in (("macs", "map", "macs ratio") if analytic else ("latency", "weight"))]
    surely = [] if analytic else [interval_of(laws.get("latency"))]
    speedup = [] if analytic else [_speedup(line, largest, standing)]
    return (line.case.name, *grows, *surely, str(largest), *shown, *speedup)


def _speedup(line: Line, largest: int, standing: dict[Case, Standing]) -> str:
    """At the largest size where the baseline ran too, which is named if it is another than the row's."""
    for size in sorted(line.rows, reverse=True):
        placed = standing[line.rows[size].case]
        if placed.speedup is not None:
            return cells_of(placed)["quoted speedup"].text + (f" ({size})" if size != largest else "")
    return UNKNOWN


def _notes(record: Record, tables: Sequence[Table]) -> tuple[str, ...]:
    notes = [CLOSED_GROWTH, CLOSED_LARGEST] if record.protocol is None else [GROWTH, LARGEST]
    notes += [OWN_GROWTH] if any(row.case.own for row in record.rows) else []
    speedups = [words_of(row.cells[-1]) for table in tables for row in table.lines]
    notes += [UNSURE] if any(speedup.startswith(UNKNOWN) for speedup in speedups) else []
    notes += failures([(f"{row.case.name} at {row.case.dims}", row) for row in record.rows])
    return (*notes, *crossings_of(record.rows))

"""What a `diff` says: what comes first, a table for each cell, and what verdicts mean."""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from kaoprof import units
from kaoprof.records.diff import FASTER, SAME, SLOWER, UNSURE, DiffRecord, DiffRow, Side, growth, peaks_of
from kaoprof.reporting.document import (
    UNKNOWN,
    Column,
    Heading,
    Medium,
    Notes,
    Page,
    Span,
    Table,
    Text,
    Tone,
    columns_of,
    notes_of,
    optional_in_print,
)

HEADERS = ("operator", "verdict", "time", "95 %", "old", "new", "memory", "MACs")
WIDE = (("old\nmemory", 1), ("new\nmemory", 1), ("old\nMACs", 2), ("new\nMACs", 2))  # where a terminal has room
LEFT_OUT = {"new": 4, "old": 4, "MACs": 3, "memory": 2, "95 %": 1}  # where a paper's column has no room
MOST_AT_A_GLANCE = 12  # rows on a terminal; of more only those are shown where something changed, or may have
MOST_SHOWN = 60  # rows; of longer comparisons only those are shown where something changed
EQUAL = "="
APPEARED, DISAPPEARED = "new", "gone"


TONES = {SLOWER: Tone.BAD, FASTER: Tone.GOOD, UNSURE: Tone.QUIET}


def page_of(record: DiffRecord, medium: Medium = Medium.TEXT) -> Page:
    """The record as a page: how many rows changed, on a terminal with those alone where there are many."""
    if medium == Medium.SCREEN:
        return _screen(record)
    shown = record.rows if len(record.rows) <= MOST_SHOWN else [row for row in record.rows if _is_news(row)]
    hidden = len(record.rows) - len(shown)
    kept = f"{hidden} more rows, in which nothing changed surely, stand in the .csv and .json." if hidden else None
    tables = _tables(shown)
    summary, before = Heading(summary_of(record)), Notes(tuple(_before(record)))
    after = notes_of(kept, *_after(record), tone=Tone.QUIET)
    if medium == Medium.PAPER:
        around = (f"{text.removesuffix('.')}." for text in (*_changed(record), *_drift(record)))
        return Page(
            blocks=(
                summary,
                *notes_of(*_sides(record), detail=True),
                *notes_of(*around),
                *(replace(table, columns=optional_in_print(table.columns, LEFT_OUT)) for table in tables),
                *notes_of(kept, *_limits(record)),
                *notes_of(*_meaning(record), detail=True),
            )
        )
    return Page(blocks=(Heading(f"kaoprof diff: {summary.text}"), before, *tables, *after))


def _screen(record: DiffRecord) -> Page:
    """The answer, what disturbs it, the rows; how it was found only where that is asked for."""
    news = [row for row in record.rows if _is_news(row) or row.verdict == UNSURE]
    short = len(record.rows) > MOST_AT_A_GLANCE
    left = len(record.rows) - len(news)
    hidden = f"{left} more rows, in which nothing changed: -v." if short and left else None
    glance = tuple(_widened(table, rows) for table, rows in _with_rows(news if short else record.rows))
    every = tuple(replace(table, detail=True) for table in _tables(record.rows[:MOST_SHOWN])) if short else ()
    around = (*_changed(record), *_drift(record))
    return Page(
        blocks=(
            Heading(summary_of(record)),
            *notes_of(*_disturbed(record), *around),
            *glance,
            *notes_of(hidden, *_limits(record)),
            *every,
            *notes_of(*_sides(record), *_meaning(record), tone=Tone.QUIET, detail=True),
        )
    )


def _tables(rows: Sequence[DiffRow]) -> tuple[Table, ...]:
    return tuple(table for table, _ in _with_rows(rows))


def by_cell(rows: Sequence[DiffRow]) -> dict[str, list[DiffRow]]:
    """The rows by what they have in common."""
    cells: dict[str, list[DiffRow]] = {}
    for row in rows:
        cells.setdefault(row.cell, []).append(row)
    return cells


def _with_rows(rows: Sequence[DiffRow]) -> list[tuple[Table, list[DiffRow]]]:
    """A table for each cell, with its rows."""
    return [(_table(cell, members), members) for cell, members in by_cell(rows).items()]


def _widened(table: Table, rows: Sequence[DiffRow]) -> Table:
    """The table with what memory and MACs were and are, for a terminal that has the room."""
    more = [Column(header, optional=level) for header, level in WIDE]
    cells = tuple((*line.cells, *_exactly(row)) for line, row in zip(table.lines, rows, strict=True))
    return replace(table, columns=(*table.columns, *more), rows=cells)


def _exactly(row: DiffRow) -> tuple[str, ...]:
    """Memory and MACs, old and new."""
    peaks = [UNKNOWN if peak is None else units.format_bytes(peak) for peak in peaks_of(row)]
    macs = [
        UNKNOWN if side is None or side.macs is None else units.format_count(side.macs) for side in (row.old, row.new)
    ]
    return (*peaks, *macs)


def _disturbed(record: DiffRecord) -> Iterator[Text]:
    """That other programs had the cores, so that little can be said of times."""
    names = [name for name, side in (("old", record.old), ("new", record.new)) if side.warnings]
    if names:
        runs = "both runs were" if len(names) == len(("old", "new")) else f"the {names[0]} run was"
        yield Span(f"Other programs ran while {runs} measured: only a change beyond that noise is told.", Tone.BAD)


def summary_of(record: DiffRecord) -> str:
    """How many rows changed, and how."""
    verdicts = Counter(row.verdict for row in record.rows if row.verdict)
    counts = [f"{verdicts[verdict]} {verdict}" for verdict in (SLOWER, FASTER, SAME, UNSURE) if verdicts[verdict]]
    parts = [", ".join(counts) or "no times to compare"]
    changed = {
        "memory": sum(growth(*peaks_of(row)) not in (None, 1.0) for row in record.rows),
        "MACs": sum(_macs_growth(row) not in (None, 1.0) for row in record.rows),
    }
    parts += [f"{name} changed in {count}" if count else f"{name} unchanged" for name, count in changed.items()]
    statuses = {
        "appeared": sum(row.old_status is None for row in record.rows),
        "disappeared": sum(row.new_status is None for row in record.rows),
        "with another status": sum(len({row.old_status, row.new_status} - {None}) > 1 for row in record.rows),
    }
    parts += [f"{count} {name}" for name, count in statuses.items() if count]
    return "; ".join(parts)


def _macs_growth(row: DiffRow) -> float | None:
    return growth(row.old.macs, row.new.macs) if row.old and row.new else None


def _is_news(row: DiffRow) -> bool:
    exact = growth(*peaks_of(row)), _macs_growth(row)
    return (
        row.verdict in (SLOWER, FASTER)
        or row.old_status != row.new_status
        or any(factor not in (None, 1.0) for factor in exact)
    )


def _table(cell: str, rows: Sequence[DiffRow]) -> Table:
    details = [f"{row.name}: {_status(row)}{f', {row.detail}' if row.detail else ''}." for row in rows if _status(row)]
    return Table(
        title=cell,
        columns=columns_of(HEADERS),
        rows=tuple(map(_cells, rows)),
        notes=tuple(details),
        tones=TONES,
    )


def _status(row: DiffRow) -> str:
    if row.old_status is None:
        return f"only in the new run ({row.new_status})"
    if row.new_status is None:
        return f"only in the old run ({row.old_status})"
    if row.old_status != row.new_status:
        return f"was {row.old_status}, is {row.new_status}"
    return row.new_status if row.new_status != "ok" else ""


def _cells(row: DiffRow) -> tuple[str, ...]:
    verdict = row.verdict or UNKNOWN
    if row.old_status is None or row.new_status is None:
        verdict = APPEARED if row.old_status is None else DISAPPEARED
    return (row.name, verdict, *time_cells(row), _exact(growth(*peaks_of(row))), _exact(_macs_growth(row)))


def time_cells(row: DiffRow) -> tuple[str, ...]:
    """The change of its time, with its interval, and both times."""
    time = row.time
    if time is None:
        return (UNKNOWN,) * 4
    interval = UNKNOWN if time.low is None or time.high is None else units.format_change_interval(time.low, time.high)
    return units.format_change(time.ratio), interval, units.format_seconds(time.old_s), units.format_seconds(time.new_s)


def _exact(factor: float | None) -> str:
    if factor is None:
        return UNKNOWN
    return EQUAL if factor == 1 else units.format_change(factor)


UNSAID = {"samples": "as many as the budget allows"}  # what it means that an option was not given


def _before(record: DiffRecord) -> Iterator[str]:
    """The runs, and what is another around them."""
    yield from _sides(record)
    yield from _changed(record)
    yield from _drift(record)


def _sides(record: DiffRecord) -> Iterator[str]:
    for name, side in (("old", record.old), ("new", record.new)):
        yield f"{name}: {side.path}, {side.kind} of {side.created}, kaoprof {side.version}{_flaws(side)}"


def _changed(record: DiffRecord) -> Iterator[str]:
    """What is another around the runs."""
    if not record.changes:
        yield "Environment and protocol are the same."
    for change in record.changes:
        unsaid = UNSAID.get(change.name, "unknown")
        yield f"{change.name}: {change.old or unsaid} -> {change.new or unsaid}"


def _flaws(side: Side) -> str:
    several = f"; the last measured of its {side.environments} environments" if side.environments > 1 else ""
    return several + ("; interrupted" if side.interrupted else "")


def _drift(record: DiffRecord) -> Iterator[str]:
    """What all rows of a cell have in common, and whether it is left out."""
    if not record.drifts:
        return
    factors = [drift.factor for drift in record.drifts if drift.factor is not None]
    if not factors:
        yield "Too few operators to tell a slower machine from slower operators: times are compared as measured."
        return
    low, high = units.format_ratio(min(factors)), units.format_ratio(max(factors))
    typical = f"{low} the time" if low == high else f"{low} to {high} the time, cell by cell"
    if all(drift.removed for drift in record.drifts if drift.factor is not None):
        yield (
            f"The machine: all rows of a cell together took {typical}. Each row is compared without that, since both "
            "runs were made in the same place; --drift keep leaves it in."
        )
    else:
        yield f"All rows of a cell together took {typical}; that is left in, --drift remove takes it out."


def _after(record: DiffRecord) -> Iterator[str]:
    """What verdicts mean here, how small a change these runs can tell, and whether a limit is broken."""
    yield from _limits(record)
    yield from _meaning(record)


def _meaning(record: DiffRecord) -> Iterator[str]:
    """What verdicts mean here, and how small a change these runs can tell."""
    widths = [row.time.high_joint / row.time.ratio - 1 for row in record.rows if row.time and row.time.high_joint]
    if not widths:
        return
    margin = units.format_change(1 + record.margin)
    yield (
        f"SLOWER, FASTER: surely, by the 95 % interval that holds for all {len(widths)} rows together, and by more "
        f"than {margin}; SAME: the row's own 95 % interval, which is shown, lies within that; UNSURE: neither."
    )
    learnt = (
        "learnt from how far all rows differ"
        if record.spread_learned
        else "assumed: other programs ran, or too few rows tell"
    )
    seen = units.format_change(1 + max(record.margin, statistics.median(widths)))
    spread = units.format_percent(record.run_spread, ".1%")
    yield (
        f"Intervals hold the spread between processes of a run, and {spread} between runs ({learnt}). "
        f"In half of the rows a change from {seen} on would be seen."
    )


def _limits(record: DiffRecord) -> Iterator[str]:
    if record.fail_above is None:
        return
    limit = (
        f"Limit {units.format_change(1 + record.fail_above)} (of a time: the lower end of the interval for all rows)"
    )
    short = _short_names(record)
    broken = [f"{row.name} at {short[row.cell]} ({', '.join(row.breaches)})" for row in record.rows if row.breaches]
    yield f"{limit}: broken by {'; '.join(broken)}." if broken else f"{limit}: kept."


def _short_names(record: DiffRecord) -> dict[str, str]:
    """Each cell by its sizes alone, where these tell it from all others."""
    sizes = {row.cell: row.cell.partition(",")[0] for row in record.rows}
    twice = Counter(sizes.values())
    return {cell: short if twice[short] == 1 else cell for cell, short in sizes.items()}


def warnings_of(record: DiffRecord) -> list[str]:
    """What a careful reader must know before trusting a comparison."""
    sides = (record.old, record.new)
    warnings = [f"{side.path} was interrupted: rows are missing" for side in sides if side.interrupted]
    warnings += [f"{side.path}: {warning}" for side in sides for warning in side.warnings]
    judged = [row for row in record.rows if row.verdict]
    if record.fail_above is not None and judged and all(row.verdict == UNSURE for row in judged):
        warnings.append("no row could be judged: these runs are too noisy or too short; raise their --budget")
    if record.fail_above is not None and not judged:
        warnings.append("no times could be compared: only counts and predicted memory were judged")
    return warnings

"""What many grid cells say: one line per row, or in a paper one line per size with operators beside."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from kaoprof.findings.operators import ROW_WARNINGS, peak_bytes, sweep_warnings
from kaoprof.reporting.document import UNKNOWN, Column, Heading, Medium, Notes, Page, Table, Tone
from kaoprof.reporting.sentences.protocol import AGREE, CONVENTION, protocol_of
from kaoprof.reporting.tables.cells import PREDICTED, WITHOUT_LATENCY, cells_of
from kaoprof.reporting.tables.compare import page_of as page_of_cells
from kaoprof.reporting.tables.grid import Block, Grid, NamedRun, Placed, size_of
from kaoprof.reporting.tables.growth import grid_growth
from kaoprof.stats.medians import Estimate
from kaoprof.units import format_bytes, format_seconds_surely, format_short_count, sure_digits

UNSURE = "No speedup (-) is given where its interval contains 1 and is wider than the speedup itself."
HEADERS = ("operator", "MACs", "", "peak", "latency", "95 % interval", "speedup")


TONES = dict.fromkeys(WITHOUT_LATENCY, Tone.BAD) | {"!": Tone.BAD, "=": Tone.GOOD, ">": Tone.GOOD}


def page_of(grid: Grid, medium: Medium = Medium.TEXT) -> Page:
    """All rows; where there are few cells, of one run, as `compare` shows them."""
    if not grid.is_large:
        return page_of_cells(grid.runs[0].record, medium)
    if medium == Medium.PAPER:
        from kaoprof.reporting.tables.grid_paper import paper_page

        return paper_page(grid)
    if medium == Medium.SCREEN:
        several = len(grid.blocks) > 1
        tables = [_table(grid, block, block.label if several else grid.title, medium) for block in grid.blocks]
        heading = (Heading(grid.title),) if several else ()
        return Page(blocks=(*heading, *tables, Notes(tuple(summed_notes(grid)), Tone.QUIET)))
    tables = [_table(grid, block, block_title(grid, block), medium) for block in grid.blocks]
    warnings = (f"Warning: {warning}." for warning in summed_warnings(grid.runs))
    return Page(blocks=(*tables, *grid_growth(grid), Notes((*summed_notes(grid), *warnings))))


def _table(grid: Grid, block: Block, title: str, medium: Medium) -> Table:
    """The rows by size; a terminal shows each size once, and keeps a column for it."""
    rows, before = [], None
    gap, screen = (" ", True) if medium == Medium.SCREEN else ("", False)
    for row in sorted(block.rows, key=lambda row: size_of(row, grid.x)):
        size, (name, *others) = size_of(row, grid.x), line_cells(row)
        shown = [str(size) if grid.x and not (screen and size == before) else ""] if screen or grid.x else []
        rows.append((*shown, f"{gap}{name}", *others))
        before = size
    sizes = [Column(grid.x_label if grid.x else "")] if screen or grid.x else []
    first, *figures = HEADERS
    columns = (*sizes, Column(f"{gap}{first}", words=True), *map(Column, figures))
    return Table(title=title, columns=columns, rows=tuple(rows), tones=TONES)


def line_cells(row: Placed) -> tuple[str, ...]:
    """One row as texts under `HEADERS`; a star marks memory that was not measured."""
    cells, measured = cells_of(row.standing), row.standing.row.peak_bytes_measured is not None
    weight = peak_bytes(row.standing.row)
    return (
        row.standing.row.case.name,
        cells["macs"].text,
        cells["agreement"].text,
        UNKNOWN if weight is None else format_bytes(weight) + ("" if measured else PREDICTED),
        cells["latency"].text,
        cells["interval"].text,
        UNKNOWN if tells_nothing(row.standing.speedup) else cells["speedup"].text,
    )


def tells_nothing(speedup: Estimate | None) -> bool:
    """Whether not even the first digit of a speedup holds, nor on which side of 1 it is: nobody should quote it."""
    if speedup is None or speedup.low is None or speedup.high is None:
        return False
    return speedup.low < 1 < speedup.high and speedup.high - speedup.low > speedup.median


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """One block: per size and operator the fastest implementation, else the leanest. Sizes grow."""

    label: str
    sizes: tuple[int, ...]
    operators: tuple[str, ...]
    best: Mapping[tuple[int, str], Placed]


def matrix_of(grid: Grid, block: Block) -> Matrix:
    """The block with one implementation per operator and size."""
    best: dict[tuple[int, str], Placed] = {}
    for row in block.rows:
        key = (size_of(row, grid.x), row.standing.row.case.operator)
        if key not in best or _rank(row) < _rank(best[key]):
            best[key] = row
    return Matrix(
        label=block.label,
        sizes=tuple(sorted({size for size, _ in best})),
        operators=tuple(dict.fromkeys(row.standing.row.case.operator for row in block.rows)),
        best=best,
    )


def _rank(row: Placed) -> tuple[bool, float, float]:
    latency, weight = row.standing.latency, peak_bytes(row.standing.row)
    infinite = float("inf")
    return (latency is None, latency.median if latency else 0.0, infinite if weight is None else weight)


def short_cells(row: Placed) -> tuple[str, str, str, str]:
    """MACs, peak memory, latency and speedup with the digits that they deserve; memory of analytic rows is the map."""
    measured = row.standing.row
    weight, latency, speedup = peak_bytes(measured), row.standing.latency, row.standing.speedup
    star = "" if measured.peak_bytes_measured is not None else PREDICTED
    memory = UNKNOWN if weight is None else f"{format_bytes(weight)}{star}"
    if weight is None and measured.analytic:
        memory = format_bytes(measured.analytic.map_bytes)
    time = UNKNOWN if measured.status == "ok" else measured.status
    if latency:
        time = format_seconds_surely(latency.median, latency.low, latency.high)
    return (
        format_short_count(measured.analytic.macs) if measured.analytic else UNKNOWN,
        memory,
        time,
        UNKNOWN
        if speedup is None or tells_nothing(speedup)
        else f"{sure_digits(speedup.median, speedup.low, speedup.high)}x",
    )


def summed_warnings(runs: Sequence[NamedRun]) -> list[str]:
    """What a careful reader must know, each warning once: of thousands of rows no list would be read."""
    warnings = []
    for run in runs:
        where = f"{run.name}: " if len(runs) > 1 else ""
        warnings += [f"{where}{sentence}" for sentence in sweep_warnings(run.record)]
        states = Counter(row.status for row in run.record.rows if row.status != "ok")
        warnings += [
            f"{where}{status}: {count} of {len(run.record.rows)} rows" for status, count in sorted(states.items())
        ]
        if run.record.interrupted:
            warnings.append(f"{where}interrupted before all was measured")
    return warnings


def counted_warnings(runs: Sequence[NamedRun]) -> list[str]:
    """The rows' warnings for a caption: how many rows each concerns, and none by name."""
    rows = [row for run in runs for row in run.record.rows]
    counts = {sentence: sum(bool(look(row)) for row in rows) for sentence, look in ROW_WARNINGS.items()}
    return [f"{sentence}: {count} of {len(rows)} rows" for sentence, count in counts.items() if count]


def summed_notes(grid: Grid) -> list[str]:
    """Under every table of many cells: what the columns mean, how and where each run was measured."""
    runs = grid.runs
    counted = any(row.counted for run in runs for row in run.record.rows)
    notes = [CONVENTION, *([AGREE] if counted else []), "*: predicted, not measured."]
    baselines = sorted({run.record.baseline for run in runs})
    notes.append(f"Speedup: against the fastest implementation of {', '.join(baselines)} in the same cell.")
    notes += [UNSURE] if any(tells_nothing(row.standing.speedup) for row in grid.rows) else []
    for run in runs:
        where = f"{run.name}: " if len(runs) > 1 else ""
        notes += [f"{where}{sentence}" for sentence in protocol_of(run.record)]
    return notes


def block_title(grid: Grid, block: Block) -> str:
    """What is the same in the whole block."""
    return ", ".join(filter(None, (block.label, grid.title)))

"""What many grid cells say: one line per row, or in a paper one line per size with operators beside."""

import math
from collections.abc import Sequence
from itertools import zip_longest

from kaoprof.findings.operators import concerned, peak_bytes
from kaoprof.findings.tally import Tally, tally_of
from kaoprof.reporting.document import Column, Heading, Medium, Notes, Page, Table, Tone
from kaoprof.reporting.sentences.protocol import AGREE, CONVENTION, protocol_of
from kaoprof.reporting.tables.cells import WITHOUT_LATENCY, cells_of, tells_nothing
from kaoprof.reporting.tables.compare import page_of as page_of_cells
from kaoprof.reporting.tables.grid import Block, Grid, NamedRun, Placed, size_of
from kaoprof.reporting.tables.growth import grid_growth

UNSURE = "No speedup (-) is given where its interval contains 1 and is wider than the speedup itself."
HEADERS = ("operator", "MACs", "", "peak", "latency", "95 % interval", "speedup")
LINE = ("name", "macs", "agreement", "weight", "latency", "interval", "quoted speedup")  # what stands under them


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
        size, cells = size_of(row, grid.x), cells_of(row.standing)
        name, *others = (cells[cell].text for cell in LINE)
        shown = [str(size) if grid.x and not (screen and size == before) else ""] if screen or grid.x else []
        rows.append((*shown, f"{gap}{name}", *others))
        before = size
    sizes = [Column(grid.x_label if grid.x else "")] if screen or grid.x else []
    first, *figures = HEADERS
    columns = (*sizes, Column(f"{gap}{first}", words=True), *map(Column, figures))
    return Table(title=title, columns=columns, rows=tuple(rows), tones=TONES)


def best_of(grid: Grid, block: Block) -> dict[int, dict[str, Placed]]:
    """By size, which grows, and operator the fastest implementation, else the leanest."""
    best: dict[int, dict[str, Placed]] = {}
    for row in sorted(block.rows, key=lambda row: size_of(row, grid.x)):
        rivals = best.setdefault(size_of(row, grid.x), {})
        name = row.standing.row.case.operator
        rivals[name] = min(rivals.get(name, row), row, key=_rank)
    return best


def _rank(row: Placed) -> tuple[bool, float, float]:
    latency, weight = row.standing.latency, peak_bytes(row.standing.row)
    return (latency is None, latency.value if latency else 0.0, math.inf if weight is None else weight)


def summed_warnings(runs: Sequence[NamedRun], tallies: Sequence[Tally] = ()) -> list[str]:
    """What a careful reader must know, each warning once: of thousands of rows no list would be read.

    `tallies` of runs whose rows all passed by already spare going through them again.
    """
    warnings = []
    for run, known in zip_longest(runs, tallies):
        where = f"{run.name}: " if len(runs) > 1 else ""
        tally = known if known and known.whole else tally_of(run.record)
        warnings += [f"{where}{sentence}" for sentence in (*tally.warnings(), *tally.failures())]
        if run.record.interrupted:
            warnings.append(f"{where}interrupted before all was measured")
    return warnings


def counted_warnings(runs: Sequence[NamedRun]) -> list[str]:
    """The rows' warnings for a caption: how many rows each concerns, and none by name."""
    rows = [row for run in runs for row in run.record.rows]
    return [f"{sentence}: {len(members)} of {len(rows)} rows" for sentence, members in concerned(rows)]


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

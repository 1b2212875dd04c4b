"""What every compact table of many grid cells shares: one line per row, or one line per size with operators beside."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from kaoprof.findings.operators import ROW_WARNINGS, peak_bytes, sweep_warnings
from kaoprof.reporting.sentences.protocol import AGREE, CONVENTION, protocol_of
from kaoprof.reporting.tables.compare import PREDICTED, UNKNOWN, cells_of
from kaoprof.reporting.tables.grid import Block, Grid, NamedRun, Placed, size_of
from kaoprof.stats.medians import Estimate
from kaoprof.units import format_bytes, format_seconds_surely, format_short_count, sure_digits

MANY_CELLS = 4  # from here on one line per row instead of a table per cell
UNSURE = "No speedup (-) is given where its interval contains 1 and is wider than the speedup itself."
HEADERS = ("operator", "MACs", "", "peak", "latency", "95 % interval", "speedup")


def line_cells(row: Placed) -> tuple[str, ...]:
    """One row as texts under `HEADERS`; a star marks memory that was not measured."""
    cells, measured = cells_of(row.standing), row.standing.row.peak_bytes_measured is not None
    weight = peak_bytes(row.standing.row)
    return (
        row.standing.row.case.name,
        cells.macs,
        cells.agreement,
        UNKNOWN if weight is None else format_bytes(weight) + ("" if measured else PREDICTED),
        cells.latency,
        cells.interval,
        UNKNOWN if tells_nothing(row.standing.speedup) else cells.speedup,
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
    one = row.standing.row
    weight, latency, speedup = peak_bytes(one), row.standing.latency, row.standing.speedup
    star = "" if one.peak_bytes_measured is not None else PREDICTED
    memory = UNKNOWN if weight is None else f"{format_bytes(weight)}{star}"
    if weight is None and one.analytic:
        memory = format_bytes(one.analytic.map_bytes)
    time = UNKNOWN if one.status == "ok" else one.status
    if latency:
        time = format_seconds_surely(latency.median, latency.low, latency.high)
    return (
        format_short_count(one.analytic.macs) if one.analytic else UNKNOWN,
        memory,
        time,
        UNKNOWN
        if speedup is None or tells_nothing(speedup)
        else f"{sure_digits(speedup.median, speedup.low, speedup.high)}x",
    )


def summed_warnings(runs: Sequence[NamedRun]) -> list[str]:
    """What a careful reader must know, each warning once: of thousands of rows no list would be read."""
    found = []
    for run in runs:
        where = f"{run.name}: " if len(runs) > 1 else ""
        found += [f"{where}{sentence}" for sentence in sweep_warnings(run.record)]
        states = Counter(row.status for row in run.record.rows if row.status != "ok")
        found += [
            f"{where}{status}: {count} of {len(run.record.rows)} rows" for status, count in sorted(states.items())
        ]
        if run.record.interrupted:
            found.append(f"{where}interrupted before all was measured")
    return found


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

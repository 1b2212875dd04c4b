"""How long a run takes at least, foreseen before anything is measured, where its budget cannot shorten it. Pure."""

from collections.abc import Sequence

import msgspec

from kaoprof.measuring.plan import MIN_ROUNDS, SLOW_ROUNDS, Subject
from kaoprof.records.options import Options
from kaoprof.units import format_seconds

CLEARLY = 1.5  # times the budget: less is no surprise
WORTH_SAYING_S = 5.0  # beyond the budget, at least
CALLS_BEFORE = 2  # of every row: the first one, and one whose memory is watched
ROW_S = 0.05  # what a row takes however quick its calls are: it is loaded, looked at, and timed in ten blocks


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is to be measured: arithmetic that one call cannot avoid, and bytes that it needs."""

    label: str
    flops: int = 0
    needed_bytes: int = 0


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of every cell that is to be measured, and what each cell has of the budget."""

    cells: tuple[tuple[Ahead, ...], ...]
    share_s: float


def outlook_of(cells: Sequence[Sequence[Subject]], plan: Options) -> Outlook:
    """Of subjects that share a budget equally, cell by cell."""
    return Outlook(
        cells=tuple(
            tuple(
                Ahead(label=subject.label, flops=subject.floor_flops,
                      needed_bytes=subject.predicted_bytes + subject.resident_bytes)
                for subject in subjects
            )
            for subjects in cells
        ),
        share_s=plan.budget_s / max(len(cells), 1),
    )  # fmt: skip


def longer_than_asked(outlook: Outlook, plan: Options, *, throughput_flops: float, free_bytes: int | None) -> str:
    """That the run will clearly take longer than its budget, in a sentence; empty if it may not, or nobody can tell.

    A lower bound: calls at the rate of a large product, as seldom as they are timed at least, and only of rows that
    are neither predicted to be too slow nor too large.
    """
    if plan.samples:
        return ""
    allowed = None if free_bytes is None or plan.force_run else free_bytes * plan.memory_fraction
    running = [[row for row in cell if _runs(row, plan, throughput_flops, allowed)] for cell in outlook.cells]
    anyway_s = outlook.share_s if plan.precision is None else 0.0  # a precision may end a cell before
    least_s = sum(max(_least_s(cell, plan, outlook.share_s, throughput_flops), anyway_s) for cell in running)
    if least_s < CLEARLY * plan.budget_s or least_s - plan.budget_s < WORTH_SAYING_S:
        return ""
    slowest = max((row for cell in running for row in cell), key=lambda row: row.flops)
    call_s = slowest.flops / throughput_flops
    why = f"one call of {slowest.label} takes {format_seconds(call_s)} or more"
    if (CALLS_BEFORE + MIN_ROUNDS) * call_s < ROW_S:
        why = f"{len(running)} cells with {sum(map(len, running))} rows have {format_seconds(outlook.share_s)} each"
    return (
        f"this takes at least {format_seconds(least_s)}, whatever the budget of {format_seconds(plan.budget_s)}: {why}"
    )


def _runs(row: Ahead, plan: Options, throughput_flops: float, allowed: float | None) -> bool:
    if plan.force_run:
        return True
    return row.flops / throughput_flops <= plan.timeout_s and (allowed is None or row.needed_bytes <= allowed)


def _least_s(cell: Sequence[Ahead], plan: Options, share_s: float, throughput_flops: float) -> float:
    """Seconds of one cell: of each row so many calls as are made of it in any case."""
    row_share_s = share_s / max(len(cell), 1)
    seconds = 0.0
    for row in cell:
        call_s = row.flops / throughput_flops
        few = min(SLOW_ROUNDS, plan.budget_s // call_s) if call_s > row_share_s else MIN_ROUNDS
        seconds += max((CALLS_BEFORE + few) * call_s, ROW_S)
    return seconds

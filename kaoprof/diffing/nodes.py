"""How the nodes of a cluster differ that did the same cells: counts exactly, times by interval. Pure.

Only the same row is compared on two nodes. What is a ratio of two rows stays within one node.
"""

import math
from collections.abc import Iterator, Sequence

import msgspec

from kaoprof.diffing.intervals import Shifts, shifts_between
from kaoprof.diffing.run import MARGIN, changes_between, rows_between
from kaoprof.findings.figures import Comparable, cells_of, figures_of
from kaoprof.findings.surroundings import competition_warnings
from kaoprof.records import diff as records

EXACT = ("macs", "params", "map_bytes", "peak_bytes_predicted")


class NodeBeside(msgspec.Struct, frozen=True, kw_only=True):
    """A node beside the first one.

    Args:
        node: its name.
        rows: the same rows on the first node, `old`, and on this one, `new`.
        changes: of the environment.
        ratio: how many times the first one's time this one takes, on the geometric mean of the rows that both timed;
            None where there is none.
        low: of its 95 % interval, with `high`; None where too few samples allow none.
    """

    node: str
    rows: tuple[records.DiffRow, ...]
    changes: tuple[records.Change, ...]
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def unequal(self) -> list[records.DiffRow]:
        """The rows that are not counted alike."""
        return [row for row in self.rows if row.old and row.new and _exact(row.old) != _exact(row.new)]

    @property
    def elsewhere(self) -> list[records.DiffRow]:
        """The rows that only one of the nodes has, or that became something else."""
        return [row for row in self.rows if row.old_status != row.new_status]


def nodes_beside(runs: Sequence[Comparable]) -> list[NodeBeside]:
    """Each node but the first beside that one; `runs` are one of each node, with its name in the environment."""
    first, *others = runs
    return [_beside(first, other) for other in others]


def node_name(run: Comparable) -> str:
    """The node that a run was measured on, if nodes are compared."""
    return (run.environment.node if run.environment else None) or ""


def _beside(first: Comparable, other: Comparable) -> NodeBeside:
    sides = figures_of(first), figures_of(other)
    contended = any(competition_warnings(run.environment, run.protocol) for run in (first, other))
    shifts = shifts_between(*map(cells_of, sides), remove_drift=False, contended=contended)
    return NodeBeside(
        node=node_name(other),
        rows=tuple(rows_between(*sides, shifts, MARGIN, None)),
        changes=tuple(change for change in changes_between(first, other) if change.name != "node"),
        **dict(zip(("ratio", "low", "high"), _together(shifts), strict=False)),
    )


def _together(shifts: Shifts) -> Iterator[float]:
    """The ratio of all rows together with its interval, as far as there is one."""
    if common := shifts.common:
        yield math.exp(common.log_ratio)
        yield from shifts.interval(common) or ()


def _exact(counts: records.Counts) -> list[int | None]:
    return [getattr(counts, name) for name in EXACT]

"""What `diff` leaves behind: two runs, what differs around them, and each row's change. Raw, in SI units."""

import math
from typing import Annotated

import msgspec
from msgspec import Meta

from kaoprof.records.measured import SCHEMA
from kaoprof.records.shown import Shown

FASTER, SLOWER, SAME, UNSURE = "FASTER", "SLOWER", "SAME", "UNSURE"
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
Ratio = Annotated[float, Meta(gt=0, le=1e21)]  # of two times


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs. `rows` is how many it has, `environments` how many its file holds.

    `warnings` say that other programs had the cores.
    """

    path: str
    kind: str
    version: str
    created: str
    rows: int
    environments: int = 1
    interrupted: bool = False
    warnings: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was another before; texts, empty where it is not known."""

    name: str
    old: str
    new: str


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """How much slower all rows of a cell together were in the new run: `factor`, None where too few rows tell.

    `removed` says whether the rows' changes are relative to it.
    """

    cell: str
    factor: Ratio | None
    removed: bool


class TimeChange(msgspec.Struct, frozen=True, kw_only=True):
    """New over old time, above 1 is slower.

    Args:
        ratio: of quiet times, without the drift if that was removed: not quite `new_s / old_s`.
        low: of its 95 % interval, with `high`; None where too few samples allow none.
        low_joint: of the interval that holds with 95 % for all rows together, with `high_joint`: verdicts rest on it.
        old_s: quiet seconds per call, as measured; with `new_s`.
    """

    ratio: Ratio
    low: Ratio | None
    high: Ratio | None
    low_joint: Ratio | None
    high_joint: Ratio | None
    old_s: Seconds
    new_s: Seconds


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What is exact in one run; bytes of the whole batch, counts of one sample. None is not known."""

    macs: int | None
    params: int | None
    map_bytes: int | None
    peak_bytes_predicted: int | None
    peak_bytes_measured: int | None


class DiffRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row that stands in either run or both; what only one has is None for the other.

    Args:
        cell: the input and everything else but the operator.
        name: `kao_qkv:matmul`, or a model's name.
        verdict: FASTER, SLOWER, SAME or UNSURE; None where there is no time to compare.
        breaches: which of `time`, `memory`, `MACs` grew by more than was allowed, or `status` if it works no more.
    """

    cell: str
    name: str
    old_status: str | None
    new_status: str | None
    detail: str = ""
    old: Counts | None = None
    new: Counts | None = None
    time: TimeChange | None = None
    verdict: str | None = None
    breaches: tuple[str, ...] = ()


class DiffRecord(Shown, frozen=True, kw_only=True):
    """One comparison.

    Args:
        changes: of environment, protocol and version.
        margin: a relative change up to which times count as the same.
        run_spread: the relative standard deviation between runs that no run can see by itself.
        spread_learned: whether that comes from these runs' rows; else it is an assumption.
        fail_above: the relative growth that was asked to fail; None if none was.
    """

    schema: int = SCHEMA
    kind: str = "diff"
    version: str
    old: Side
    new: Side
    changes: tuple[Change, ...]
    drifts: tuple[Drift, ...]
    margin: float
    run_spread: float
    spread_learned: bool
    rows: tuple[DiffRow, ...]
    fail_above: float | None = None
    interrupted: bool = False

    @property
    def breached(self) -> bool:
        """Whether a limit was broken."""
        return any(row.breaches for row in self.rows)


def peaks_of(row: DiffRow) -> tuple[int | None, int | None]:
    """Old and new peak memory: both measured, else both predicted."""
    if row.old is None or row.new is None:
        return None, None
    measured = row.old.peak_bytes_measured, row.new.peak_bytes_measured
    return (row.old.peak_bytes_predicted, row.new.peak_bytes_predicted) if None in measured else measured


def growth(old: float | None, new: float | None) -> float | None:
    """New over old; None where either is not known, 1 where both are 0."""
    if old is None or new is None:
        return None
    if old == 0:
        return 1.0 if new == 0 else math.inf
    return new / old

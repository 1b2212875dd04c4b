"""What `fit` leaves behind: the largest sizes within a budget, or who is cheaper from where on. Raw, in SI units."""

from typing import Annotated

import msgspec
from msgspec import Meta

from kaoprof.records import fields
from kaoprof.records.aspect import AspectText
from kaoprof.records.measured import Environment, Head

Quantity = Annotated[str, Meta(pattern="^(macs|memory|time)$")]


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but the size that varies: `sizes` by axis, without `axis`; `threads` None where none matter.

    `aspect` says how a width that is not among the sizes follows the height; empty where they are the same.
    """

    axis: fields.Axis
    sizes: dict[fields.Axis, int]
    heads: int
    projection: fields.Projection
    scale: fields.Scale
    dtype: fields.Dtype
    mode: fields.Mode
    device: str | None = None
    threads: int | None = None
    aspect: AspectText = ""


class TimedSize(msgspec.Struct, frozen=True, kw_only=True):
    """One size that was measured: the median of seconds per call and its 95 % interval, where there is one."""

    size: int
    seconds: float
    low_s: float | None
    high_s: float | None
    samples: int


class FitRow(msgspec.Struct, frozen=True, kw_only=True):
    """The largest size of one operator within the budget.

    Args:
        implementation: None where it makes no difference.
        status: `ok`; `nothing`: not even the smallest size fits; `endless`: no size in sight does not fit; `refused`:
            the measured points do not support an answer; `error`.
        detail: explains any status that is not `ok`; of a time, what it rests on; else that smaller sizes do not fit.
        needed: bytes, MACs or seconds at `largest`; `next_needed` at `next_size`, the first that does not fit.
        low: the interval of `largest`, 95 %, with `high`: of a time only.
        timed: the sizes that were measured.
    """

    operator: str
    implementation: str | None
    status: str = "ok"
    detail: str = ""
    largest: int | None = None
    needed: int | float | None = None
    next_size: int | None = None
    next_needed: int | float | None = None
    low: int | None = None
    high: int | None = None
    timed: tuple[TimedSize, ...] = ()

    @property
    def name(self) -> str:
        """Operator and implementation: `nonlocal:sdpa`."""
        return self.operator if self.implementation is None else f"{self.operator}:{self.implementation}"


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One size that was asked about: how many samples of it fit, operator by operator (`rows`, along the batch)."""

    sizes: dict[fields.Axis, int]
    rows: tuple[FitRow, ...]


class FitRecord(Head, frozen=True, kw_only=True):
    """One run of `fit` with a budget: `amount` bytes (`memory`), MACs of the whole batch (`macs`), seconds (`time`)."""

    kind: str = "fit"
    budget: Quantity
    amount: int | float
    conditions: Conditions
    rows: tuple[FitRow, ...]
    environment: Environment | None = None
    interrupted: bool = False
    frame: Frame | None = None


class CheaperStretch(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes from `start` to `end`, None for the largest there is, where `cheaper` costs less; None: both the same."""

    start: int
    end: int | None
    cheaper: str | None


class TimedRatio(msgspec.Struct, frozen=True, kw_only=True):
    """The first's time over the second's at one size, each by its fastest implementation, from paired rounds."""

    size: int
    first: str
    second: str
    ratio: float
    low: float | None
    high: float | None
    samples: int


class CrossRow(msgspec.Struct, frozen=True, kw_only=True):
    """Two operators, one quantity: `macs` and `memory` exactly at all sizes, `time` as far as it was measured.

    Args:
        status: `ok`; `refused`: what was measured does not tell; `error`.
        detail: explains any status that is not `ok`.
        stretches: together all sizes; empty for a time.
        cheaper: who is cheaper for all larger sizes, or of a time at the largest that were measured.
        since: from which size on; of a time, where the medians cross.
        low: of a time, the largest size measured where the other one is certainly faster.
        high: of a time, the size measured from which on the cheaper one certainly is.
        ratios: the sizes that were measured.
    """

    first: str
    second: str
    quantity: Quantity
    status: str = "ok"
    detail: str = ""
    stretches: tuple[CheaperStretch, ...] = ()
    cheaper: str | None = None
    since: int | None = None
    low: int | None = None
    high: int | None = None
    ratios: tuple[TimedRatio, ...] = ()


class CrossRecord(Head, frozen=True, kw_only=True):
    """One run of `fit --cross`."""

    kind: str = "cross"
    conditions: Conditions
    rows: tuple[CrossRow, ...]
    environment: Environment | None = None
    interrupted: bool = False

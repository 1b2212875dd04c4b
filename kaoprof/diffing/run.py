"""Compares two run files: surroundings, counts exactly, times by interval; and which change breaks a limit."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from kaoprof.diffing.intervals import Shift, Shifts, shifts_between
from kaoprof.dims import one_of
from kaoprof.errors import KaoprofError, RecordError, UsageError
from kaoprof.findings.figures import Comparable, Figures, Key, cells_of, figures_of
from kaoprof.findings.surroundings import competition_warnings
from kaoprof.records import diff as records
from kaoprof.records.measured import Environment
from kaoprof.records.profile import ProfileRecord
from kaoprof.records.reading import load_records, printable, same_place
from kaoprof.stats.timings import quiet_s
from kaoprof.units import format_percent
from kaoprof.version import __version__

MARGIN = 0.05  # relative change of a time that nobody would act upon, and that a layout of memory alone can make
DRIFTS = ("auto", "remove", "keep")
PROTOCOL_SAYS = ("budget_s", "samples", "timeout_s", "seed", "force_run", "cache", "sdpa")  # the rest is a result
WORKS = "ok"
PATHS = str, os.PathLike
Source = str | os.PathLike[str] | Comparable  # a file, or a record in hand


def diff(
    old: Source, new: Source, *, drift: str = "auto", margin: float = MARGIN, fail_above: float | None = None
) -> records.DiffRecord:
    """What changed from one run to another.

    Args:
        old: a record of `compare`, `profile` or `sweep`, also of models, or its file or journal.
        new: another.
        drift: what all rows of a cell have in common: `remove` it, `keep` it, or `auto`: remove it if both runs were
            made in the same environment, where it can only be the machine.
        margin: a relative change of time up to which a row counts as the same.
        fail_above: relative growth of time, memory or MACs that is a breach; None: nothing is.

    Raises:
        UsageError: an unknown word, a margin that is none, twice the same file.
        RecordError: a file that is no such record, or that cannot be compared with the other.
        KaoprofError: no row stands in both.
    """
    one_of("drift", drift, DRIFTS)
    if not 0 < margin < 1:
        raise UsageError(f"must be more than 0 % and less than 100 %, not {format_percent(margin)}", where="margin")
    (old_record, old_side), (new_record, new_side) = _loaded(old, "old"), _loaded(new, "new")
    if old is new or (isinstance(old, PATHS) and isinstance(new, PATHS) and Path(old).samefile(new)):
        raise UsageError("is compared with itself", where=new_side.path, hint="name two runs")
    sides = _comparable(old_record, new_record, new_side.path)
    same = same_place(old_record.environment) == same_place(new_record.environment)
    shifts = shifts_between(
        *map(cells_of, sides),
        remove_drift=drift == "remove" or (drift == "auto" and same),
        contended=bool(old_side.warnings or new_side.warnings),
    )
    return records.DiffRecord(
        version=__version__,
        old=old_side,
        new=new_side,
        changes=tuple(changes_between(old_record, new_record)),
        drifts=tuple(_drifts(shifts)),
        margin=margin,
        run_spread=shifts.run_spread,
        spread_learned=shifts.learned,
        rows=tuple(rows_between(*sides, shifts, margin, fail_above)),
        fail_above=fail_above,
    )


def _drifts(shifts: Shifts) -> Iterator[records.Drift]:
    for cell, shift in shifts.drifts.items():
        yield records.Drift(cell=cell, factor=None if shift is None else math.exp(shift), removed=shifts.removed[cell])


def _loaded(run: Source, name: str) -> tuple[Comparable, records.Side]:
    """The record of a run file that was measured last, or one in hand, called `name`; and what is to be told of it."""
    *earlier, record = load_records(Path(run)) if isinstance(run, PATHS) else (run,)
    path = str(run) if isinstance(run, PATHS) else f"the {name} record"
    if not isinstance(record, Comparable):
        hint = "name a record of `compare` or `profile`, or a journal of `sweep`"
        what = getattr(record, "kind", type(record).__name__)
        raise RecordError(f"is a record of `{what}`", where=path, hint=hint)
    rows = len(record.models if isinstance(record, ProfileRecord) else record.rows)
    if not rows:
        raise RecordError("holds no rows", where=path, hint="was it interrupted at once?")
    side = records.Side(
        path=printable(path), kind=record.kind, version=record.version, created=record.created, rows=rows,
        environments=1 + len(earlier), interrupted=record.interrupted,
        warnings=tuple(competition_warnings(record.environment, record.protocol)),
    )  # fmt: skip
    return record, side


def _comparable(old: Comparable, new: Comparable, where: str) -> tuple[dict[Key, Figures], dict[Key, Figures]]:
    """The rows of both runs, some of which stand in both."""
    if type(old) is not type(new):
        kinds = f"a record of `{new.kind}` cannot be compared with one of `{old.kind}`"
        raise RecordError(kinds, where=where)
    before, after = figures_of(old), figures_of(new)
    if not before.keys() & after.keys():
        here, there = (f"{name} at {cell}" for cell, name in (next(iter(after)), next(iter(before))))
        raise KaoprofError("no row stands in both runs", where=where, hint=f"it has {here}; the old one has {there}")
    return before, after


def changes_between(old: Comparable, new: Comparable) -> Iterator[records.Change]:
    """What is another around the runs, in a fixed order; what differs from one minute to the next is no change."""
    protocols, places = (old.protocol, new.protocol), (same_place(old.environment), same_place(new.environment))
    around: dict[str, list[Any]] = {"kaoprof": [old.version, new.version]}
    around |= {name: [getattr(place, name, None) for place in places] for name in Environment.__struct_fields__}
    around |= {name: [getattr(protocol, name, None) for protocol in protocols] for name in PROTOCOL_SAYS}
    for name, (before, after) in around.items():
        if before != after:
            yield records.Change(name=name, old=_text(before), new=_text(after))


def _text(value: object) -> str:
    if value is None:
        return ""
    return " ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def rows_between(
    old: Mapping[Key, Figures], new: Mapping[Key, Figures], shifts: Shifts, margin: float, fail_above: float | None
) -> Iterator[records.DiffRow]:
    """Each row of either run, judged if there is a limit."""
    found = {(cell, shift.name): shift for cell, rows in shifts.cells.items() for shift in rows}
    for key in dict.fromkeys((*old, *new)):
        before, after, shift = old.get(key), new.get(key), found.get(key)
        time = _time_change(before, after, shift, shifts) if before and after and shift else None
        row = records.DiffRow(
            cell=key[0],
            name=key[1],
            old_status=before.status if before else None,
            new_status=after.status if after else None,
            detail=after.detail if after else "",
            old=before.counts if before else None,
            new=after.counts if after else None,
            time=time,
            verdict=_verdict(time, margin) if time else None,
        )
        yield row if fail_above is None else _judged(row, fail_above)


def _time_change(before: Figures, after: Figures, shift: Shift, shifts: Shifts) -> records.TimeChange:
    own, joint = shifts.interval(shift), shifts.joint_interval(shift)
    old_s, new_s = (quiet_s(side.latency) if side.latency else math.nan for side in (before, after))
    return records.TimeChange(
        ratio=math.exp(shift.log_ratio),
        low=own[0] if own else None,
        high=own[1] if own else None,
        low_joint=joint[0] if joint else None,
        high_joint=joint[1] if joint else None,
        old_s=old_s,
        new_s=new_s,
    )


def _verdict(time: records.TimeChange, margin: float) -> str:
    """Changed if it surely did, by the joint interval, and by more than the margin; the same if its own lies within."""
    if time.low is None or time.high is None or time.low_joint is None or time.high_joint is None:
        return records.UNSURE
    if time.low_joint > 1 and time.ratio > 1 + margin:
        return records.SLOWER
    if time.high_joint < 1 and time.ratio < 1 / (1 + margin):
        return records.FASTER
    return records.SAME if 1 / (1 + margin) <= time.low and time.high <= 1 + margin else records.UNSURE


def _judged(row: records.DiffRow, fail_above: float) -> records.DiffRow:
    """The row with its breaches. A time counts if surely, by the joint interval's lower end, it grew by more."""
    limit = 1 + fail_above
    low = row.time.low_joint if row.time else None
    grown = {
        "time": low if row.verdict == records.SLOWER else None,
        "memory": records.growth(*records.peaks_of(row)),
        "MACs": records.growth(row.old.macs, row.new.macs) if row.old and row.new else None,
    }
    breaches = [name for name, factor in grown.items() if factor is not None and factor > limit]
    if row.old_status == WORKS and row.new_status not in (WORKS, None):
        breaches.append("status")
    return replace(row, breaches=tuple(breaches))

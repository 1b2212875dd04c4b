"""The columns of a `fit`'s CSV: one line for each operator; of a crossing for each stretch or measured size."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from kaoprof.records.fit import CrossRecord, FitRecord
from kaoprof.reporting.formats.csv import columns_by_name

AMOUNTS = ("amount", "needed", "next_needed")
AXES = ("b", "t", "h", "w", "n", "c")
CONDITIONS = (
    "axis", "b", "t", "h", "w", "n", "c", "heads", "projection", "scale", "dtype", "mode", "device", "threads",
)  # fmt: skip
ADDED = ("aspect", "at")  # `at`: of a line about the size that was asked about
FIT_COLUMNS = columns_by_name((
    "schema", "budget", "amount", "operator", "implementation", "status", "detail", "largest", "low", "high", "needed",
    "next_size", "next_needed", *CONDITIONS, *ADDED,
))  # fmt: skip
CROSS_COLUMNS = columns_by_name((
    "schema", "first", "second", "quantity", "status", "detail", "start", "end", "cheaper", "ratio", "ratio_low",
    "ratio_high", *CONDITIONS, "aspect",
))  # fmt: skip


def fit_lines(record: FitRecord) -> Iterator[Mapping[str, Any]]:
    """A line for each operator, and for each with the size that was asked about."""
    stays = _stays(record) | {"budget": record.budget, "amount": record.amount}
    lines = [(stays, row) for row in record.rows]
    if record.frame is not None:
        at = " x ".join(str(record.frame.sizes[axis]) for axis in ("t", "h", "w", "n") if axis in record.frame.sizes)
        asked = stays | dict.fromkeys(AXES) | record.frame.sizes | {"axis": "b", "at": at}
        lines += [(asked, row) for row in record.frame.rows]
    for known, row in lines:
        line = known | msgspec.to_builtins(row)
        if record.budget != "time":  # bytes and MACs are whole, which JSON forgets
            line |= {name: int(line[name]) for name in AMOUNTS if line[name] is not None}
        yield line


def cross_lines(record: CrossRecord) -> Iterator[Mapping[str, Any]]:
    """A line for each stretch of sizes, or each size that was measured."""
    stays = _stays(record)
    return (stays | line for row in record.rows for line in _row_lines(msgspec.to_builtins(row)))


def _stays(record: FitRecord | CrossRecord) -> dict[str, Any]:
    return {**msgspec.to_builtins(record.conditions), **record.conditions.sizes, "schema": record.schema}


def _row_lines(row: dict[str, Any]) -> list[dict[str, Any]]:
    if row["ratios"]:
        return [{**row, **_timed_line(ratio)} for ratio in row["ratios"]]
    return [{**row, **part} for part in row["stretches"]] or [row]


def _timed_line(ratio: dict[str, Any]) -> dict[str, Any]:
    """One size that was measured; `cheaper` only where that is certain."""
    low, high = ratio["low"], ratio["high"]
    cheaper = ratio["second"] if low and low > 1 else ratio["first"] if high and high < 1 else None
    size = ratio.pop("size")
    return ratio | {"start": size, "end": size, "cheaper": cheaper, "ratio_low": low, "ratio_high": high}

"""The columns of a `diff`'s CSV: one line for each row of either run; ratios are new over old."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from kaoprof.records.diff import DiffRecord, DiffRow
from kaoprof.reporting.formats.csv import columns_by_name

TIMES = ("ratio", "low", "high", "low_joint", "high_joint", "old_s", "new_s")
COUNTS = ("macs", "params", "map_bytes", "peak_bytes_predicted", "peak_bytes_measured")
COLUMNS = columns_by_name((
    "schema", "cell", "name", "verdict", "old_status", "new_status", "detail", "breaches", *TIMES,
    *(f"{side}_{name}" for name in COUNTS for side in ("old", "new")),
))  # fmt: skip


def lines_of(record: DiffRecord) -> Iterator[Mapping[str, Any]]:
    """A line for each row of either run."""
    return (_values(row) | {"schema": record.schema} for row in record.rows)


def _values(row: DiffRow) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(row) | {"breaches": " ".join(row.breaches) or None}
    values |= values.pop("time") or {}
    for side in ("old", "new"):
        values |= {f"{side}_{name}": value for name, value in (values.pop(side) or {}).items()}
    return values

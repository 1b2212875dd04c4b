"""The columns of a `reproduce`'s CSV: one line for each printed figure and each claim; `reported` in `unit`."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from kaoprof.records.reproduce import ReproductionRecord
from kaoprof.reporting.formats.csv import columns_by_name

COLUMNS = columns_by_name((
    "schema", "part", "name", "at", "quantity", "reported", "formula", "counted", "match", "saving", "reported_saving",
    "number", "claim", "status", "found", "rule", "unit", "why",
))  # fmt: skip


def lines_of(record: ReproductionRecord) -> Iterator[Mapping[str, Any]]:
    """A line for each printed figure and each claim."""
    parts = {"operators": record.operators, "networks": record.networks, "claims": record.claims}
    for part, lines in parts.items():
        for line in lines:
            yield msgspec.to_builtins(line) | {"schema": record.schema, "part": part}

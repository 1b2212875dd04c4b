"""A `fit` as CSV, Markdown and LaTeX."""

import csv
import io
from typing import Any

import msgspec

from kaoprof.records.fit import CrossRecord, FitRecord
from kaoprof.reporting.document import sheet_to_latex, sheet_to_markdown
from kaoprof.reporting.formats.csv import cell_text
from kaoprof.reporting.tables.fit import sheet_of

FIT_COLUMNS = ("operator", "implementation", "status", "detail", "largest", "low", "high", "needed", "next_size",
               "next_needed")  # fmt: skip
CROSS_COLUMNS = ("first", "second", "quantity", "status", "detail", "start", "end", "cheaper", "ratio", "ratio_low",
                 "ratio_high")  # fmt: skip
CONDITIONS = (
    "axis",
    "b",
    "t",
    "h",
    "w",
    "n",
    "c",
    "heads",
    "projection",
    "scale",
    "dtype",
    "mode",
    "device",
    "threads",
)


def fit_to_csv(record: FitRecord | CrossRecord) -> str:
    """One line for each operator, or each stretch of sizes or measured size; raw SI values, unknown is empty."""
    conditions = msgspec.to_builtins(record.conditions)
    stays = conditions | conditions.pop("sizes") | {"schema": record.schema}
    names: tuple[str, ...] = ("schema", *CROSS_COLUMNS, *CONDITIONS)
    if isinstance(record, FitRecord):
        names = ("schema", "budget", "amount", *FIT_COLUMNS, *CONDITIONS)
        stays |= {"budget": record.budget, "amount": record.amount}
        lines = [msgspec.to_builtins(row) for row in record.rows]
    else:
        lines = [line for row in record.rows for line in _cross_lines(msgspec.to_builtins(row))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([cell_text((stays | line).get(name)) for name in names] for line in lines)
    return text.getvalue()


def _cross_lines(row: dict[str, Any]) -> list[dict[str, Any]]:
    if row["ratios"]:
        return [{**row, **_timed_line(one)} for one in row["ratios"]]
    return [{**row, **part} for part in row["stretches"]] or [row]


def _timed_line(ratio: dict[str, Any]) -> dict[str, Any]:
    """One size that was measured; `cheaper` only where that is certain."""
    low, high = ratio["low"], ratio["high"]
    cheaper = ratio["second"] if low and low > 1 else ratio["first"] if high and high < 1 else None
    return {
        "first": ratio["first"], "second": ratio["second"], "start": ratio["size"], "end": ratio["size"],
        "cheaper": cheaper, "ratio": ratio["ratio"], "ratio_low": low, "ratio_high": high,
    }  # fmt: skip


def fit_to_markdown(record: FitRecord | CrossRecord) -> str:
    """The table and its sentences."""
    return sheet_to_markdown(sheet_of(record))


def fit_to_latex(record: FitRecord | CrossRecord) -> str:
    """The table, with its sentences as caption."""
    return sheet_to_latex(sheet_of(record))

"""A `diff` as CSV, and as Markdown for a pull request."""

import csv
import io
from typing import Any

import msgspec

from kaoprof.records.diff import DiffRecord, DiffRow
from kaoprof.reporting.document import sheet_to_markdown
from kaoprof.reporting.formats.csv import cell_text
from kaoprof.reporting.formats.markdown import escape
from kaoprof.reporting.tables.diff import page_of

TIMES = ("ratio", "low", "high", "low_joint", "high_joint", "old_s", "new_s")
COUNTS = ("macs", "params", "map_bytes", "peak_bytes_predicted", "peak_bytes_measured")
COLUMNS = (
    "schema", "cell", "name", "verdict", "old_status", "new_status", "detail", "breaches", *TIMES,
    *(f"{side}_{name}" for name in COUNTS for side in ("old", "new")),
)  # fmt: skip


def diff_to_csv(record: DiffRecord) -> str:
    """One line for each row of either run; raw SI values, unknown is empty; ratios are new over old."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in record.rows:
        values = _values(row) | {"schema": record.schema}
        writer.writerow([cell_text(values.get(name)) for name in COLUMNS])
    return text.getvalue()


def _values(row: DiffRow) -> dict[str, int | float | str | None]:
    found: dict[str, Any] = msgspec.to_builtins(row) | {"breaches": " ".join(row.breaches) or None}
    found |= found.pop("time") or {}
    for side in ("old", "new"):
        found |= {f"{side}_{name}": value for name, value in (found.pop(side) or {}).items()}
    return found


def diff_to_markdown(record: DiffRecord) -> str:
    """The page as a comment for a pull request: the summary first, then what differs around the runs, the tables."""
    page = page_of(record)
    lines = [f"### kaoprof diff: {escape(page.summary)}", "", *(f"- {escape(text)}" for text in page.before), ""]
    lines += [sheet_to_markdown(sheet) for sheet in page.sheets]
    return "\n".join([*lines, *(f"- {escape(text)}" for text in page.after)]) + "\n"

"""CSV: every column, raw SI values, unknown is empty."""

import csv
import io

from kaoprof.records.compare import Record
from kaoprof.reporting.columns.compare import COLUMNS, views
from kaoprof.reporting.columns.observed import Value
from kaoprof.reporting.formats.plain import visible

# A spreadsheet may run a text that begins with one of these (OWASP, CSV injection), in full width too
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def to_csv(record: Record) -> str:
    """The record as CSV, one line per row, header first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([cell_text(column(view)) for column in COLUMNS.values()] for view in views(record))
    return text.getvalue()


def cell_text(value: Value) -> str:
    """One value as it stands in a file: unknown is empty, and no text can be run as a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        armed = value.lstrip(" \u3000").startswith(FORMULA_STARTS)
        return visible(f"'{value}" if armed else value)
    return repr(value) if isinstance(value, float) else str(value)

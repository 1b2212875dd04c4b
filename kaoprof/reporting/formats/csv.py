"""CSV of any record: every column, raw SI values, unknown is empty."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import methodcaller
from typing import Any

from kaoprof.reporting.columns.observed import Value
from kaoprof.reporting.formats.plain import visible

# A spreadsheet may run a text that begins with one of these (OWASP, CSV injection), in full width too
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
Columns = Mapping[str, Callable[[Any], Value]]


def to_csv(columns: Columns, runs: Sequence[tuple[str, Iterable[Any]]]) -> str:
    """Runs, each with what its columns are read off; of several the column `run` names each line's."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    several = len(runs) > 1
    writer.writerow([*columns, "run"] if several else columns)
    for name, views in runs:
        for view in views:
            cells = [cell_text(column(view)) for column in columns.values()]
            writer.writerow([*cells, cell_text(name)] if several else cells)
    return text.getvalue()


def cell_text(value: Value) -> str:
    """One value as it stands in a file: unknown is empty, and no text can be run as a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        armed = value.lstrip().startswith(FORMULA_STARTS) or value.startswith(("\t", "\r", "\n"))
        return visible(f"'{value}" if armed else value)
    return repr(value) if isinstance(value, float) else str(value)


def columns_by_name(names: Iterable[str]) -> Columns:
    """Columns of lines that are mappings; what a line does not name is not known."""
    return {name: methodcaller("get", name) for name in names}

"""CSV of any record: every column, raw SI values, unknown is empty."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import methodcaller
from typing import Any

from kaoprof.reporting.columns.observed import Value
from kaoprof.reporting.formats.plain import visible

# A spreadsheet may run a text that begins with one of these (OWASP, CSV injection), in full width too
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
PART_CHARACTERS = 2**16
Columns = Mapping[str, Callable[[Any], Value]]


def csv_parts(columns: Columns, runs: Sequence[tuple[str, Iterable[Any]]]) -> Iterator[str]:
    """Runs, each with what its columns are read off, in parts: of many lines never all are held at once.

    Of several runs the column `run` names each line's.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    several = len(runs) > 1
    writer.writerow([*columns, "run"] if several else columns)
    read = list(columns.values())
    for name, views in runs:
        last = [name] if several else []
        for view in views:
            values = [*(column(view) for column in read), *last]
            writer.writerow([cell_text(value) if isinstance(value, str) else value for value in values])
            if text.tell() > PART_CHARACTERS:
                yield text.getvalue()
                text.seek(0)
                text.truncate()
    yield text.getvalue()


@lru_cache(maxsize=2**12)  # lines repeat their texts
def cell_text(value: str) -> str:
    """A text as it stands in a file, where none can be run as a formula."""
    armed = value.lstrip().startswith(FORMULA_STARTS) or value.startswith(("\t", "\r", "\n"))
    return visible(f"'{value}" if armed else value)


def columns_by_name(names: Iterable[str]) -> Columns:
    """Columns of lines that are mappings; what a line does not name is not known."""
    return {name: methodcaller("get", name) for name in names}

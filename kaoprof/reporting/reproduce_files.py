"""A `reproduce` as CSV, Markdown and LaTeX."""

import csv
import io

import msgspec

from kaoprof.records.reproduce import ReproductionRecord
from kaoprof.reporting.document import sheet_to_latex, sheet_to_markdown
from kaoprof.reporting.formats.csv import cell_text
from kaoprof.reporting.tables.reproduce import sheets_of

COLUMNS = (
    "schema", "part", "name", "at", "quantity", "reported", "formula", "counted", "match", "saving", "reported_saving",
    "number", "claim", "status", "found", "rule",
)  # fmt: skip


def reproduction_to_csv(record: ReproductionRecord) -> str:
    """One line for each printed figure and each claim; unknown is empty, `reported` is in millions."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    parts = (("operators", record.operators), ("networks", record.networks), ("claims", record.claims))
    for part, lines in parts:
        for line in lines:
            values = msgspec.to_builtins(line) | {"schema": record.schema, "part": part}
            writer.writerow([cell_text(values.get(name)) for name in COLUMNS])
    return text.getvalue()


def reproduction_to_markdown(record: ReproductionRecord) -> str:
    """The tables one after the other."""
    return "\n".join(sheet_to_markdown(sheet) for sheet in sheets_of(record))


def reproduction_to_latex(record: ReproductionRecord) -> str:
    """Three booktabs tables; the claims' text breaks into lines of a fixed width."""
    *counts, claims = sheets_of(record)
    return "\n".join([*map(sheet_to_latex, counts), sheet_to_latex(claims, r"llp{0.75\linewidth}")])

"""A `fit` as CSV, Markdown and LaTeX."""

import csv
import io
from dataclasses import asdict
from typing import Any

from kaoprof.fit_records import CrossRecord, FitRecord
from kaoprof.report.delimited import cell_text
from kaoprof.report.fit_cells import sheet_of
from kaoprof.report.latex import escape as escape_latex
from kaoprof.report.markdown import escape as escape_markdown
from kaoprof.report.markdown import table_line

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
    conditions = asdict(record.conditions)
    stays = conditions | conditions.pop("sizes") | {"schema": record.schema}
    names: tuple[str, ...] = ("schema", *CROSS_COLUMNS, *CONDITIONS)
    if isinstance(record, FitRecord):
        names = ("schema", "budget", "amount", *FIT_COLUMNS, *CONDITIONS)
        stays |= {"budget": record.budget, "amount": record.amount}
        lines = [asdict(row) for row in record.rows]
    else:
        lines = [line for row in record.rows for line in _cross_lines(asdict(row))]
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
    """The table and its sentences, for a README or a pull request."""
    sheet = sheet_of(record)
    marks = ["---"] * sheet.names + ["---:"] * (len(sheet.headers) - sheet.names)
    lines = [f"**{escape_markdown(sheet.title)}**", "", table_line(sheet.headers), table_line(marks)]
    lines += [table_line(map(escape_markdown, row)) for row in sheet.rows]
    return "\n".join([*lines, "", *(f"- {escape_markdown(note)}" for note in sheet.notes)]) + "\n"


def fit_to_latex(record: FitRecord | CrossRecord) -> str:
    """A booktabs table that stands in a paper as it is; needs only the package booktabs."""
    sheet = sheet_of(record)
    columns = "l" * sheet.names + "r" * (len(sheet.headers) - sheet.names)
    caption = " ".join(escape_latex(sentence) for sentence in (f"{sheet.title}.", *sheet.notes))
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{caption[0].upper()}{caption[1:]}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(map(escape_latex, sheet.headers)) + r" \\",
            r"\midrule",
            *(" & ".join(map(escape_latex, row)) + r" \\" for row in sheet.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )

"""What Python programs and notebooks see of a result: text, HTML, a data frame, a file."""

import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaoprof.errors import KaoprofError, OutputError
from kaoprof.reporting.document import Medium
from kaoprof.reporting.files import write_whole
from kaoprof.reporting.kinds import (
    Report,
    alarms_of,
    format_of,
    load,
    pages_of,
    report_of,
    to_console,
    warnings_of,
    written,
)
from kaoprof.workload.process import leaves_process_alone

if TYPE_CHECKING:
    import pandas as pd

MOST_WARNINGS = 8  # below a table
LONGEST_NAMES = 200  # characters of a short form
RUN = "run"  # the column that tells several runs apart, as in CSV
STYLE = (
    ".kaoprof table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    ".kaoprof caption{text-align:left;font-weight:600;padding:.3rem 0}"
    ".kaoprof th,.kaoprof td{text-align:right;white-space:nowrap;padding:.15rem .5rem}"
    ".kaoprof th.text,.kaoprof td.text{text-align:left}"
    ".kaoprof td.long{white-space:normal;min-width:30ch}"
    ".kaoprof .quiet{opacity:.75}.kaoprof .warn{color:#b06000}.kaoprof .bad{color:#c0392b}.kaoprof .good{color:#1e8449}"
)


@leaves_process_alone
def as_text(result: Any) -> str:
    """Its table, as wide as the terminal and at least 80 columns, and what a careful reader must know."""
    from kaoprof.reporting.formats.console import LEAST_COLUMNS, SteadyConsole

    width = max(shutil.get_terminal_size().columns, LEAST_COLUMNS)
    written_text = io.StringIO()
    console = SteadyConsole(
        file=written_text, width=width, color_system=None, force_terminal=False, force_jupyter=False,
        highlight=False, emoji=False, legacy_windows=False,
    )  # fmt: skip
    report = _report(result)
    console.print(to_console(report, width))
    lines = [*written_text.getvalue().splitlines()]
    warnings = alarms_of(report, "table", verbose=False)
    lines += [f"warning: {warning}" for warning in warnings[:MOST_WARNINGS]]
    if len(warnings) > MOST_WARNINGS:
        lines.append(f"warning: and {len(warnings) - MOST_WARNINGS} more")
    return "\n".join(lines)


@leaves_process_alone
def as_html(result: Any) -> str:
    """Its tables as a part of a page, such as a cell of a notebook, whose colours it keeps."""
    from kaoprof.reporting.formats.html import block_to_html, listed

    report = _report(result)
    alarm = listed((f"Warning: {warning}." for warning in warnings_of(report)), "warn")
    blocks = [block_to_html(block) for page in pages_of(report, Medium.TEXT) for block in page.blocks]
    return "\n".join([f'<div class="kaoprof"><style>{STYLE}</style>', *blocks, alarm, "</div>"])


@leaves_process_alone
def as_frame(result: Any) -> "pd.DataFrame":
    """The lines of its CSV, each value raw.

    Raises:
        KaoprofError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise KaoprofError("a data frame needs pandas", where="to_pandas", hint="pip install pandas") from None
    report = _report(result)
    columns, views = load(report.kind.columns), load(report.kind.views)
    several = len(report.runs) > 1
    lines = [
        {name: column(view) for name, column in columns.items()} | ({RUN: run.name} if several else {})
        for run in report.runs
        for view in views(run.record)
    ]
    return pd.DataFrame(lines, columns=[*columns, *([RUN] if several else [])])


@leaves_process_alone
def save(result: Any, path: str | os.PathLike[str]) -> None:
    """Writes it as the suffix says, whole or not at all.

    Raises:
        UsageError: a format that it does not have, or a picture of nothing.
        OutputError: the file cannot be written.
    """
    target, report = Path(path), _report(result)
    name = format_of(target, report.runs[0].record.kind)
    try:
        write_whole(target, written(report, name))
    except OSError as error:
        raise OutputError(f"not written: {error.strerror or error}", where=str(target)) from None


def short(result: Any) -> str:
    """What it is, in a line, and how more of it is seen."""
    report = _report(result)
    first = report.runs[0].record
    members = [*getattr(first, "models", ()), *getattr(first, "rows", ())]
    names = list(dict.fromkeys(_name_of(member) for member in members)) or [str(getattr(first, "name", ""))]
    named = ", ".join(filter(None, names))
    named = named if len(named) <= LONGEST_NAMES else f"{named[:LONGEST_NAMES]}…"
    what = ": ".join(filter(None, (first.kind, named)))
    return f"<{type(result).__name__} of {what}; print() shows it, .save('x.json') keeps it>"


def _name_of(member: Any) -> str:
    """A model's name, or an operator's, whatever it is called in its record."""
    for field in ("model", "operator", "name"):
        if isinstance(name := getattr(member, field, None), str):
            return name
    return _name_of(member.case) if hasattr(member, "case") else ""


def _report(result: Any) -> Report:
    return result if isinstance(result, Report) else report_of(result)

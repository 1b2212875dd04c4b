"""A sweep of models as one page: who is beaten by nobody as a plot, and the tables of all rows."""

from typing import TYPE_CHECKING

from kaoprof.errors import UsageError
from kaoprof.findings.model_grid import grid_warnings
from kaoprof.reporting.document import Medium
from kaoprof.reporting.formats import html
from kaoprof.reporting.tables.models import page_of

if TYPE_CHECKING:
    from kaoprof.reporting.kinds import Report

CAPTION = (
    "Each model's MACs and latency; without any latency its predicted peak. A broad grey line goes through those that "
    "no other model beats, a cross is what did not run."
)


def to_html(report: "Report") -> str:
    """One self-contained page; without plots where nothing was counted."""
    from kaoprof.reporting.plots.files import inline_svg, model_figures

    try:
        figures = model_figures(report, several=True)
    except UsageError:  # nothing in it was counted, so there is nothing to see
        figures = []
    plots = [html.figure(inline_svg(figure), CAPTION) for figure in figures]
    pages = [page_of(run.record, Medium.TEXT) for run in report.runs]
    warnings = [warning for run in report.runs for warning in grid_warnings(run.record)]
    return html.to_html(pages, ", ".join(run.name for run in report.runs), warnings, plots)

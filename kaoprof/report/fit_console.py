"""A `fit` on a terminal."""

from typing import TYPE_CHECKING

from kaoprof.fit_records import CrossRecord, FitRecord
from kaoprof.report.console import BAD
from kaoprof.report.fit_cells import sheet_of
from kaoprof.report.sheets import sheet_to_console

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {"none": BAD, "refused": BAD, "error": BAD}


def fit_to_console(record: FitRecord | CrossRecord) -> "RenderableType":
    """The record as rich renderables, from 80 columns on."""
    return sheet_to_console(sheet_of(record), STYLES)

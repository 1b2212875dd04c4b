"""A `fit` on a terminal."""

from typing import TYPE_CHECKING

from kaoprof.records.fit import CrossRecord, FitRecord
from kaoprof.reporting.console import BAD
from kaoprof.reporting.document import sheet_to_console
from kaoprof.reporting.tables.fit import sheet_of

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {"none": BAD, "refused": BAD, "error": BAD}


def fit_to_console(record: FitRecord | CrossRecord) -> "RenderableType":
    """The record as rich renderables, from 80 columns on."""
    return sheet_to_console(sheet_of(record), STYLES)

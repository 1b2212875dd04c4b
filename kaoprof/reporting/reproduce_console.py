"""A `reproduce` on a terminal."""

from typing import TYPE_CHECKING

from kaoprof.records.reproduce import CONFIRMED, REFUTED, ReproductionRecord
from kaoprof.reporting.console import BAD, GOOD
from kaoprof.reporting.document import sheet_to_console
from kaoprof.reporting.tables.reproduce import sheets_of

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {CONFIRMED: GOOD, REFUTED: BAD, "!": BAD}


def reproduction_to_console(record: ReproductionRecord) -> "RenderableType":
    """The record as rich renderables, from 80 columns on."""
    from rich.console import Group

    return Group(*(sheet_to_console(sheet, STYLES) for sheet in sheets_of(record)))

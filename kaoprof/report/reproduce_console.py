"""A `reproduce` on a terminal."""

from typing import TYPE_CHECKING

from kaoprof.report.console import BAD, GOOD
from kaoprof.report.reproduce_cells import sheets_of
from kaoprof.report.sheets import sheet_to_console
from kaoprof.reproduction_records import CONFIRMED, REFUTED, ReproductionRecord

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {CONFIRMED: GOOD, REFUTED: BAD, "!": BAD}


def reproduction_to_console(record: ReproductionRecord) -> "RenderableType":
    """The record as rich renderables, from 80 columns on."""
    from rich.console import Group

    return Group(*(sheet_to_console(sheet, STYLES) for sheet in sheets_of(record)))

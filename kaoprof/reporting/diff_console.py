"""A `diff` on a terminal."""

from typing import TYPE_CHECKING

from kaoprof.records.diff import FASTER, SLOWER, UNSURE, DiffRecord
from kaoprof.reporting.console import BAD, GOOD, QUIET
from kaoprof.reporting.document import sheet_to_console
from kaoprof.reporting.tables.diff import page_of

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {SLOWER: BAD, FASTER: GOOD, UNSURE: QUIET}


def diff_to_console(record: DiffRecord) -> "RenderableType":
    """The record as rich renderables, from 80 columns on."""
    from rich.console import Group
    from rich.text import Text

    page = page_of(record)
    return Group(
        *map(Text, page.before),
        Text(),
        *(
            part
            for sheet in page.sheets
            for part in (sheet_to_console(sheet, STYLES), *([Text()] if sheet.notes else []))
        ),
        Text(page.summary, style="bold"),
        *(Text(sentence, style=QUIET) for sentence in page.after),
    )

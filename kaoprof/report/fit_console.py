"""A `fit` on a terminal."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kaoprof.fit_records import CrossRecord, FitRecord
from kaoprof.report.console import BAD, QUIET
from kaoprof.report.fit_cells import sheet_of

STYLES = {"none": BAD, "refused": BAD, "error": BAD}


def fit_to_console(record: FitRecord | CrossRecord) -> RenderableType:
    """The record as rich renderables, from 80 columns on."""
    sheet = sheet_of(record)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    for column, header in enumerate(sheet.headers):
        named = column < sheet.names
        table.add_column(header, justify="left" if named else "right", no_wrap=not named, overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(text, style=STYLES.get(text, "")) for text in row))
    return Group(Text(sheet.title, style="bold"), table, Text(), *(Text(note, style=QUIET) for note in sheet.notes))

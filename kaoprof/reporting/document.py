"""A table of texts with a title and sentences, and how it looks on a terminal, in Markdown and in LaTeX."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from kaoprof.reporting.formats.latex import WIDE, booktabs, escape_sentence, lines_of
from kaoprof.reporting.formats.markdown import escape as escape_markdown
from kaoprof.reporting.formats.markdown import table_line

if TYPE_CHECKING:
    from rich.console import RenderableType

UNKNOWN = "-"
MINUS = re.compile(r"(?<![\w.)}$-])-(?=\d)")  # what stands before a figure and after none
COLUMN_PT = 240.0  # of a paper with two columns: from 237 (IEEE's computer vision conferences) to 252 (its journals)
CHARACTER_PT = 4.1  # mean of a name or a figure in \footnotesize; measured: 3.9
GAP_PT = 6.0  # between columns: twice LaTeX's \tabcolsep


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """A table as text: its title, headers, rows, and the sentences below; the first `names` columns are names."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    names: int = 1


def sheet_to_console(sheet: Sheet, styles: Mapping[str, str]) -> "RenderableType":
    """A sheet for a terminal from 80 columns on; `styles` colour the cells that hold exactly one of their words."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    for column, header in enumerate(sheet.headers):
        named = column < sheet.names
        table.add_column(header, justify="left" if named else "right", no_wrap=not named, overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(text, style=styles.get(text, "")) for text in row))
    return Group(Text(sheet.title, style="bold"), table, Text(), *(Text(note, style="dim") for note in sheet.notes))


def sheet_to_markdown(sheet: Sheet) -> str:
    """The table and its sentences, for a README or a pull request."""
    marks = ["---"] * sheet.names + ["---:"] * (len(sheet.headers) - sheet.names)
    lines = [f"**{escape_markdown(sheet.title)}**", "", table_line(sheet.headers), table_line(marks)]
    lines += [table_line(map(escape_markdown, row)) for row in sheet.rows]
    return "\n".join([*lines, "", *(f"- {escape_markdown(note)}" for note in sheet.notes)]) + "\n"


def sheet_to_latex(sheet: Sheet, columns: str | None = None) -> str:
    """A booktabs table that stands in a paper as it is: in one column if it fits one, else across both.

    Needs only the package booktabs. `columns` are LaTeX's, where text must break.
    """
    kinds = columns or "l" * sheet.names + "r" * (len(sheet.headers) - sheet.names)
    rows = [" & ".join(map(_in_latex, row)) + r" \\" for row in sheet.rows]
    named = sheet.title.split(" ")[0].endswith(":")  # a run's name, which stays as it is
    title = escape_sentence(f"{sheet.title if named else sheet.title[:1].upper() + sheet.title[1:]}.")
    notes = " ".join(map(_in_latex, sheet.notes))
    return booktabs(title, kinds, sheet.headers, rows, notes, "table" if _fits_a_column(sheet) else WIDE)


def _in_latex(text: str) -> str:
    """A cell or a sentence; a minus is a sign of mathematics, a hyphen is none."""
    return MINUS.sub("$-$", escape_sentence(text))


def _fits_a_column(sheet: Sheet) -> bool:
    """By the widest text of each column, headers in their two lines."""
    texts = [[max(lines_of(header), key=len) for header in sheet.headers], *sheet.rows]
    characters = sum(max(map(len, column)) for column in zip(*texts, strict=True))
    return characters * CHARACTER_PT + GAP_PT * (len(sheet.headers) - 1) <= COLUMN_PT

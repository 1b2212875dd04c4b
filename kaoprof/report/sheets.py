"""A table of texts with a title and sentences, and how it looks on a terminal, in Markdown and in LaTeX."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from kaoprof.report.latex import escape as escape_latex
from kaoprof.report.markdown import escape as escape_markdown
from kaoprof.report.markdown import table_line

if TYPE_CHECKING:
    from rich.console import RenderableType

UNKNOWN = "-"


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


def sheet_to_latex(sheet: Sheet, environment: str = "table") -> str:
    """A booktabs table that stands in a paper as it is; needs only the package booktabs. `table*` spans two columns."""
    columns = "l" * sheet.names + "r" * (len(sheet.headers) - sheet.names)
    caption = " ".join(escape_latex(sentence) for sentence in (f"{sheet.title}.", *sheet.notes))
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            rf"\begin{{{environment}}}",
            r"\centering\small",
            rf"\caption{{{caption[0].upper()}{caption[1:]}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(map(escape_latex, sheet.headers)) + r" \\",
            r"\midrule",
            *(" & ".join(map(escape_latex, row)) + r" \\" for row in sheet.rows),
            r"\bottomrule",
            r"\end{tabular}",
            rf"\end{{{environment}}}",
            "",
        ]
    )

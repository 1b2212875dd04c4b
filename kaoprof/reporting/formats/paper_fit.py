"""Tables that must fit a paper's column: groups below each other, fewer columns, smaller type, shorter cells."""

import re
from collections.abc import Iterator
from itertools import groupby

import msgspec
from msgspec.structs import replace

from kaoprof.reporting.document import Cell, Column, Row, Span, Style, Table, Text, cell_of, words_of

SPARE = 0.97  # of the width: what is estimated below is not exact
GAPS_PT = {"footnotesize": 6.0, "scriptsize": 4.0}  # between columns: twice LaTeX's \tabcolsep
SCALES = {"footnotesize": 1.0, "scriptsize": 0.94}  # of widths: Computer Modern's small sizes are wide
SIZES = ("footnotesize", "scriptsize")
CODE_PT = 4.25  # a sign of \texttt in \footnotesize
LETTER_PT = 4.25  # a figure or a letter in Computer Modern, which is wider than Times
SIGNS_PT = dict.fromkeys("ijltfrI.,:;'|()[]! -", 3.1) | dict.fromkeys("mwMWG×±→%Oµ@", 7.3) | {"^": 0.0}
SIGNS_PT |= dict.fromkeys("ABCDEFHKLNPQRTUVXYZ", 5.9)
LEAST_REST_PT = 60.0  # in less a formula becomes a tower of single factors
LEAST_COLUMNS = 3  # that are never left out
LEAST_WORDS_PT = 40.0  # of words that break
LONGEST_HEADER = 24  # characters; what is longer stands over text, which is wider still
LAST_WORD = re.compile(r"(?<!95) (?=95 %$|\S+$)")  # where a header breaks: "95 %" is one word
MOST_LINES = 45  # of one table: more do not fit on a page
INTERVALS = re.compile(r"95 %( interval)?")  # columns that go before words break
INTERVAL = re.compile(r"(?<=\S) \([^()]*\d[^()]*\)$")  # behind a figure


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """A table as it has room, its type, and what had none."""

    table: Table
    size: str = "footnotesize"
    left_out: tuple[str, ...] = ()


def fitted(table: Table, points: float) -> Iterator[Fitted]:
    """The table in a column of so many points; as several where it is longer than a page."""
    room = points * SPARE
    if any(column.group for column in table.columns) and width_pt(table, "footnotesize") > room:
        for part in _stacked(table):
            yield _narrowed(part, room)
    else:
        yield _narrowed(table, room)


def _narrowed(table: Table, room: float) -> Fitted:
    """The first that fits: as it is, with fewer optional columns, in smaller type, without intervals, with breaks."""
    table = _with_optional_intervals(table)
    ways: list[tuple[Table, str, tuple[str, ...]]] = []
    levels = sorted({column.optional for column in table.columns}, reverse=True)
    for level in levels or [0]:
        kept = _up_to(table, level)
        out = tuple(column.header.replace("\n", " ") for column in table.columns if column.optional > level)
        ways += [(kept, size, out) for size in SIZES]
    least, _, out = ways[-1]
    short = _without_intervals(least)
    ways += [(short, size, (*out, "intervals")) for size in SIZES] if short != least else []
    for shown, size, missing in ways:
        if width_pt(shown, size) <= room:
            return Fitted(table=shown, size=size, left_out=missing)
    least, size, missing = ways[-1]
    shown = _with_breaks(least, size, room)
    while width_pt(shown, size, room / SPARE) > room and len(shown.columns) > LEAST_COLUMNS:
        missing = (*missing, shown.columns[-1].header)
        shown = _without_last(shown)
    return Fitted(table=shown, size=size, left_out=missing)


def _without_last(table: Table) -> Table:
    across = len(table.columns)
    rows = (replace(row, cells=row.cells[:-1]) if len(row.cells) == across else row for row in table.lines)
    return replace(table, columns=table.columns[:-1], rows=tuple(rows))


def _with_optional_intervals(table: Table) -> Table:
    """The table with columns of intervals as the last of those that may be left out."""
    columns = (
        replace(column, optional=1) if INTERVALS.fullmatch(column.header) and not column.optional else column
        for column in table.columns
    )
    return replace(table, columns=tuple(columns))


def _up_to(table: Table, level: int) -> Table:
    places = [place for place, column in enumerate(table.columns) if column.optional <= level]
    rows = (replace(row, cells=tuple(row.cells[place] for place in places)) if len(row.cells) == len(table.columns)
            else row for row in table.lines)  # fmt: skip
    return replace(table, columns=tuple(table.columns[place] for place in places), rows=tuple(rows))


def _without_intervals(table: Table) -> Table:
    """Figures without what stands in brackets behind them."""
    columns = table.columns
    rows = [
        replace(row, cells=tuple(cell if column.words else _short(cell) for cell, column in
                                 zip(row.cells, columns, strict=True)))
        if len(row.cells) == len(columns) else row
        for row in table.lines
    ]  # fmt: skip
    return replace(table, rows=tuple(rows))


def _short(text: Text) -> Text:
    if not isinstance(text, Cell):
        whole = INTERVAL.sub("", words_of(text))
        return replace(text, text=whole) if isinstance(text, Span) else whole
    kept = [text.lines[0], *(line for line in text.lines[1:] if not words_of(line[0]).startswith("("))]
    lines = tuple(tuple(part for part in line if not re.fullmatch(r" ?\(.*\d.*\)", words_of(part))) for line in kept)
    return replace(text, lines=tuple(tuple(_short(part) for part in line) for line in lines))


def _with_breaks(table: Table, size: str, room: float) -> Table:
    """The table with its widest words in as much as the others leave."""
    words = [place for place, column in enumerate(table.columns) if column.words and not column.rest]
    if not words or any(column.rest for column in table.columns):
        words = words[:1] if words else []
    if not words:
        return table
    widths = column_widths(table, size)
    widest = max(words, key=lambda place: widths[place])
    left = room - (width_pt(table, size) - widths[widest])
    share = max(left, LEAST_WORDS_PT) / (room / SPARE)
    column = replace(table.columns[widest], share=round(share, 3), name=True)
    return replace(table, columns=(*table.columns[:widest], column, *table.columns[widest + 1 :]))


def _stacked(table: Table) -> Iterator[Table]:
    """Groups that stand beside each other, below each other: each under its name, as many as a page holds."""
    alone = [place for place, column in enumerate(table.columns) if not column.group]
    groups = [(name, [place for place, _ in members]) for name, members in
              groupby(enumerate(table.columns), lambda pair: pair[1].group) if name]  # fmt: skip
    headers = list(dict.fromkeys(table.columns[place].header for _, places in groups for place in places))
    columns = (*(table.columns[place] for place in alone), *(Column(header) for header in headers))
    pages: list[list[Row]] = [[]]
    for name, places in groups:
        rows = [Row((Span(name, style=Style.CODE),), total=bool(pages[-1]))]
        by_header = {table.columns[place].header: place for place in places}
        for row in table.lines:
            whole = len(row.cells) == len(table.columns)
            figures = (row.cells[by_header[header]] if header in by_header else "" for header in headers)
            rows.append(Row((*(row.cells[place] for place in alone), *figures)) if whole else row)
        if pages[-1] and len(pages[-1]) + len(rows) > MOST_LINES:
            pages.append([])
            rows[0] = replace(rows[0], total=False)
        pages[-1] += rows
    for number, page in enumerate(pages):
        first = number == 0
        title = table.title if first else f"{table.title.partition('. ')[0]}, continued"
        notes, details = (table.notes, table.details) if first else ((), ())
        yield replace(table, columns=columns, rows=tuple(page), title=title, notes=notes, details=details)


def lines_of(header: str) -> list[str]:
    """Its words, the last one by itself; a whole sentence stays one."""
    return LAST_WORD.split(header, maxsplit=1) if len(header) <= LONGEST_HEADER else [header]


def width_pt(table: Table, size: str, line: float = 0.0) -> float:
    """The width of a table in points; of a column that takes the rest the least, of a share its part of the `line`."""
    return sum(column_widths(table, size, line)) + GAPS_PT[size] * (len(table.columns) - 1)


def column_widths(table: Table, size: str, line: float = 0.0) -> list[float]:
    """The width of each column in points."""
    scale = SCALES[size]
    rows = [row.cells for row in table.lines if len(row.cells) == len(table.columns)]
    widths = []
    for column, *cells in zip(table.columns, *rows, strict=True):
        heads = [text_pt(part) for part in lines_of(column.header)]
        natural = max([*heads, *map(_cell_pt, cells)], default=0.0)
        share = column.share * line if column.share and line else scale * natural
        widths.append(LEAST_REST_PT if column.rest else share)
    return widths


def _cell_pt(text: Text) -> float:
    cell = cell_of(text)
    indent = 9.0 * (cell.depth or 0)
    return indent + sum(_span_pt(part) for line in cell.lines for part in line) + LETTER_PT * (len(cell.lines) - 1)


def _span_pt(part: Span | str) -> float:
    if isinstance(part, str):
        return text_pt(part)
    if part.style == Style.CODE:
        return CODE_PT * len(part.text)
    return text_pt(part.text) * (0.8 if part.style == Style.MARK else 1.0)


def text_pt(text: str) -> float:
    """The width of a text in footnotes' type, in points."""
    return sum(SIGNS_PT.get(sign, LETTER_PT if sign.isascii() else 7.3) for sign in text.replace("\u2003", "    "))

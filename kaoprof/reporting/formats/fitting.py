"""What of a page a terminal has room for: so many rows, detail if asked for, optional columns, bars, names in short."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import UNSET
from msgspec.structs import replace
from rich.cells import cell_len

from kaoprof.reporting.document import Cell, Column, Line, Notes, Page, Row, Span, Table, Text, cell_of, words_of
from kaoprof.reporting.formats.folding import folded
from kaoprof.reporting.formats.plain import visible

INDENT = "  "
ELLIPSIS = "…"
TAIL = 0.6  # of a shortened name: what tells names apart is mostly at their end
LEAST_NAME = 10  # columns that a name keeps
LEAST_PROSE = 20  # of words that wrap
LEAST_BAR, MOST_BAR = 4, 12
FULL, EIGHTHS = "▉", " ▏▎▍▌▋▊▉"
GAP = 1  # between columns


def fitted(page: Page, width: int, *, verbose: bool, bars: bool) -> Page:
    """The page as it stands on a terminal of `width` columns; one made for a narrow one where it has no room."""
    shown = _with_bars(folded(page if verbose else _answers(page)), bars=bars)
    if width >= page.wide_from and all(width_of(table) <= width for table in shown.tables):
        return _final(shown, width)
    slim = _slim(shown, width)
    narrow = verbose or not all(_least(table) <= width for table in slim.tables)
    if page.narrow is not None and narrow:
        return fitted(page.narrow, width, verbose=verbose, bars=bars)
    return _final(slim, width)


def _answers(page: Page) -> Page:
    """The page without what only explains."""
    blocks = [block for block in page.blocks if not (isinstance(block, Notes | Table) and block.detail)]
    return replace(
        page, blocks=tuple(replace(block, details=()) if isinstance(block, Table) else block for block in blocks)
    )


def _of_tables(page: Page, change: Callable[[Table], Table]) -> Page:
    return replace(page, blocks=tuple(change(block) if isinstance(block, Table) else block for block in page.blocks))


def _with_bars(page: Page, *, bars: bool) -> Page:
    if bars:
        return page
    return _of_tables(page, lambda table: without_columns(table, [column for column in table.columns if column.bar]))


def _slim(page: Page, width: int) -> Page:
    """The page with as many of the optional columns as fit in all of its tables."""
    levels = sorted({column.optional for table in page.tables for column in table.columns} | {0}, reverse=True)
    slim = page
    for level in levels:
        slim = _of_tables(page, partial(_up_to, level=level))
        if all(width_of(table) <= width for table in slim.tables):
            return slim
    return slim


def _up_to(table: Table, level: int) -> Table:
    return without_columns(table, [column for column in table.columns if column.optional > level])


def without_columns(table: Table, left_out: Sequence[Column]) -> Table:
    """The table without some of its columns."""
    if not left_out:
        return table
    kept = [place for place, column in enumerate(table.columns) if column not in left_out]
    rows = [
        replace(row, cells=tuple(row.cells[place] for place in kept)) if len(row.cells) == len(table.columns) else row
        for row in table.lines
    ]
    return replace(table, columns=tuple(table.columns[place] for place in kept), rows=tuple(rows))


def width_of(table: Table) -> int:
    """The columns of a terminal that the table takes where no name is shortened."""
    return sum(_widths(table)) + GAP * (len(table.columns) - 1)


def _least(table: Table) -> int:
    """The same where names are as short as they get."""
    return sum(map(_shortest, table.columns, _widths(table))) + GAP * (len(table.columns) - 1)


def _shortest(column: Column, natural: int) -> int:
    return min(natural, LEAST_NAME) if column.words or column.name else natural


def _widths(table: Table) -> list[int]:
    rows = [row.cells for row in table.lines if len(row.cells) == len(table.columns)]
    return [_width(column, cells) for column, *cells in zip(table.columns, *rows, strict=True)]


def _width(column: Column, cells: Sequence[Text]) -> int:
    if column.bar:
        return LEAST_BAR
    if column.rest:
        return LEAST_PROSE
    natural = max([*map(_header_width, column.header.split("\n")), *map(_cell_width, cells)])
    return natural if column.most is None else min(natural, column.most)


def _header_width(text: str) -> int:
    return cell_len(visible(text))


def _cell_width(text: Text) -> int:
    cell = cell_of(text)
    lines = (cell_len(visible("".join(map(words_of, line)))) for line in cell.lines)
    return len(INDENT) * (cell.depth or 0) + max(lines, default=0)


def _final(page: Page, width: int) -> Page:
    return _of_tables(page, lambda table: _drawn_bars(_shortened(table, width), width))


def _shortened(table: Table, width: int) -> Table:
    """The table with names so short that it fits, if they can be."""
    widths, excess = _widths(table), width_of(table) - width
    names = [place for place, column in enumerate(table.columns) if column.name]
    short: dict[int, int] = {}
    while excess > 0 and names:
        widest = max(names, key=lambda place: widths[place])
        if widths[widest] <= LEAST_NAME:
            break
        widths[widest] -= 1
        excess -= 1
        short[widest] = widths[widest]
    if not short:
        return table
    rows = [
        replace(row, cells=tuple(_in_short(cell, short.get(place)) for place, cell in enumerate(row.cells)))
        for row in table.lines
    ]
    return replace(table, rows=tuple(rows))


def _in_short(text: Text, room: int | None) -> Text:
    if room is None or _cell_width(text) <= room:
        return text
    cell = cell_of(text)
    left = max(room - len(INDENT) * (cell.depth or 0), 1)
    return replace(cell, lines=tuple(_short_line(line, left) for line in cell.lines))


def _short_line(line: Line, room: int) -> Line:
    """A line whose longest part is shortened."""
    excess = cell_len(visible("".join(map(words_of, line)))) - room
    if excess <= 0:
        return line
    longest = max(range(len(line)), key=lambda place: len(words_of(line[place])))
    part = line[longest]
    text = in_the_middle(words_of(part), max(cell_len(visible(words_of(part))) - excess, 1))
    return (*line[:longest], replace(part, text=text) if isinstance(part, Span) else text, *line[longest + 1 :])


def in_the_middle(text: str, room: int) -> str:
    """A name in `room` columns: `expectat…bases=64)`."""
    text = visible(text)
    if cell_len(text) <= room:
        return text
    tail = text[len(text) - math.ceil((room - 1) * TAIL) :] if room > 1 else ""
    head = text[: max(room - 1 - len(tail), 0)]
    while head + tail and cell_len(head + tail) >= room:  # signs that are two columns wide
        head, tail = (head[:-1], tail) if cell_len(head) > cell_len(tail) else (head, tail[1:])
    return f"{head}{ELLIPSIS}{tail}"


def _drawn_bars(table: Table, width: int) -> Table:
    """Cells of bars as signs, over whatever the others leave of a line."""
    places = [place for place, column in enumerate(table.columns) if column.bar]
    if not places:
        return table
    room = min(MOST_BAR, LEAST_BAR + max(width - width_of(table), 0))
    rows = [
        Row(tuple(_bar(cell, room) if place in places else cell for place, cell in enumerate(row.cells)), row.total)
        for row in table.lines
    ]
    columns = [replace(column, bar=False, words=True) if column.bar else column for column in table.columns]
    return replace(table, columns=tuple(columns), rows=tuple(rows))


def _bar(text: Text, room: int) -> Text:
    value = text.value if isinstance(text, Cell) else UNSET
    if value is UNSET or value is None:
        return text
    eighths = round(min(max(value, 0.0), 1.0) * room * len(EIGHTHS))
    whole, rest = divmod(eighths, 8)
    return FULL * whole + EIGHTHS[rest].strip()

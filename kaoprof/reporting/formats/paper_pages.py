"""Tables that are longer than a page, as several: how high a caption, rows and notes will stand is estimated."""

import math
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from kaoprof.reporting.document import Row, Text, words_of
from kaoprof.reporting.formats.paper_fit import SCALES, Fitted, column_widths, text_pt, width_pt

PAGE_PT = 600.0  # of a float: the page of a paper is 640 (CVPR) to 670 points (IEEE) high
ROW_PT = {"footnotesize": 9.5, "scriptsize": 8.0}  # from line to line, where the text is set in 10 pt
CAPTION_PT, NOTE_PT = 12.0, 8.0  # likewise, of a caption in \normalsize and notes in \scriptsize
CAPTION_SCALE, NOTE_SCALE = 1.25, 0.94  # their widths beside those of \footnotesize
AROUND_PT = 36.0  # rules, headings of two lines, and the space around a caption
RULE_PT = 4.5  # with the space around it, before a total
LOOSE = 0.9  # of a line is filled by text that breaks


def on_pages(shaped: Fitted, notes: Sequence[Text], line_pt: float) -> Iterator[Fitted]:
    """The table in as many parts as it takes, in lines of so many points; all but the first are `continued`."""
    table = shaped.table
    widths = _text_widths(shaped, line_pt)
    room = PAGE_PT - AROUND_PT - CAPTION_PT * _lines(table.title, line_pt / CAPTION_SCALE)
    left = room - NOTE_PT * sum(_lines(words_of(note), line_pt / NOTE_SCALE) for note in notes)
    parts: list[list[Row]] = [[]]
    for row in table.lines:
        height = _height(row, widths, shaped.size, line_pt)
        if parts[-1] and height > left:
            parts.append([parts[-1].pop()] if _is_heading(parts[-1], len(table.columns)) else [])
            left = room
        parts[-1].append(row)
        left -= height
    for number, rows in enumerate(parts):
        first = number == 0
        title = table.title if first else f"{table.title.partition('. ')[0]}, continued"
        part = replace(table, rows=tuple(rows), title=title, notes=table.notes if first else (),
                       details=table.details if first else ())  # fmt: skip
        yield replace(shaped, table=part, left_out=shaped.left_out if first else ())


def _is_heading(rows: Sequence[Row], across: int) -> bool:
    """Whether the last row is one across all columns, which belongs to what follows it."""
    return len(rows) > 1 and len(rows[-1].cells) < across


def _text_widths(shaped: Fitted, line_pt: float) -> list[float | None]:
    """The room of columns whose text breaks, in points; None of all others."""
    table = shaped.table
    natural = column_widths(table, shaped.size, line_pt)
    rest = line_pt - width_pt(table, shaped.size, line_pt)
    return [
        width + max(rest, 0.0) if column.rest else width if column.share else None
        for column, width in zip(table.columns, natural, strict=True)
    ]


def _height(row: Row, widths: Sequence[float | None], size: str, line_pt: float) -> float:
    """Of a row in points, by its longest cell."""
    whole = len(row.cells) == len(widths)
    cells: list[tuple[Text, float | None]] = (
        list(zip(row.cells, widths, strict=True)) if whole else [(row.cells[0], line_pt)]
    )
    lines = max((_lines(words_of(cell), width / SCALES[size]) for cell, width in cells if width), default=1)
    return ROW_PT[size] * max(lines, 1) + (RULE_PT if row.total else 0.0)


def _lines(text: str, room_pt: float) -> int:
    """How many lines a text takes; widths are those of LaTeX's footnotes."""
    return math.ceil(text_pt(text) / (room_pt * LOOSE))

"""What a page says, as plain data: headings, tables of cells, sentences. How it looks is for each format to decide.

What answers comes first; what only explains it is `detail`, which a terminal leaves out until it is asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

UNKNOWN = "-"


class Medium(StrEnum):
    """What a page is made for."""

    SCREEN = "screen"  # a terminal: few columns, colours
    TEXT = "text"  # what scrolls: Markdown, HTML
    PAPER = "paper"  # what is printed: LaTeX


class Tone(StrEnum):
    """How loud a text is; most have none."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    QUIET = "quiet"


class Style(StrEnum):
    """What kind of text it is; most is prose, in which orders, ratios and ranges are mathematics."""

    CODE = "code"
    NAME = "name"  # nothing in it is mathematics
    MARK = "mark"  # raised where that is possible
    EMPHASIS = "emphasis"


class Span(msgspec.Struct, frozen=True):
    """Text in one tone and style. `latex` is the same as a formula, used only if it holds nothing but mathematics."""

    text: str
    tone: Tone | None = None
    style: Style | None = None
    latex: str = ""


Line: TypeAlias = tuple[Span | str, ...]


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell of several spans or lines; of a figure the value that it is sorted by, None where that is not known.

    `depth` says how far a tree's row is indented; None where there is no tree.
    """

    lines: tuple[Line, ...]
    value: float | UnsetType | None = UNSET
    depth: int | None = None

    @property
    def text(self) -> str:
        """Its words alone."""
        return " ".join(filter(None, ("".join(map(words_of, line)) for line in self.lines)))


Text: TypeAlias = str | Span | Cell


def words_of(text: Text) -> str:
    """The words of a cell or of a part of it."""
    return text if isinstance(text, str) else text.text


def cell_of(text: Text) -> Cell:
    """Any text as a cell."""
    return text if isinstance(text, Cell) else Cell(lines=((text,),))


def stacked(*lines: Span | str | Line) -> Cell:
    """A cell of several lines."""
    return Cell(lines=tuple(line if isinstance(line, tuple) else (line,) for line in lines))


def figure_cell(text: str, value: float | None) -> Cell:
    """A figure, and the value that it is sorted by."""
    return Cell(lines=((text,),), value=value)


class Column(msgspec.Struct, frozen=True):
    r"""What all cells of a column share.

    Args:
        header: its lines, with `\n` between them where they must break.
        words: whether it holds words and not figures: it stands at the left and may break.
        left: whether figures stand at the left.
        most: the widest that it may get on a terminal.
        rest: whether it takes what the others leave of a line; in print its text breaks.
        share: of a line in print, for text that breaks.
        group: the heading that it shares with its neighbours.
        is_formula: whether the header is one.
        name: whether words are a name, which a narrow terminal shortens in its middle.
        optional: 0 where it always stands; else only where a terminal has room, and the highest goes first.
        bar: whether its cells' values, from 0 to 1, are drawn as bars; only a terminal can.
    """

    header: str
    words: bool = False
    left: bool = False
    most: int | None = None
    rest: bool = False
    share: float | None = None
    group: str = ""
    is_formula: bool = False
    name: bool = False
    optional: int = 0
    bar: bool = False


class Row(msgspec.Struct, frozen=True):
    """Cells under the columns, or a single one across all of them; `total` stands under a rule."""

    cells: tuple[Text, ...]
    total: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table.

    Args:
        rows: tuples of texts, or a `Row` where there is more to say.
        notes: sentences below it.
        details: more of them, which only explain.
        detail: whether all of it only explains.
        close: whether the notes belong to the rows, and are as loud as these.
        tones: the tone of cells that hold exactly this text.
        figures: how LaTeX sets them: as `sentence`, `plain`, or with their unit held by a `tie` or a `thin` space.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row | tuple[Text, ...], ...]
    title: str = ""
    notes: tuple[Text, ...] = ()
    details: tuple[Text, ...] = ()
    detail: bool = False
    close: bool = False
    tones: Mapping[str, Tone] = {}
    figures: Literal["sentence", "plain", "tie", "thin"] = "sentence"

    @property
    def headers(self) -> tuple[str, ...]:
        """What stands above the columns."""
        return tuple(column.header for column in self.columns)

    @property
    def sentences(self) -> tuple[Text, ...]:
        """All that stands below it."""
        return self.notes + self.details

    @property
    def lines(self) -> tuple[Row, ...]:
        """Every row as a `Row`."""
        return tuple(row if isinstance(row, Row) else Row(row) for row in self.rows)


class Heading(msgspec.Struct, frozen=True):
    """What stands above all that follows."""

    text: str


class Notes(msgspec.Struct, frozen=True):
    """Sentences; `listed` as points of a list, where a format has one; `detail` if they only explain."""

    texts: tuple[Text, ...]
    tone: Tone | None = None
    listed: bool = True
    detail: bool = False


Block: TypeAlias = Heading | Table | Notes


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What a record says in one medium.

    Args:
        narrow: the same with all its detail, for a terminal in which a table would not fit, or with fewer than
            `wide_from` columns.
        comments: for the author alone, where a format has comments.
    """

    blocks: tuple[Block, ...]
    narrow: "Page | None" = None
    wide_from: int = 0
    comments: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """Its tables."""
        return tuple(block for block in self.blocks if isinstance(block, Table))


def columns_of(headers: Sequence[str], words: int = 1) -> tuple[Column, ...]:
    """Columns by their headers; the first hold words, the others figures."""
    return tuple(Column(header, words=place < words) for place, header in enumerate(headers))


def optional_in_print(columns: Iterable[Column], levels: Mapping[str, int]) -> tuple[Column, ...]:
    """The columns, those of these headers left out where there is no room: the highest first."""
    return tuple(replace(column, optional=levels.get(column.header, column.optional)) for column in columns)


def without_empty(table: Table) -> Table:
    """The table without the columns that are empty in every row."""
    rows = [row for row in table.lines if len(row.cells) == len(table.columns)]
    texts = zip(*(map(words_of, row.cells) for row in rows), strict=True)
    kept = [place for place, column in enumerate(texts) if set(column) - {"", UNKNOWN}]
    return replace(
        table,
        columns=tuple(table.columns[place] for place in kept),
        rows=tuple(Row(tuple(row.cells[place] for place in kept), row.total) for row in rows),
    )


def answer_of(first: str, *others: str) -> Cell:
    """A verdict: its first sentence aloud, then what else it says."""
    said = " ".join(filter(None, others))
    return Cell(lines=((Span(first, style=Style.EMPHASIS), f" {said}" if said else ""),))


def notes_of(
    *texts: Text | None, tone: Tone | None = None, listed: bool = True, detail: bool = False
) -> tuple[Notes, ...]:
    """The sentences that there are, as a block; none if there are none."""
    said = tuple(text for text in texts if text)
    return (Notes(said, tone, listed, detail),) if said else ()

"""Any page on a terminal: tables without frames, tones as colours, the narrow page where the wide one does not fit."""

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text as RichText

from kaoprof.reporting.document import Block, Heading, Notes, Page, Span, Table, Text, Tone, cell_of, words_of
from kaoprof.reporting.formats.plain import visible

LEAST_COLUMNS = 80  # in fewer a table loses figures, and in none, as some jobs have it, everything
STYLES = {Tone.GOOD: "green", Tone.BAD: "bold red", Tone.QUIET: "dim", None: ""}
INDENT = "  "
UNLIMITED = 10_000  # columns of a terminal on which every table fits


class SteadyConsole(Console):
    """A console on which controls inside a text show as their code; colours of its own are no text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, each without controls of its own."""
        for text, style, control in super().render(renderable, options):
            shown = text if control or text.isprintable() else "\n".join(map(visible, text.split("\n")))
            yield Segment(shown, style, control)

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints; into a file or a pipe without the spaces that fill lines up to the width."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as shown:
            super().print(*objects, **options)
        self.file.writelines(f"{line.rstrip()}\n" for line in shown.get().splitlines())


def to_console(page: Page, width: int) -> RenderableType:
    """The page as rich renderables for a terminal of `width` columns."""
    if page.narrow is not None and not _fits(page, width):
        return to_console(page.narrow, width)
    parts: list[RenderableType] = []
    before: Block | None = None
    for block in page.blocks:
        if before is not None and _apart(before, block):
            parts.append(RichText())
        parts += _drawn(block)
        before = block
    return Group(*parts)


def _fits(page: Page, width: int) -> bool:
    unlimited = Console(width=UNLIMITED, height=1)  # without a height, TERM=dumb makes it 80 wide
    return width >= page.wide_from and all(unlimited.measure(_table(table)).maximum <= width for table in page.tables)


def _apart(before: Block, block: Block) -> bool:
    """Whether a line stays free between two blocks."""
    if isinstance(before, Heading):
        return isinstance(block, Table) and bool(block.title)
    quiet = before.notes and not before.close if isinstance(before, Table) else before.tone == Tone.QUIET
    return not (isinstance(block, Notes) and block.tone == Tone.QUIET and quiet)


def _drawn(block: Block) -> list[RenderableType]:
    if isinstance(block, Heading):
        return [_literal(block.text, "bold")]
    if isinstance(block, Notes):
        return [_text(text, block.tone) for text in block.texts]
    title = [_literal(block.title, "bold")] if block.title else []
    free = [RichText()] if block.notes and not block.close else []
    return [*title, _table(block), *free, *(_text(note, None if block.close else Tone.QUIET) for note in block.notes)]


def _table(table: Table) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    for column in table.columns:
        drawn.add_column(
            _literal(column.header), justify="left" if column.words or column.left else "right",
            no_wrap=not column.words, overflow="fold", max_width=column.most,
        )  # fmt: skip
    for row in table.lines:
        if row.total:
            drawn.add_section()
        drawn.add_row(*(_text(cell, table.tones.get(words_of(cell))) for cell in row.cells), style="bold" * row.total)
    return drawn


def _text(text: Text, tone: Tone | None) -> RichText:
    cell = cell_of(text)
    lines = [RichText.assemble(*(_span(span) for span in line)) for line in cell.lines]
    joined = RichText("\n", style=STYLES[tone]).join(lines)
    joined.style = STYLES[tone]
    return RichText.assemble(INDENT * (cell.depth or 0), joined) if cell.depth else joined


def _span(span: Span | str) -> RichText:
    return _literal(span) if isinstance(span, str) else _literal(span.text, STYLES[span.tone])


def _literal(text: str, style: str = "") -> RichText:
    """The one way from a text to the terminal: no markup, no link, no control; a header keeps its line breaks."""
    return RichText("\n".join(map(visible, text.split("\n"))), style=style)

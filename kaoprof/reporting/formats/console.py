"""Any page on a terminal: tables without frames, tones as colours, as much of it as was asked for and fits."""

import re
from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.containers import Lines
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text as RichText

from kaoprof.reporting.document import Block, Heading, Notes, Page, Span, Style, Table, Text, Tone, cell_of, words_of
from kaoprof.reporting.formats.fitting import INDENT, fitted
from kaoprof.reporting.formats.plain import visible

LEAST_COLUMNS = 80  # in fewer a table loses figures, and in none, as some jobs have it, everything
STYLES = {Tone.GOOD: "green", Tone.BAD: "bold red", Tone.WARN: "yellow", Tone.QUIET: "dim", None: ""}
PLAIN = str.maketrans("µ◂…×–▏▉", "u<~x-|#")  # where a terminal's encoding lacks these signs
PERCENT = re.compile(r"(?<=\d) (?=%)")  # between a figure and its sign no line breaks
HARD_SPACE = "\ue000"  # stands for it while lines are broken; in a text of somebody's `visible` shows its code
FACTS_GAP = (0, 2, 0, 0)  # right of a word, what is known of it


class Sentence(RichText):
    """A text whose lines never break inside of `95 %`."""

    def wrap(self, console: Console, width: int, **how: Any) -> Lines:
        """Its lines in `width` columns."""
        held = self.copy()
        held.plain = PERCENT.sub(HARD_SPACE, held.plain)
        lines = held.wrap(console, width, **how)
        for line in lines:
            line.plain = line.plain.replace(HARD_SPACE, " ")
        return lines


class SteadyConsole(Console):
    """A console on which controls inside a text show as their code; colours of its own are no text."""

    @property
    def is_unicode(self) -> bool:
        """Whether it can show any sign."""
        return self.encoding.lower().startswith("utf")

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, each without controls of its own."""
        for text, style, control in super().render(renderable, options):
            shown = text if control or text.isprintable() else "\n".join(map(visible, text.split("\n")))
            yield Segment(shown if self.is_unicode else shown.translate(PLAIN), style, control)

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints; into a file or a pipe without the spaces that fill lines up to the width."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as shown:
            super().print(*objects, **options)
        self.file.writelines(f"{line.rstrip()}\n" for line in shown.get().splitlines())


def to_console(page: Page, width: int, *, verbose: bool = False, bars: bool = False) -> RenderableType:
    """The page as rich renderables for a terminal of `width` columns: its answers, and its detail if `verbose`.

    `bars` are for who sees signs of any kind: an encoding that has them, and no pipe.
    """
    page = fitted(page, width, verbose=verbose, bars=bars)
    parts: list[RenderableType] = []
    before: Block | None = None
    for block in page.blocks:
        if before is not None and _apart(before, block):
            parts.append(RichText())
        parts += _drawn(block)
        before = block
    return Group(*parts)


def _apart(before: Block, block: Block) -> bool:
    """Whether a line stays free between two blocks."""
    if isinstance(before, Heading):
        return isinstance(block, Table) and bool(block.title)
    quiet = before.sentences and not before.close if isinstance(before, Table) else before.tone == Tone.QUIET
    return not (isinstance(block, Notes) and block.tone == Tone.QUIET and quiet)


def _drawn(block: Block) -> list[RenderableType]:
    if isinstance(block, Heading):
        return [_literal(block.text, "bold")]
    if isinstance(block, Notes):
        return [_text(text, block.tone) for text in block.texts]
    title = [_literal(block.title, "bold")] if block.title else []
    free = [RichText()] if block.sentences and not block.close else []
    tone = None if block.close else Tone.QUIET
    return [*title, _table(block), *free, *(_text(note, tone) for note in block.sentences)]


def _table(table: Table) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
    if not any(table.headers):
        drawn = RichTable(box=None, pad_edge=False, padding=FACTS_GAP, show_header=False)
    for column in table.columns:
        drawn.add_column(
            _literal(column.header), justify="left" if column.words or column.left else "right",
            no_wrap=not column.words or column.name, overflow="fold", max_width=column.most,
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
    whole = RichText.assemble(INDENT * (cell.depth or 0), joined) if cell.depth else joined
    return Sentence().append_text(whole)


def _span(span: Span | str) -> RichText:
    if isinstance(span, str):
        return _literal(span)
    bold = "bold " if span.style == Style.EMPHASIS else ""
    return _literal(span.text, f"{bold}{STYLES[span.tone]}".strip())


def _literal(text: str, style: str = "") -> RichText:
    """The one way from a text to the terminal: no markup, no link, no control; a header keeps its line breaks."""
    return RichText("\n".join(map(visible, text.split("\n"))), style=style)

"""Any page as Markdown, for a README or a pull request."""

import re
from collections.abc import Iterable

from kaoprof.reporting.document import Block, Heading, Notes, Page, Span, Style, Table, Text, cell_of
from kaoprof.reporting.formats.folding import folded
from kaoprof.reporting.formats.plain import visible

SPECIAL = "\\`*_{}[]<>#|$&~"
INDENT = "&nbsp;&nbsp;"
WORD = re.compile(r"[^\s`|]+|[\s`|]+")
LINK = re.compile(r"://|www\.|@\w|mailto:|xmpp:", re.IGNORECASE)  # of a word that GitHub would make a link
MARKER = re.compile(r"^(\d*)([-+=.)])")  # what begins a list or a heading at the beginning of a line


def to_markdown(page: Page) -> str:
    """The page as Markdown, its blocks with a free line between them."""
    return "\n\n".join("\n".join(_lines(block)) for block in folded(page).blocks) + "\n"


def escape(text: str) -> str:
    """`text` with everything that Markdown or HTML would interpret made literal; what would become a link is code."""
    written = ""
    for word in WORD.findall(visible(text)):
        if LINK.search(word):
            written += f"{' ' * written.endswith('`')}`{word}`"  # else a sign before it would belong to the code
        else:
            written += "".join(f"\\{sign}" if sign in SPECIAL else sign for sign in word)
    return written


def _sentence(text: Text) -> str:
    """A text with a line to itself."""
    return MARKER.sub(r"\1\\\2", _text(text))


def _lines(block: Block) -> list[str]:
    if isinstance(block, Heading):
        return [f"### {escape(block.text)}"]
    if isinstance(block, Notes):
        return [f"- {_sentence(text)}" if block.listed else _sentence(text) for text in block.texts]
    name = escape(block.title).strip()  # no sign of emphasis may stand before a space
    title = [f"**{name}**", ""] if name else []
    notes = ["", *(f"- {_sentence(note)}" for note in block.sentences)] if block.sentences else []
    return [*title, *_table(block), *notes]


def _table(table: Table) -> Iterable[str]:
    yield _line(escape(header) for header in table.headers)
    yield _line("---" if column.words or column.left else "---:" for column in table.columns)
    yield from (_line(map(_text, row.cells)) for row in table.lines)


def _line(texts: Iterable[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(texts)} |"


def _text(text: Text) -> str:
    cell = cell_of(text)
    lines = ("".join(map(_span, line)) for line in cell.lines)
    return INDENT * (cell.depth or 0) + " ".join(filter(None, lines))


def _span(span: Span | str) -> str:
    if isinstance(span, str):
        return escape(span)
    ends_itself = not span.text or "`" in span.text or "|" in span.text  # where a code's sign would end it
    plain = span.style != Style.CODE or ends_itself
    return escape(span.text) if plain else f"`{visible(span.text)}`"

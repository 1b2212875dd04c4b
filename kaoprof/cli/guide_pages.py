"""Markdown on a terminal: the guide's pages, with headings at the left; into a pipe the same without any colour."""

from typing import Any, ClassVar

from rich.markdown import CodeBlock, Heading, Markdown
from rich.padding import Padding
from rich.text import Text

from kaoprof.cli.terminal import terminal

MOST_COLUMNS = 100  # of text that one reads


class PlainHeading(Heading):
    """A heading in bold at the left, where rich would frame and centre it."""

    def __rich_console__(self, console: Any, options: Any) -> Any:
        """The line."""
        del console, options
        yield Text(self.text.plain, style="bold underline" if self.tag == "h1" else "bold")


class PlainCode(CodeBlock):
    """Code indented and in one colour: it is there to be copied."""

    def __rich_console__(self, console: Any, options: Any) -> Any:
        """Its lines."""
        del console, options
        yield Padding(Text(self.text.plain.rstrip(), style="cyan", overflow="fold"), (0, 0, 0, 2))


class Page(Markdown):
    """Markdown with plain headings and plain code."""

    elements: ClassVar = {
        **Markdown.elements, "heading_open": PlainHeading, "fence": PlainCode, "code_block": PlainCode,
    }  # fmt: skip


def show(text: str) -> None:
    """Prints Markdown to standard output."""
    console = terminal()
    console.width = min(console.width, MOST_COLUMNS)
    console.print(Page(text, hyperlinks=False))

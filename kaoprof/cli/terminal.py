"""The console that tables are shown on: what a name or somebody's error message hides in it cannot steer a terminal."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from kaoprof.reporting.formats.plain import visible

LEAST_COLUMNS = 80  # in fewer a table loses figures, and in none, as some jobs have it, everything


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


def terminal() -> Console:
    """The console on stdout, at least `LEAST_COLUMNS` wide. Nothing in a text is taken for markup of its own."""
    console = SteadyConsole(highlight=False, emoji=False)
    console.width = max(console.width, LEAST_COLUMNS)
    return console

"""The console that tables are shown on: what a name or somebody's error message hides in it cannot steer a terminal."""

from kaoprof.reporting.formats.console import LEAST_COLUMNS, SteadyConsole


def terminal() -> SteadyConsole:
    """The console on stdout, at least `LEAST_COLUMNS` wide. Nothing in a text is taken for markup of its own."""
    console = SteadyConsole(highlight=False, emoji=False)
    console.width = max(console.width, LEAST_COLUMNS)
    return console


def has_bars(console: SteadyConsole) -> bool:
    """Whether somebody looks at it, and sees signs of any kind."""
    return console.is_terminal and console.is_unicode

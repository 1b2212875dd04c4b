"""Records as they are shown and written, for tests: on a terminal of so many columns, and in each text format."""

import io

from msgspec.structs import replace
from rich.console import Console

from kaoprof.reporting import kinds
from kaoprof.reporting.document import Heading, Table, words_of
from kaoprof.reporting.formats.console import to_console
from kaoprof.reporting.tables.grid import NamedRun, grid_of


def printed(shown, width=80):
    """What rich prints of anything."""
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(shown)
    return console.file.getvalue()


def on_screen(record, width=80, *, verbose=False, **how):
    """What the command that made a record shows."""
    return printed(kinds.to_console(kinds.report_of(record, **how), width, verbose=verbose), width)


def page_on_screen(page, width=80):
    """What a page shows."""
    return printed(to_console(page, width), width)


def written(record, suffix, **how):
    """What the command that made a record writes."""
    return kinds.written(kinds.report_of(record, **how), suffix)


def runs(*records):
    """Records by name: run1, run2 ..."""
    return tuple(NamedRun(name=f"run{number}", record=record) for number, record in enumerate(records, start=1))


def reported(*records, quantities=None, name=None):
    """Runs that were kept, as `report` has them."""
    named = runs(*records) if name is None else (NamedRun(name=name, record=records[0]),)
    grid = replace(grid_of(named), quantities=quantities) if kinds.KINDS[records[0].kind].is_grid else None
    return kinds.Report(runs=named, grid=grid)


def sentences(page):
    """Everything that stands outside of tables' rows, in one text."""
    texts = []
    for block in page.blocks:
        if isinstance(block, Heading):
            texts.append(block.text)
        else:
            texts += block.notes if isinstance(block, Table) else block.texts
    return " ".join(map(words_of, texts))

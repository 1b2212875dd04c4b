"""A page in the user's own browser."""

import os
from collections.abc import Sequence
from pathlib import Path

from kaoprof.cli.streams import say
from kaoprof.errors import OutputError
from kaoprof.reporting.files import write_whole
from kaoprof.reporting.kinds import Report, written


def show_page(report: Report, pages: Sequence[Path]) -> None:
    """Opens the first of the pages that were written; where there is none, one in the folder for temporary files.

    Raises:
        OutputError: that folder cannot be written.
    """
    import webbrowser  # opened late: few ask for it

    page = pages[0] if pages else _temporary(report)
    if not webbrowser.open(page.resolve().as_uri()):
        say(f"no browser could be opened; the page is {page}")
    elif not pages:
        say(f"opened {page}")


def _temporary(report: Report) -> Path:
    import tempfile

    try:
        handle, name = tempfile.mkstemp(prefix="kaoprof-", suffix=".html")
        os.close(handle)
        write_whole(Path(name), written(report, "html"))
    except OSError as error:
        raise OutputError(f"no page could be written: {error.strerror or error}", hint="--to run.html") from None
    return Path(name)

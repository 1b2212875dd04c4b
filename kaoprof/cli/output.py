"""Where results go: stdout in the format asked for, and files that are written whole or not at all."""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from kaoprof.cli.streams import let_go
from kaoprof.errors import KaoprofError, OutputError, UsageError, did_you_mean
from kaoprof.reporting.document import Page
from kaoprof.reporting.files import check_target, write_whole
from kaoprof.reporting.kinds import SERVICES, TEXTS, Report, csv_of, format_of, to_console, written

TABLE = "table"
WATCHED = (TABLE, *TEXTS, *SERVICES)  # formats of records whose figures a service may watch


def check_format(name: str, known: Sequence[str] = (TABLE, *TEXTS)) -> None:
    """Refuses an unknown format for stdout.

    Raises:
        UsageError: it is not known.
    """
    if name not in known:
        raise UsageError(f"unknown format {name!r}", where="--format", hint=did_you_mean(name, known))


def check_targets(paths: Sequence[Path], *, force: bool, kind: str | None = None, also: Collection[str] = ()) -> None:
    """Refuses, before anything is measured, a file that could not be written afterwards for a record of this kind.

    Raises:
        UsageError: an unknown suffix, or a file that exists (without `force`).
        OutputError: the folder is missing or not writable.
    """
    for path in paths:
        format_of(path, kind, also)
        check_target(path, force=force)
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise UsageError("the same file is named twice", where="-o")


def write_all(report: Report, paths: Sequence[Path]) -> tuple[list[Path], KaoprofError | None]:
    """Writes every file; one that fails does not keep the others from being written.

    Returns which were written, and what must be raised once the record was shown: an `OutputError`, or a `UsageError`
    for a picture of nothing.
    """
    done: list[Path] = []
    failures: list[str] = []
    refused: UsageError | None = None
    for path in paths:
        try:
            name = format_of(path)
            write_whole(path, csv_of(report) if name == "csv" else written(report, name))
            done.append(path)
        except OSError as error:
            failures.append(f"{path}: {error.strerror}")
        except UsageError as error:
            refused = error
    return done, OutputError(f"not written: {'; '.join(failures)}") if failures else refused


def rescue(report: Report) -> str:
    """Tries to keep the record somewhere else, and says where."""
    import tempfile

    try:
        handle, name = tempfile.mkstemp(prefix="kaoprof-", suffix=".json")
    except OSError as error:
        return f"nor could a copy be kept: {error.strerror}; the table above is all there is"
    os.close(handle)
    try:
        write_whole(Path(name), written(report, "json"))
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        return f"nor could a copy be kept: {error.strerror}; the table above is all there is"
    return f"the record was kept in {name}"


def print_page(page: Page, *, verbose: bool = False) -> None:
    """Prints what no record holds, for the terminal's width."""
    from kaoprof.cli.terminal import has_bars, terminal
    from kaoprof.reporting.formats.console import to_console as page_to_console

    console = terminal()
    console.print(page_to_console(page, console.width, verbose=verbose, bars=has_bars(console)))


def print_report(report: Report, format_name: str, *, verbose: bool = False) -> None:
    """Prints the report to stdout: as a table for the terminal's width, with detail if `verbose`, or in a format."""
    try:
        if format_name == "table":
            from kaoprof.cli.terminal import has_bars, terminal

            console = terminal()
            console.print(to_console(report, console.width, verbose=verbose, bars=has_bars(console)))
        else:
            text = csv_of(report) if format_name == "csv" else [written(report, format_name)]
            lines = (line for part in text if isinstance(part, str) for line in part.splitlines(keepends=True))
            sys.stdout.writelines(lines)  # where output is unbuffered, a long write may stop short
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough: the exit code is what it would have been
        let_go(sys.stdout.fileno())

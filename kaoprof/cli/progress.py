"""Progress on stderr: one overwritten line on a terminal, nothing elsewhere. No thread: it would cost cycles."""

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kaoprof.reporting.formats.plain import visible
from kaoprof.units import format_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaoprof.measuring.plan import Progress
    from kaoprof.measuring.run import ProgressCallback

CLEAR_LINE = "\r\x1b[2K"


@contextmanager
def shown_progress() -> "Iterator[ProgressCallback]":
    """A callback that shows what is being done, on a terminal; the line is gone when the block ends."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _warn
        return
    import shutil

    width = shutil.get_terminal_size().columns
    try:
        yield lambda progress: _show(progress, width)
    finally:
        sys.stderr.write(CLEAR_LINE)
        sys.stderr.flush()


def _warn(progress: "Progress") -> None:
    if progress.warning and sys.stderr is not None:
        sys.stderr.write(f"warning: {visible(progress.warning)}\n")


def _show(progress: "Progress", width: int) -> None:
    if progress.warning:
        sys.stderr.write(CLEAR_LINE)
        _warn(progress)
        return
    estimate = f", about {format_seconds(progress.estimate_s)} per call" if progress.estimate_s else ""
    line = f"{progress.step} {progress.done + 1}/{progress.total}: {progress.label}{estimate}"
    sys.stderr.write(CLEAR_LINE + visible(line)[: width - 1])
    sys.stderr.flush()

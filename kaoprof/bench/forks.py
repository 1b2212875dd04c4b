"""Copies that somebody's code makes of the measuring process: none goes on with our work, and they have an end."""

import mmap
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = str(Path(__file__).parent.parent)
MOST_FORKS = 256  # of one process and its copies; data loaders need a few dozen
TOO_MANY = b"its code forks without end\n"
_OWN: list[bool] = []  # filled while kaoprof itself forks


def watch_forks() -> None:
    """From now on a copy ends where it would come back to kaoprof's code, and this process where there are too many.

    A worker of a data loader, which has code of its own to run, never comes back.
    """
    forks = mmap.mmap(-1, mmap.PAGESIZE)  # shared with all copies

    def count() -> None:
        if _OWN:
            return
        seen = int.from_bytes(forks[:4], "little") + 1
        forks[:4] = seen.to_bytes(4, "little")
        if seen > MOST_FORKS:
            os.write(2, TOO_MANY)
            os._exit(1)

    def end_in_our_code() -> None:
        if not _OWN:
            sys.setprofile(_end_in_our_code)

    os.register_at_fork(before=count, after_in_child=end_in_our_code)


def own_fork() -> int:
    """Copies this process for kaoprof's own work: the copy goes on in our code, those that it makes do not."""
    _OWN.append(True)
    try:
        return os.fork()
    finally:
        _OWN.clear()


def _end_in_our_code(frame: FrameType, event: str, _: Any) -> None:
    file = frame.f_code.co_filename
    if event in {"call", "return"} and file.startswith(PACKAGE) and file != __file__:
        os._exit(0)

"""Makes the code in the current folder importable, as `python -m` does: only where importing was allowed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importable(*, allowed: bool) -> Iterator[None]:
    """While active, `mine:Net` finds `mine.py` in the current folder, if that is allowed."""
    here = str(Path.cwd()) if allowed else ""
    if not allowed or here in sys.path or "" in sys.path:
        yield
        return
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)

"""Makes the code in the current folder importable, after everything else: only where importing was allowed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def importable(*, allowed: bool) -> Iterator[None]:
    """While active, `mine:Net` finds `mine.py` in the current folder, if allowed; a `torch.py` there hides none."""
    before = list(sys.path)
    if allowed:
        here = str(Path.cwd())
        sys.path[:] = [*(place for place in before if place), *([here] if here not in before else [])]
    try:
        yield
    finally:
        sys.path[:] = before

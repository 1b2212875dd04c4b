"""Whose turn it is: what runs is watched through settings of the whole process, so by one thread at a time.

A call that is counted waits for its turn. A block of code that is counted may take any time, and its thread may wait
for others: whoever would have to wait for it is refused instead.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kaoprof.errors import KaoprofError

LOOKS_AGAIN_S = 0.05


class _Turns:
    """The lock, which thread is inside a block, and how many looks aside there are."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.block_of: int | None = None
        self.aside = 0


_TURNS = _Turns()


@contextmanager
def turn_of_a_call() -> Iterator[None]:
    """While active, this thread alone watches; a block around it, of the same thread, takes no notice.

    Raises:
        KaoprofError: another thread is inside of a block.
    """
    _take()
    _TURNS.aside += 1
    try:
        yield
    finally:
        _TURNS.aside -= 1
        _TURNS.lock.release()


@contextmanager
def turn_of_a_block() -> Iterator[None]:
    """While active, this thread alone watches, and others are refused.

    Raises:
        KaoprofError: another thread is inside of a block.
    """
    _take()
    before, _TURNS.block_of = _TURNS.block_of, threading.get_ident()
    try:
        yield
    finally:
        _TURNS.block_of = before
        _TURNS.lock.release()


def is_aside() -> bool:
    """Whether what runs now is kaoprof's own doing, which no block counts."""
    return _TURNS.aside > 0


def _take() -> None:
    while not _TURNS.lock.acquire(timeout=LOOKS_AGAIN_S):
        if _TURNS.block_of is not None:
            raise KaoprofError(
                "another thread is inside of `with kaoprof.count()`", hint="count in one thread at a time"
            )

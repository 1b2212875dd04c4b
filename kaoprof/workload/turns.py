"""Whose turn it is: what runs is watched through settings of the whole process, so by one thread at a time.

A call that is counted waits for its turn. A block of code that is counted may take any time, and its thread may wait
for others: whoever would have to wait for it is refused instead.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from kaoprof.errors import KaoprofError

LOOKS_AGAIN_S = 0.05


class _Turns:
    """The lock, which thread is inside a block, and how often each thread was told to be looked away from."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.block_of: int | None = None
        self.aside: Counter[int] = Counter()


_TURNS = _Turns()


@contextmanager
def turn_of_a_call() -> Iterator[None]:
    """While active, this thread alone watches; a block around it, of the same thread, takes no notice.

    Raises:
        KaoprofError: another thread is inside of a block.
    """
    _take()
    try:
        with aside():
            yield
    finally:
        _TURNS.lock.release()


@contextmanager
def aside() -> Iterator[None]:
    """While active, what this thread runs is kaoprof's own doing, which no block of it counts."""
    thread = threading.get_ident()
    _TURNS.aside[thread] += 1
    try:
        yield
    finally:
        _TURNS.aside[thread] -= 1
        if not _TURNS.aside[thread]:
            del _TURNS.aside[thread]


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
    thread = threading.get_ident()
    if thread in _TURNS.aside:
        return True
    return (
        thread != _TURNS.block_of and _TURNS.block_of in _TURNS.aside
    )  # a backward pass on a GPU has a thread of its own


def _take() -> None:
    while not _TURNS.lock.acquire(timeout=LOOKS_AGAIN_S):
        if _TURNS.block_of is not None:
            raise KaoprofError(
                "another thread is inside of `with kaoprof.count()`", hint="count in one thread at a time"
            )

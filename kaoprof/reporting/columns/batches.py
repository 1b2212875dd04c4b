"""Many lines, some hundred at a time: each step for all of these, which takes less time than all steps for each."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
TOGETHER = 250


def batches(members: Iterable[T], size: int = TOGETHER) -> Iterator[list[T]]:
    """All members, in order, so many at a time."""
    left = iter(members)
    while batch := list(islice(left, size)):
        yield batch

"""Rows that stay in their file: each is read whenever it is asked for, so that of many never all stand in memory."""

import os
import weakref
from array import array
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import msgspec

from kaoprof.errors import RecordError

T = TypeVar("T")


class RowFile(Generic[T]):
    """A file with rows, which is kept open: another file of its name is not this one.

    Args:
        path: of the file.
        decode: the rows that a piece of its text holds.
    """

    def __init__(self, path: Path, decode: Callable[[bytes], Sequence[T]]) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)
        self._decode, self._path = decode, path
        self._latest: tuple[int, Sequence[T]] = (-1, ())

    def rows_at(self, begin: int, length: int) -> Sequence[T]:
        """The rows of a piece of the text; those of the latest one are not read again.

        Raises:
            RecordError: the file is no more what it was.
        """
        if begin != self._latest[0]:
            try:
                self._latest = begin, self._decode(os.pread(self._file, length, begin))
            except (OSError, ValueError, msgspec.DecodeError) as error:
                raise RecordError(f"was changed while it was read: {error}", where=str(self._path)) from None
        return self._latest[1]


class StoredCell(Sequence[T], Generic[T]):
    """Rows that have something in common: those with these numbers among the ones of a piece of a file's text."""

    __slots__ = ("_begin", "_file", "_length", "_numbers")

    def __init__(self, file: RowFile[T], begin: int, length: int, numbers: Sequence[int]) -> None:
        self._file, self._begin, self._length, self._numbers = file, begin, length, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[T]:
        rows = self._file.rows_at(self._begin, self._length)
        try:
            return iter([rows[number] for number in self._numbers])
        except IndexError:
            raise RecordError("was changed while it was read: rows are missing") from None

    @overload
    def __getitem__(self, number: int) -> T: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[T]: ...
    def __getitem__(self, number: int | slice) -> T | Sequence[T]:
        return tuple(self)[number]


class StoredRows(Sequence[T], Generic[T]):
    """All rows of some cells, in order.

    Args:
        cells: each with what its rows have in common; several may have the same.
    """

    def __init__(self, cells: Iterable[tuple[Hashable, Sequence[T]]]) -> None:
        self._cells: list[Sequence[T]] = []
        self._begins = array("q", [0])
        self._groups: dict[Hashable, list[Sequence[T]]] = {}
        for group, cell in cells:
            self._cells.append(cell)
            self._begins.append(self._begins[-1] + len(cell))
            self._groups.setdefault(group, []).append(cell)

    def groups(self) -> Mapping[Any, Iterable[T]]:
        """The rows that have something in common, to be gone through once."""
        return {group: cells[0] if len(cells) == 1 else chain(*cells) for group, cells in self._groups.items()}

    def __len__(self) -> int:
        return self._begins[-1]

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self._cells)

    @overload
    def __getitem__(self, number: int) -> T: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[T]: ...
    def __getitem__(self, number: int | slice) -> T | Sequence[T]:
        if isinstance(number, slice):
            return tuple(self[index] for index in range(*number.indices(len(self))))
        index = range(len(self))[number]
        cell = bisect_right(self._begins, index) - 1
        return self._cells[cell][index - self._begins[cell]]

"""Rows that stay in their file: each is read whenever it is asked for, so that of many never all stand in memory."""

import os
import weakref
from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import msgspec

from kaoprof.errors import RecordError

T = TypeVar("T")


class StoredRows(Sequence[T], Generic[T]):
    """A sequence of rows by their places in a file, which is kept open: another file of its name is not this one.

    Args:
        path: where they are.
        decoder: of a row.
        brackets: what its text lacks in front and behind.
    """

    def __init__(self, path: Path, decoder: msgspec.json.Decoder[T], brackets: tuple[bytes, bytes]) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)
        self._decoder, self._brackets, self._path = decoder, brackets, path
        self._begins, self._lengths = array("q"), array("q")
        self._groups: dict[Hashable, array[int]] = {}

    def append(self, begin: int, length: int, group: Hashable) -> None:
        """The next row: its place in the file, and what it has in common with those of its group."""
        self._groups.setdefault(group, array("q")).append(len(self._begins))
        self._begins.append(begin)
        self._lengths.append(length)

    def groups(self) -> Mapping[Any, Iterable[T]]:
        """The rows that have something in common, each read when they are gone through."""
        return {group: _Chosen(self, numbers) for group, numbers in self._groups.items()}

    def __len__(self) -> int:
        return len(self._begins)

    @overload
    def __getitem__(self, number: int) -> T: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[T]: ...
    def __getitem__(self, number: int | slice) -> T | Sequence[T]:
        if isinstance(number, slice):
            return tuple(self[index] for index in range(*number.indices(len(self))))
        before, behind = self._brackets
        try:
            text = os.pread(self._file, self._lengths[number], self._begins[number])
            return self._decoder.decode(before + text + behind)
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise RecordError(f"was changed while it was read: {error}", where=str(self._path)) from None


class _Chosen(Generic[T]):
    """Some of the stored rows, by their numbers."""

    def __init__(self, rows: StoredRows[T], numbers: Sequence[int]) -> None:
        self._rows, self._numbers = rows, numbers

    def __iter__(self) -> Iterator[T]:
        return map(self._rows.__getitem__, self._numbers)

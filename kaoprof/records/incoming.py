"""Bytes that may be anybody's, up to a limit, and the one JSON document that they are: no key stands in it twice."""

import io
import json
import os
import select
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from kaoprof.errors import RecordError

T = TypeVar("T")
MOST_BYTES = 4 * 10**9  # of a run file: eight times what the largest sweep with the most samples writes
MOST_PIPED_BYTES = 2**29  # what comes through a pipe has no size that could be asked for before
WRITER_LIMIT_S = 10.0  # for somebody to open a pipe's other end
CHUNK_BYTES = 2**20
SHOWN_CHARACTERS = 100  # of a name that is too long to be one
BLANKS = b" \t\r\n"
HEAD = ("schema", "kind", "rows")  # what tells documents apart


class RepeatedKeyError(ValueError):
    """An object names a key twice: which of its values counts would be anybody's guess."""


# RecursionError: brackets without end; ValueError: a number of thousands of digits, to json
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """What of an object is asked for, so that the document is never held twice."""
    if len(pairs) > 1 and len({key for key, _ in pairs}) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise RepeatedKeyError(f"the key {repeated[:40]!r} stands twice in one object")
    return {key: value for key, value in pairs if key in HEAD}


def head_of(data: bytes) -> Any:
    """What kind of document it is: an object's `HEAD`, and nothing else of it.

    Raises:
        RepeatedKeyError: a key stands twice in any object of it.
        ValueError: it is no JSON.
        RecursionError: neither.
    """
    return json.loads(data, object_pairs_hook=_once)


def strictly_decoded(data: bytes, kind: type[T]) -> T:
    """The struct that the bytes hold.

    Raises:
        Exception: one of `UNREADABLE`: they hold none.
    """
    return strictly_by(msgspec.json.Decoder(kind), data)


def strictly_by(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """What the bytes hold, as `strictly_decoded`.

    What is written again as it was read, but for blanks, names no key twice, as all but one of its values would be
    lost: that is so of nearly all, and asked ten times as fast.
    """
    value = decoder.decode(data)
    if msgspec.json.encode(value).translate(None, BLANKS) != data.translate(None, BLANKS):
        head_of(data)
    return value


def read_bytes(path: Path) -> bytes:
    """What a file holds, or comes through a pipe.

    Raises:
        RecordError: it cannot be read, or has no end.
    """
    with opened(path) as file:
        return file.read()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file, or what came through a pipe, to be read from its beginning.

    Raises:
        RecordError: it cannot be read, or has no end.
    """
    try:
        file = _opened(path)
    except FileNotFoundError:
        raise RecordError("there is no such file", where=str(path)) from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    with file:
        try:
            yield file
        except OSError as error:
            raise _unreadable(path, error) from None


def _opened(path: Path) -> BinaryIO:
    where = str(path)
    if path.is_dir():
        raise RecordError("is a folder", where=where, hint="name a file in it")
    if path.is_char_device() or path.is_block_device():
        raise RecordError("is a device, not a file", where=where)
    state = path.stat()
    if stat.S_ISFIFO(state.st_mode):
        return io.BytesIO(b"".join(_piped(path)))
    if state.st_size > MOST_BYTES:
        raise RecordError(f"is too large to be a run: {state.st_size:,} bytes", where=where)
    return path.open("rb")


def _unreadable(path: Path, error: Exception) -> RecordError:
    reason = getattr(error, "strerror", None) or str(error)
    return RecordError(f"cannot be read: {reason}", where=str(path)[:SHOWN_CHARACTERS])


def _piped(path: Path) -> Iterator[bytes]:
    """What comes through a pipe until it is closed; a writer may take its time, but there must be one."""
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        total, has_come = 0, False
        while True:
            try:
                received = os.read(pipe, CHUNK_BYTES)
            except BlockingIOError:  # somebody writes
                select.select([pipe], [], [])
                continue
            if not received and not has_come:  # nobody wrote yet, or nobody ever will
                if not select.select([pipe], [], [], WRITER_LIMIT_S)[0]:
                    raise RecordError("nobody writes into this pipe", where=str(path))
                has_come = True
                continue
            if not received:
                return
            has_come = True
            total += len(received)
            if total > MOST_PIPED_BYTES:
                raise RecordError("more comes through this pipe than a run holds", where=str(path), hint="write a file")
            yield received
    finally:
        os.close(pipe)

"""Parts of a large file between separators, a chunk at a time; and where it may be cut for several processes."""

from collections.abc import Iterator
from typing import BinaryIO

CHUNK_BYTES = 2**21

Range = tuple[int, int]


def parts_of(file: BinaryIO, span: Range, separator: bytes) -> Iterator[tuple[int, bytes]]:
    """What stands between separators in this range of bytes, each part with its place; the last one may be empty."""
    place, end = span
    file.seek(place)
    left, text = end - place, b""
    while chunk := file.read(min(CHUNK_BYTES, left)):
        left -= len(chunk)
        *whole, text = (text + chunk).split(separator)
        for part in whole:
            yield place, part
            place += len(part) + len(separator)
    yield place, text


def ranges_of(file: BinaryIO, span: Range, separator: bytes, number: int) -> list[Range]:
    """At most so many ranges, about equally long, which make up this one; all but the last end behind a separator."""
    begin, end = span
    cuts = [begin]
    for place in range(1, number):
        cut = _behind(file, max(begin + (end - begin) * place // number, cuts[-1]), separator)
        if cut is None or cut >= end:
            break
        cuts.append(cut)
    return list(zip(cuts, [*cuts[1:], end], strict=True))


def _behind(file: BinaryIO, place: int, separator: bytes) -> int | None:
    """Where the next separator that begins from this place on has its end; None where there is none."""
    file.seek(place)
    text = b""
    while chunk := file.read(CHUNK_BYTES):
        text = text[1 - len(separator) :] + chunk if len(separator) > 1 else chunk
        found = text.find(separator)
        if found >= 0:
            return file.tell() - len(text) + found + len(separator)
    return None

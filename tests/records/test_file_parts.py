"""A file that is read in parts, or cut for several processes, holds what it holds when it is read at once."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaoprof.records import file_parts
from kaoprof.records.file_parts import parts_of, ranges_of

SEPARATORS = st.sampled_from([b"\n", b"\n},\n{"])


@given(
    data=st.lists(st.sampled_from([b"\n", b"}", b",", b"{", b"row", b"\n},\n{"]), max_size=40).map(b"".join),
    begin=st.integers(0, 5), number=st.integers(1, 5), separator=SEPARATORS, chunk=st.integers(1, 9),
)  # fmt: skip
def test_ranges_of_a_file_hold_the_parts_of_the_whole(data, begin, number, separator, chunk):
    begin = min(begin, len(data))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_parts, "CHUNK_BYTES", chunk)
        file, span = io.BytesIO(data), (begin, len(data))
        ranges = ranges_of(file, span, separator, number)
        parts = [part for each in ranges for part in parts_of(file, each, separator) if part[0] < each[1]]
    assert len(ranges) <= number
    assert (ranges[0][0], ranges[-1][1]) == span
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    whole, place = [], begin
    for part in data[begin:].split(separator):
        whole.append((place, part))
        place += len(part) + len(separator)
    assert parts == [part for part in whole if part[0] < len(data)]

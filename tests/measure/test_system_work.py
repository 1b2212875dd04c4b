"""The operating system's work, against memory that is touched for the first time."""

import mmap

import pytest

from kaoprof.measure.system_work import Usage, system_work, usage

PAGES = 4096


def test_memory_that_is_touched_for_the_first_time_is_a_page_fault_a_page():
    new = mmap.mmap(-1, PAGES * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    found = []
    for _ in range(2):
        before = usage()
        for page in range(PAGES):
            new[page * mmap.PAGESIZE] = 1
        found.append(system_work(before, usage(), calls=1)["page_faults"])
    first, again = found
    assert first >= PAGES / 512  # huge pages are as large as 512 others
    assert again < first / 4


def test_it_is_shared_out_over_the_calls():
    before, after = Usage(100, 1.0, 5.0), Usage(500, 2.0, 8.0)
    assert system_work(before, after, calls=4) == {"page_faults": 100.0, "system_share": 0.25}


@pytest.mark.parametrize(("before", "after"), [(None, None), (None, Usage(0, 0, 0))])
def test_where_nobody_tells_there_is_nothing(before, after):
    assert system_work(before, after, calls=1) == {}


def test_a_block_too_short_for_the_clock_has_no_share():
    same = Usage(7, 1.0, 1.0)
    assert system_work(same, same, calls=3) == {"page_faults": 0.0, "system_share": 0.0}

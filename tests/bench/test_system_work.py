"""The operating system's work, against memory that is touched for the first time."""

import mmap

import torch

from kaoprof.bench import system_work
from kaoprof.bench.meters import CpuMeters
from kaoprof.bench.system_work import NOTHING, Usage, usage

PAGES = 4096
HUGE = 512  # pages that one huge page holds


def test_memory_that_is_touched_for_the_first_time_is_a_page_fault_a_page():
    new = mmap.mmap(-1, PAGES * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    first, again = (faults_of(lambda: touch(new)) for _ in range(2))
    assert first >= PAGES / HUGE
    assert again < first / 4


def touch(memory):
    for page in range(PAGES):
        memory[page * mmap.PAGESIZE] = 1


def faults_of(step):
    before = usage()
    step()
    return NOTHING.and_between(before, usage()).page_faults


def test_it_is_added_up_and_shared_out_over_the_calls():
    spent = Usage(1, 0.5, 0.5).and_between(Usage(100, 1.0, 5.0), Usage(499, 1.5, 7.5))
    assert spent == Usage(400, 1.0, 3.0)
    assert spent.of_one(4) == {"page_faults": 100.0, "system_share": 0.25}


def test_where_nobody_tells_there_is_nothing(monkeypatch):
    monkeypatch.setattr(system_work, "resource", None)
    assert usage() == NOTHING
    assert NOTHING.of_one(1) == {}


def test_a_block_too_short_for_the_clock_has_no_share():
    assert NOTHING.of_one(3) == {"page_faults": 0.0, "system_share": 0.0}


def test_meters_see_the_calls_that_are_timed_and_no_others():
    def flush():
        touch(mmap.mmap(-1, PAGES * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    meters, one = CpuMeters(flush), torch.ones(1)
    meters.seconds(one.neg, calls=3, warm_calls=1)
    assert meters.system_work(3)["page_faults"] < PAGES / HUGE / 2
    meters.flush = None
    meters.seconds(flush, calls=2, warm_calls=0)
    assert meters.system_work(2)["page_faults"] >= PAGES / HUGE

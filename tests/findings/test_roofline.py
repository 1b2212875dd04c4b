"""Floors and bounds, on a device whose ceilings are round figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from samples import row

from kaoprof.findings.roofline import bandwidth, demand_of, floor_of, work_of
from kaoprof.records.measured import Ceilings, Copy, Latency, Traffic

KIB, MIB = 2**10, 2**20
COPIES = (
    Copy(moved_bytes=256 * KIB, seconds=256 * KIB / 50e9),  # mostly a launch
    Copy(moved_bytes=4 * MIB, seconds=4 * MIB / 200e9),  # in a cache
    Copy(moved_bytes=256 * MIB, seconds=256 * MIB / 20e9),  # in main memory
)
CEILINGS = Ceilings(created="now", copies=COPIES, products={"fp32": 100e9}, launch_s=1e-6)


def test_a_working_set_that_fits_a_cache_has_the_caches_bandwidth():
    assert bandwidth(COPIES, 5 * MIB) == pytest.approx(200e9)
    assert bandwidth(COPIES, 256 * MIB) == pytest.approx(20e9)
    assert bandwidth(COPIES, 2**40) == pytest.approx(20e9)


def test_a_small_working_set_is_not_charged_with_the_launch_of_a_small_copy():
    assert bandwidth(COPIES, 300 * KIB) == bandwidth(COPIES, 1) == pytest.approx(200e9)


def test_main_memorys_bandwidth_is_that_of_the_largest_copy():
    assert CEILINGS.bytes_per_s == pytest.approx(20e9)


@given(small=st.integers(1, 2**34), more=st.integers(0, 2**34))
def test_more_bytes_never_move_at_a_higher_rate(small, more):
    assert bandwidth(COPIES, small) >= bandwidth(COPIES, small + more)


def test_the_floor_is_the_largest_of_launch_copy_and_products():
    kao, fused = row("kao_qkv:matmul"), row("nonlocal:sdpa")
    moved = (2 * 8 * 8 * 56 * 56 + 8 * 8) * 4
    floor = floor_of(work_of(kao), CEILINGS, cold=False)
    assert floor.launch_s == 1e-6
    assert floor.memory_s == pytest.approx(moved / 200e9)
    assert floor.compute_s == pytest.approx(2 * 207_872 * 8 / 100e9)
    assert (floor.seconds, floor.limit) == (floor.compute_s, "compute")
    assert floor_of(work_of(fused), CEILINGS, cold=False).seconds == pytest.approx(2 * 157_552_640 * 8 / 100e9)


def test_cold_caches_have_their_own_copies():
    cold = replace(CEILINGS, cold_copies=(Copy(moved_bytes=4 * MIB, seconds=4 * MIB / 10e9),))
    assert floor_of(work_of(row("kao_qkv:matmul")), CEILINGS, cold=True) is None
    warm_s, cold_s = (floor_of(work_of(row("kao_qkv:matmul")), cold, cold=which).memory_s for which in (False, True))
    assert cold_s == pytest.approx(20 * warm_s)


def test_a_dtype_whose_products_were_not_timed_has_no_floor():
    one = row("kao_qkv:matmul")
    assert floor_of(work_of(replace(one, case=replace(one.case, dtype="bf16"))), CEILINGS, cold=False) is None


def test_a_replayed_graph_owes_no_launch():
    one = row("kao_qkv:matmul")
    graph = replace(one, case=replace(one.case, implementation="matmul+graph"))
    assert floor_of(work_of(graph), CEILINGS, cold=False).launch_s == 0.0


def test_what_is_moved_again_is_what_makes_a_row_memory_bound():
    explicit = replace(row("nonlocal:matmul"), traffic=Traffic(operations=5, moved_bytes=4 * 314_703_872 + 1_605_888))
    demand = demand_of(work_of(explicit), CEILINGS, cold=False)
    assert demand.limit == "memory"
    assert demand.memory_s == pytest.approx(1_605_888 / 200e9 + 4 * 314_703_872 / 20e9)
    assert demand.launch_s == pytest.approx(5e-6)


def test_many_launches_make_a_small_row_launch_bound():
    small = row("kao_qkv:matmul")
    small = replace(small, traffic=Traffic(operations=60, moved_bytes=small.analytic.compulsory_bytes))
    assert demand_of(work_of(small), CEILINGS, cold=False).limit == "launch"


def test_what_the_smallest_input_takes_is_launching_too():
    small = replace(row("kao_qkv:matmul"), traffic=Traffic(operations=11, moved_bytes=3_300_000, launch_s=45e-6))
    demand = demand_of(work_of(small), CEILINGS, cold=False)
    assert (demand.limit, demand.launch_s) == ("launch", 45e-6)


def test_what_was_not_traced_has_a_floor_and_no_bound():
    compiled = replace(row("kao_qkv:matmul"), traffic=None)
    assert floor_of(work_of(compiled), CEILINGS, cold=False) is not None
    assert demand_of(work_of(compiled), CEILINGS, cold=False) is None


@given(operations=st.integers(1, 1000), moved=st.integers(1, 2**40))
def test_no_demand_is_below_the_floor(operations, moved):
    one = replace(row("kao_kv:matmul"), traffic=Traffic(operations=operations, moved_bytes=moved))
    floor, demand = floor_of(work_of(one), CEILINGS, cold=False), demand_of(work_of(one), CEILINGS, cold=False)
    assert demand.launch_s >= floor.launch_s
    assert demand.memory_s >= floor.memory_s
    assert demand.compute_s >= floor.compute_s


def test_a_launch_that_took_longer_than_the_whole_call_was_noise():
    whole = timed_row(samples_s=(3e-3, 2e-3, 9e-3), launch_s=2.5e-3)
    assert demand_of(work_of(whole), CEILINGS, cold=False).launch_s == 5 * CEILINGS.launch_s  # of its operations alone
    whole = timed_row(samples_s=(3e-3, 2e-3, 9e-3), launch_s=1.5e-3)
    assert demand_of(work_of(whole), CEILINGS, cold=False).launch_s == 1.5e-3


def timed_row(*, samples_s, launch_s):
    traffic = Traffic(operations=5, moved_bytes=1000, launch_s=launch_s)
    return replace(
        row("kao_qkv:matmul"), latency=Latency(rounds=(0, 1, 2), samples_s=samples_s, calls=1), traffic=traffic
    )

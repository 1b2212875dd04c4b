"""The largest size that fits, and the next one that does not; checked against the plain meaning of both."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from representatives import mostly_slow

from kaoprof.catalog import group
from kaoprof.dims import MODES, AttentionOptions
from kaoprof.errors import UsageError
from kaoprof.fitting.exact import LARGEST_SIZE, Budget, Setting, fit, needed_bytes
from kaoprof.fitting.search import largest_within
from kaoprof.records.aspect import parse_aspect

MIB = 2**20


@given(st.integers(0, 5000), st.integers(1, 4000), st.integers(1, 9))
def test_the_search_finds_what_counting_up_finds(amount, most, period):
    expected = max((size for size in range(1, most + 1) if size * size + 3 <= amount), default=0)
    found = largest_within(lambda size: size * size + 3 <= amount, least=1, most=most, period=period)
    assert found == expected


@given(st.integers(1, 5000), st.integers(1, 8), st.integers(1, 40), st.integers(8, 4000))
def test_sizes_that_other_kernels_serve_hide_no_answer(amount, divisor, dearer, bound):
    """Cheap where the number can be divided, up to a bound: as fused attention on a GPU."""

    def fits(size):
        return size * (1 if size % divisor == 0 and size <= bound else dearer) <= amount

    expected = max((size for size in range(1, 5001) if fits(size)), default=0)
    assert largest_within(fits, least=1, most=5000, period=math.lcm(divisor, 8)) == expected


def test_a_single_size_that_fits_is_found_above_some_that_do_not():
    assert largest_within(lambda size: size in {64, 3, 71}, least=1, most=10**6, period=8) == 71
    assert largest_within(lambda _: False, least=3, most=10**6, period=8) == 0


@pytest.mark.parametrize(("dtype", "heads"), [("fp32", 1), pytest.param("fp16", 4, marks=pytest.mark.slow)])
def test_channels_that_another_kernel_serves_fit_although_one_channel_does_not(dtype, heads):
    """On a GPU fp32 of 1 channel writes all coefficients out, of 8 it does not: sdp_utils.cpp."""
    setting = Setting(sizes={"h": 512}, dtype=dtype, device="cuda", options=AttentionOptions(heads=heads))
    budget = Budget(kind="memory", amount=8 * 2**30)
    answer = fit("nonlocal", "sdpa", "c", budget, setting)
    need = needed_bytes("nonlocal", "c", setting.with_implementation("sdpa"))
    served = {"fp32": 4, "fp16": 8}[dtype] * heads  # channels by which a head can be divided: 16 bytes
    assert need(answer.largest) <= budget.amount < need(answer.largest + served)
    assert answer.largest % served == 0
    assert "another kernel serves it" in answer.detail
    if dtype == "fp32":
        assert need(1) > budget.amount


def test_a_backend_that_serves_some_sizes_alone_is_no_error():
    setting = Setting(sizes={"h": 16}, dtype="fp32", device="cuda", sdpa="efficient")
    answer = fit("nonlocal", "sdpa", "c", Budget(kind="memory", amount=2 * MIB), setting)
    assert answer.largest % 4 == 0
    assert "cannot serve" in answer.detail


def test_the_width_follows_the_height():
    setting = Setting(sizes={"c": 8}, aspect=parse_aspect("16:9", where="aspect"))
    assert setting.dims("h", 2160).spatial == (2160, 3840)
    answer = fit("kao_qkv", None, "h", Budget(kind="macs", amount=8 * 2 * 6000**2 + 64 * 6000), setting)
    assert answer.largest == 2160  # (2160 + 3840)^2
    assert replace(setting, sizes={"c": 8, "w": 5}).dims("h", 9).spatial == (9, 5)


def test_macs_by_the_papers_formula():
    answer = fit("kao_qkv", None, "h", Budget(kind="macs", amount=207_872), Setting(sizes={"c": 8}))
    assert (answer.largest, answer.needed) == (56, 207_872)  # arXiv:2007.08442: 0.21m at 56 x 56 x 8
    assert answer.next_needed == 2 * 114**2 * 8 + 114 * 64  # S = 57 + 57


AXES = {"h": {"c": 16}, "b": {"c": 16, "h": 12}, "c": {"h": 9, "w": 8}}  # solved for, while these stay


@pytest.mark.parametrize(
    ("operator", "axis", "mode"),
    mostly_slow(list(itertools.product((*group("paper"), "spatial_reduction"), AXES, MODES))),
)
def test_the_answer_fits_and_the_next_does_not(operator, axis, mode):
    setting = Setting(sizes=AXES[axis], options=AttentionOptions(heads=2), mode=mode)
    answer = fit(operator, None, axis, Budget(kind="memory", amount=8 * MIB), setting)
    need = needed_bytes(operator, axis, setting)
    assert answer.next_size - answer.largest == (2 if axis == "c" else 1)  # two heads divide the channels
    assert need(answer.largest) == answer.needed <= 8 * MIB < answer.next_needed == need(answer.next_size)


def test_nothing_fits_into_nothing():
    answer = fit("nonlocal", None, "h", Budget(kind="memory", amount=1), Setting(sizes={"c": 8}))
    assert (answer.largest, answer.needed, answer.next_size) == (None, None, 1)


def test_a_budget_without_end_ends_at_the_largest_size():
    answer = fit("kao_qkv", None, "b", Budget(kind="macs", amount=10**40), Setting(sizes={"c": 8, "h": 4}))
    assert (answer.largest, answer.next_size) == (LARGEST_SIZE, None)


def test_what_no_number_of_bytes_describes_does_not_fit():
    answer = fit("nonlocal", None, "h", Budget(kind="memory", amount=2**70), Setting(sizes={"c": 8}))
    assert answer.next_needed is None


@pytest.mark.parametrize(("axis", "sizes"), [("x", {"c": 8}), ("h", {}), ("t", {"c": 8}), ("n", {"c": 8, "h": 3})])
def test_axes_that_make_no_input_are_refused(axis, sizes):
    with pytest.raises(UsageError):
        fit("nonlocal", None, axis, Budget(kind="macs", amount=1000), Setting(sizes=sizes))


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(UsageError, match="more than zero"):
        Budget(kind="memory", amount=0)


def test_weights_that_no_machine_holds_are_predicted():
    channels = 2**20
    need = needed_bytes("nonlocal", "c", Setting(sizes={"h": 2}))
    assert need(channels) > 4 * channels**2  # the transformation of the values alone: 4 TiB

"""The largest size that fits, and the next one that does not; checked against the plain meaning of both."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from representatives import mostly_slow

from kaoprof.catalog import group
from kaoprof.dims import MODES, AttentionOptions
from kaoprof.errors import KaoprofError, UsageError
from kaoprof.fitting.exact import LARGEST_SIZE, Budget, Setting, fit, largest_within, needed_bytes

MIB = 2**20


@given(st.integers(0, 5000), st.integers(1, 4000))
def test_the_search_finds_what_counting_up_finds(amount, most):
    expected = max((size for size in range(1, most + 1) if size * size + 3 <= amount), default=0)
    assert largest_within(lambda size: size * size + 3, amount, most) == expected


def test_a_need_that_falls_is_noticed():
    with pytest.raises(KaoprofError, match="does not grow steadily"):
        largest_within(lambda size: {7: 4}.get(size, size), 4, 100)  # 5 does not fit, but 7 does


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

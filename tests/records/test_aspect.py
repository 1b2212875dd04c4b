"""How a width follows a height."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaoprof.errors import UsageError
from kaoprof.records.aspect import parse_aspect, told_aspect


@pytest.mark.parametrize(
    ("text", "height", "width"),
    [
        ("16:9", 2160, 3840),
        ("16:9", 9, 16),
        ("16:9", 1, 2),  # 1.78
        ("1.78h", 100, 178),
        ("1.5h", 3, 5),  # 4.5: upwards from a half
        ("h", 7, 7),
        ("9:16", 1, 1),  # 0.56
        ("1:100", 3, 1),  # never nothing
        ("2.39:1", 858, 2051),
    ],
)
def test_the_width_is_the_nearest_whole_number(text, height, width):
    assert parse_aspect(text, where="aspect").width(height) == width


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_heights_whose_width_is_a_multiple_are_those_of_the_step(wide, high, multiple):
    aspect = parse_aspect(f"{wide}:{high}", where="aspect")
    step = aspect.step(multiple)
    heights = [height for height in range(1, 3 * step + 1) if height * wide % (high * multiple) == 0]
    assert heights == [step, 2 * step, 3 * step]


@pytest.mark.parametrize("text", ["", "16", "16/9", "wide", "0:9", "16:0", "-1:2", "1e9:1", "16:9:4", "h2", "1.h8"])
def test_what_is_no_aspect_is_refused(text):
    with pytest.raises(UsageError, match=r"aspect: .*write for example 16:9"):
        parse_aspect(text, where="aspect")


def test_one_of_both_ties_the_width():
    assert str(told_aspect("16:9", None)) == "w = 16/9 h, rounded"
    assert str(told_aspect(None, "1.78h")) == "w = 1.78 h, rounded"
    assert told_aspect(None, "3840") is told_aspect(None, None) is None
    with pytest.raises(UsageError, match="excludes w"):
        told_aspect("16:9", "3840")

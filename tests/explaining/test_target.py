"""Named sizes: patterns, size arithmetic, and the workload at given sizes."""

import pytest

from kaoprof.dims import AttentionOptions
from kaoprof.errors import UsageError
from kaoprof.explaining.size_arithmetic import (
    evaluate,
    is_size,
    parse_argument,
    parse_pattern,
    parse_sizes,
    with_sizes,
)
from kaoprof.explaining.target import Target, operator_target


def test_a_pattern_names_axes_and_keeps_numbers():
    assert parse_pattern("b, c,14,2*w") == ("b", "c", "14", "2*w")


@pytest.mark.parametrize("pattern", ["", "b,,h", "b,c,h w", "b,__import__('os')", "b,c[0]", "b,1.5", "b,h**w"])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(UsageError, match="is not a size"):
        parse_pattern(pattern)


def test_sizes_are_read_from_text():
    assert parse_sizes("b=2, c=8,h=14") == {"b": 2, "c": 8, "h": 14}


@pytest.mark.parametrize("text", ["b", "b=", "b=x", "2=b", "b=-1"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="is not a named size"):
        parse_sizes(text)


def test_arithmetic_of_sizes():
    assert evaluate("4*c + h//2 - 1", {"c": 8, "h": 15}) == 38  # 32 + 7 - 1


def test_words_are_arguments_and_names_are_sizes():
    names = {"c": 8}
    assert is_size("4*c", names)
    assert not any(is_size(word, names) for word in ("relu", "value", "8", "c.d", ""))


def test_a_target_becomes_a_workload():
    target = Target(
        factory="torch.nn:Conv2d",
        args=("c", "2*c", 3),
        kwargs={"padding_mode": "zeros"},
        inputs=(("b", "c", "h", "15"),),
        sizes={"b": 2, "c": 8, "h": 14},
    )
    workload = target.at({"b": 3, "c": 5, "h": 7})
    assert workload.args == (5, 10, 3)
    assert workload.kwargs == {"padding_mode": "zeros"}
    assert workload.inputs[0].shape == (3, 5, 7, 15)


def test_a_name_without_a_size_is_refused():
    with pytest.raises(UsageError, match="no size is given for c, h"):
        Target(factory="torch.nn:Conv2d", inputs=(("b", "c", "h"),), sizes={"b": 2})


def test_a_size_below_one_is_refused():
    with pytest.raises(UsageError, match="at least 1"):
        Target(factory="torch.nn:Conv2d", inputs=(("b",),), sizes={"b": 0})


@pytest.mark.parametrize("heads", [1, 3, 16])
def test_an_operators_channels_are_a_multiple_of_its_heads(heads):
    target = operator_target("kao_qkv", AttentionOptions(heads=heads), ndim=3)
    assert target.inputs == (("b", "c", "t", "h", "w"),)
    assert target.sizes["c"] % heads == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[7, 7]", [7, 7]),
        ("(7, 7)", (7, 7)),
        ("[]", []),
        ("[c, 4*c, 'gelu']", [8, 32, "gelu"]),
        ("[[c], (1, none)]", [[8], (1, None)]),
        ("{'depth': 2}", {"depth": 2}),
        ("relu", "relu"),
    ],
)
def test_arguments_arrive_as_they_are_written_lists_as_lists_of_their_own(text, value):
    written = parse_argument(text)
    made = with_sizes(written, {"c": 8})
    assert (made, type(made)) == (value, type(value))
    assert not isinstance(made, list | dict) or made is not with_sizes(written, {"c": 8})

import pytest
import sympy

from kaoprof.dims import AttentionOptions, Dims, ceil_div, head_size
from kaoprof.errors import KaoprofError, UsageError


def test_positions_multiply_and_averages_add_the_spatial_sizes():
    dims = Dims(b=2, c=7, spatial=(3, 4, 5))
    assert (dims.positions, dims.averages, dims.shape) == (60, 12, (2, 7, 3, 4, 5))
    assert dims.axes == ("t", "h", "w")


def test_dims_hold_symbols_as_well_as_numbers():
    h, w = sympy.symbols("h w", positive=True, integer=True)
    assert Dims(b=1, c=1, spatial=(h, w)).positions == h * w


@pytest.mark.parametrize(("size", "expected"), [(1, 1), (6, 3), (7, 4)])
def test_ceil_div_rounds_up(size, expected):
    assert ceil_div(size, 2) == expected
    symbol = sympy.Symbol("s", positive=True, integer=True)
    assert ceil_div(symbol, 2).subs(symbol, size) == expected


def test_heads_that_do_not_divide_the_channels_are_refused():
    assert head_size(12, 3) == 4
    with pytest.raises(UsageError, match="9 channels cannot be split into 2 heads"):
        head_size(9, 2)


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"projection": "qvk"}, "did you mean 'qkv'"),
        ({"scale": "sqr"}, "did you mean 'sqrt'"),
        ({"implementation": "flash"}, "one of: matmul, sdpa"),
        ({"heads": 0}, "at least 1"),
    ],
)
def test_a_misspelt_option_is_refused_with_a_hint(keywords, text):
    with pytest.raises(UsageError, match=text):
        AttentionOptions(**keywords)


def test_an_error_says_where_and_what_next_in_one_line():
    error = KaoprofError("is wrong", where="here", hint="do that")
    assert str(error) == "here: is wrong (do that)"

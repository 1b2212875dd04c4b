"""Orders and degrees of expressions, read as papers write them."""

import pytest
import sympy

from kaoprof.explaining.expressions import size_symbol
from kaoprof.explaining.growth import degrees, growing_sizes, order

B, C, D, H, N, W = (size_symbol(name) for name in ("b", "c", "d", "h", "n", "w"))
IMAGE = ("b", "c", "h", "w")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (2 * B * C * H**2 * W**2 + B * C**2 * H * W, "O(h^4 c)"),  # the map outgrows the transformation
        (2 * B * C * (H + W) ** 2 + B * C * H * W, "O(h^2 c)"),
        (B * C * sympy.ceiling(H / 2) * sympy.ceiling(W / 2), "O(h^2 c)"),  # rounding changes no order
        (sympy.Max(B * C * H * W, B * H**2 * W**2), "O(h^4)"),
        (4 * C**2, "O(c^2)"),
        (sympy.Integer(7), "O(1)"),
    ],
)
def test_orders_of_images(expression, expected):
    assert order(expression, IMAGE) == expected


def test_other_sizes_stand_beside_like_channels():
    assert order(B * H * W * (C + D) + C * H, ("b", "c", "d", "h", "w")) == "O(h^2 c + h^2 d)"


def test_without_a_spatial_name_all_but_batch_and_channels_grow():
    assert order(B * size_symbol("l") ** 2 * C, ("b", "l", "c")) == "O(l^2 c)"


def test_small_and_capital_names_mean_the_same_and_the_batch_is_left_out():
    b, c, h, w = (size_symbol(name) for name in "BCHW")
    assert order(2 * b * c * h**2 * w**2 + b * c**2 * h * w, ("B", "C", "H", "W")) == "O(H^4 C)"
    assert order(b * c**2, ("B", "C")) == "O(C^2)"
    assert growing_sizes(("B", "C", "T", "S")) == ("T",)
    assert growing_sizes(("B", "C", "S", "D")) == ("S", "D")


def test_degrees_are_of_one_size_while_the_others_stay():
    assert degrees(2 * B * C * H**2 * W**2 + B * C**2 * H, IMAGE) == {"b": 1, "c": 2, "h": 2, "w": 2}


def test_nothing_does_not_grow():
    assert degrees(sympy.Integer(0), ("b", "c")) == {"b": 0, "c": 0}

"""Statements about expressions at all sizes: proven where they are certain, never where they are wrong."""

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from kaoprof.explaining.expressions import greatest, on_multiples, plain, size_symbol, value_at, with_ceilings
from kaoprof.explaining.polynomial_proofs import at_least, differ, equal

H, W = size_symbol("h"), size_symbol("w")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (sympy.floor((H - 1) / 2) + 1, sympy.ceiling(H / 2)),
        (-(-H // 2), sympy.ceiling(H / 2)),
        (sympy.floor(H / 2) + sympy.ceiling(H / 2), H),
        (H - 3 * sympy.floor(H / 3), sympy.Mod(H, 3)),
        ((H + W) ** 2, H**2 + 2 * H * W + W**2),
    ],
)
def test_two_ways_to_write_the_same_are_equal(left, right):
    assert equal(left, right)


@pytest.mark.parametrize(
    ("left", "right"), [(sympy.floor(H / 2), H / 2), (sympy.ceiling(H / 4), sympy.ceiling(H / 2)), (H * W, H + W)]
)
def test_what_differs_at_some_size_is_not_equal(left, right):
    assert not equal(left, right)


def test_a_product_reaches_a_sum_from_two_on_but_not_from_one_on():
    assert at_least(H * W, H + W, least=2)  # 2 x 2 = 2 + 2
    assert not at_least(H * W, H + W, least=1)  # 1 x 1 < 1 + 1


def test_half_of_a_size_never_exceeds_it():
    assert at_least(H, sympy.ceiling(H / 2))
    assert not at_least(sympy.ceiling(H / 2), H)


def test_a_remainder_of_what_is_smaller_is_that_itself():
    rows, columns = sympy.ceiling(H / 2), sympy.ceiling(W / 2)
    area = sympy.expand(rows * columns)
    smaller = sympy.Mod(rows * columns / area, 3 * rows * columns / area, evaluate=False)  # 1 mod 3, not simplified
    assert equal(smaller, sympy.Integer(1))
    assert differ(area * smaller, sympy.Integer(0))
    assert not equal(sympy.Mod(2, rows, evaluate=False), sympy.Integer(2))  # rows may be 1 or 2
    assert equal(sympy.Mod(2, rows, evaluate=False), sympy.Integer(2), least=5)  # from h = 5 on it is 3 or more


def test_sizes_that_meet_somewhere_do_not_differ():
    assert differ(sympy.floor(H / 2), H)
    assert not differ(sympy.floor(H / 2), H - 1)  # both are 1 at h = 2


def test_the_greatest_keeps_only_candidates_that_can_win():
    assert greatest([H * W, 2 * H * W, H + W], least=2) == 2 * H * W
    assert set(greatest([H**2, 5 * H], least=1).args) == {H**2, 5 * H}


def test_rounding_is_written_with_ceilings():
    assert with_ceilings(sympy.floor((H - 1) / 2) + 1) == sympy.ceiling(H / 2)


def test_on_multiples_nothing_rounds():
    assert on_multiples(sympy.ceiling(H / 4) * sympy.ceiling(W / 2)) == (H * W / 8, {"h": 4, "w": 2})


@given(st.integers(1, 200), st.integers(1, 200))
def test_the_quick_value_is_the_value_of_sympy(h, w):
    expression = sympy.Max(sympy.floor(H / 3) * W - 7, sympy.Min(H, 5) + sympy.Mod(W, 4) ** 2) / 2
    assert value_at(expression, {"h": h, "w": w}) == expression.subs({H: h, W: w})


def test_nested_rounding_becomes_one():
    functions = pytest.importorskip("torch.utils._sympy.functions")
    inner = functions.FloorDiv(H + 1, 2)
    assert plain(functions.FloorDiv(inner + 1, 2), {}) == sympy.floor((H + 3) / 4)

"""Exact polynomials through concrete counts, and a refusal where there is none."""

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from kaoprof.explaining.expressions import size_symbol, value_at
from kaoprof.explaining.interpolation import NotPolynomialCountError, interpolate

C, H = size_symbol("c"), size_symbol("h")


@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=4, max_size=4))
def test_any_polynomial_is_found_again(coefficients):
    expression = sum(
        factor * H**power * C**other for power, row in enumerate(coefficients) for other, factor in enumerate(row)
    )
    found = interpolate(lambda sizes: {"macs": int(value_at(sympy.sympify(expression), sizes))}, {"h": 5, "c": 3})
    assert sympy.expand(found.formulas["macs"] - expression) == 0


def test_rounding_is_a_polynomial_on_every_other_size():
    found = interpolate(lambda sizes: {"macs": 9 * -(-sizes["h"] // 2)}, {"h": 7})
    assert found.formulas["macs"] == sympy.Rational(9, 2) * (H + 1).expand()  # ceiling(h / 2) of odd h
    assert {"h": 9} in found.domain
    assert {"h": 8} not in found.domain


def test_sizes_at_which_the_module_fails_are_stepped_over():
    def count(sizes):
        if sizes["c"] % 4:
            raise ValueError("4 heads")
        return {"macs": sizes["c"] ** 2}

    found = interpolate(count, {"c": 8})
    assert found.formulas["macs"] == C**2
    assert found.domain.units == {"c": 4}


@pytest.mark.parametrize("count", [lambda h: 2**h, lambda h: int(1000 * h**0.5), lambda h: (h * h * 7919) % 101])
def test_what_is_no_polynomial_is_refused(count):
    with pytest.raises(NotPolynomialCountError, match="follow no polynomial in h"):
        interpolate(lambda sizes: {"macs": count(sizes["h"])}, {"h": 5})

"""Grid attention against loops; both are in `test_window`, which it shares its code with."""

from rivals import assert_as_in_loops, assert_gradients
from test_window import in_loops


def test_it_is_what_loops_compute():
    assert_as_in_loops(in_loops((3, 3), (0, 0), strided=True), "grid(window=3)", (5, 6), projection="published")


def test_its_gradients_are_right():
    assert_gradients("grid(window=3)", (5, 6), projection="value")

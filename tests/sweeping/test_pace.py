import pytest

from kaoprof.sweeping.pace import Pace


def test_nothing_is_known_before_the_first_cell():
    assert Pace().left_s([10, 10]) is None


def test_small_cells_take_what_the_fastest_took():
    pace = Pace()
    pace.learn(10, 6.0)
    pace.learn(1000, 7.0)
    assert pace.left_s([20, 2000, 3000]) == 3 * 6.0


def test_a_slow_cell_is_the_measure_of_those_near_it():
    pace = Pace()
    pace.learn(10, 6.0)
    pace.learn(1_000_000, 60.0)
    assert pace.left_s([4_000_000]) == pytest.approx(120.0)  # 4 times the MACs, and half as many calls
    assert pace.left_s([1]) == 6.0
    assert pace.left_s([]) == 0


def test_a_cell_that_was_slower_than_a_larger_one_tells_nothing_of_still_larger_ones():
    pace = Pace()
    pace.learn(10, 30.0)  # the first use of everything
    pace.learn(1000, 6.0)
    assert pace.left_s([2000]) == 6.0

"""The few cases that stand for a grid meet all that varies in it, and no case is lost."""

import itertools

import pytest
from representatives import mostly_slow

GRID = list(itertools.product(("a", "b", "c"), (1, 2), ({"x": 1}, {"x": 2})))


@pytest.mark.parametrize(("together", "fewest"), [(1, 3), (2, 6), (3, 12)])
def test_the_few_meet_everything_and_the_rest_is_slow(together, fewest):
    cases = mostly_slow(GRID, together)
    assert [case.values for case in cases] == GRID
    few = [case.values for case in cases if not case.marks]
    assert fewest <= len(few) <= fewest + 2
    for axes in itertools.combinations(range(3), together):
        met = [[case[axis] for axis in axes] for case in few]
        assert all([case[axis] for axis in axes] in met for case in GRID)


def test_a_grid_of_one_axis_is_a_list():
    assert [(case.values, list(case.marks)) for case in mostly_slow(["only"])] == [(("only",), [])]

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import quantile_test

from kaoprof.stats.medians import estimate, interval_rank, spread

SAMPLES = st.lists(st.floats(min_value=1e-6, max_value=1e3), min_size=1, max_size=60)


@pytest.mark.parametrize(("n", "rank"), [(5, 0), (6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (100, 40)])
def test_the_ranks_are_those_of_the_tables(n, rank):
    assert interval_rank(n) == rank  # Conover, Practical Nonparametric Statistics, table A3, p = 0.5


@given(st.lists(st.floats(min_value=1e-6, max_value=1e3), min_size=6, max_size=60, unique=True))
def test_the_interval_is_scipys_or_wider_by_less_than_one_rank(samples):
    ours = estimate(samples)
    theirs = quantile_test(samples, q=0.0, p=0.5).confidence_interval(0.95)
    ordered = sorted(samples)
    assert abs(ordered.index(ours.low) - ordered.index(theirs.low)) <= 1
    assert ours.low <= theirs.low or ours.low == theirs.low or ordered.index(ours.low) - ordered.index(theirs.low) <= 1


def test_ninety_five_percent_of_the_intervals_cover_the_median():
    rng = random.Random(0)  # noqa: S311 - noise, not a secret
    covered = 0
    for _ in range(2000):
        found = estimate([rng.lognormvariate(0, 1) for _ in range(15)])  # its median is 1
        covered += found.low <= 1.0 <= found.high
    assert covered / 2000 > 0.94


@given(SAMPLES)
def test_the_median_lies_within_its_interval_and_within_the_samples(samples):
    found = estimate(samples)
    assert min(samples) <= found.value <= max(samples)
    if len(samples) >= 6:
        assert found.low <= found.value <= found.high
    else:
        assert (found.low, found.high) == (None, None)


def test_the_spread_is_the_interquartile_range_over_the_median():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    assert spread([2.0] * 7) == 0
    assert not math.isnan(spread([1.0, 1.0]))

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.stats import quantile_test

from kaoprof.records.measured import Latency
from kaoprof.stats.medians import estimate, interval_rank, latency_estimate, paired_ratio, spread

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
    assert min(samples) <= found.median <= max(samples)
    if len(samples) >= 6:
        assert found.low <= found.median <= found.high
    else:
        assert (found.low, found.high) == (None, None)


def test_ratios_are_taken_within_rounds_so_that_drift_cancels():
    drift = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    slow = Latency(rounds=(0, 1, 2, 3, 4, 5), samples_s=tuple(3 * d for d in drift), calls=1)
    fast = Latency(rounds=(5, 4, 3, 2, 1, 0), samples_s=tuple(reversed(drift)), calls=1)
    found = paired_ratio(slow, fast)
    assert (found.median, found.low, found.high) == (3.0, 3.0, 3.0)


def test_rounds_that_only_one_took_part_in_do_not_count():
    long = Latency(rounds=tuple(range(10)), samples_s=(1.0,) * 10, calls=1)
    short = Latency(rounds=(0, 1, 2), samples_s=(0.5,) * 3, calls=1)
    assert paired_ratio(long, short).samples == 3
    assert paired_ratio(long, Latency(rounds=(99,), samples_s=(1.0,), calls=1)) is None


def test_the_spread_is_the_interquartile_range_over_the_median():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    assert spread([2.0] * 7) == 0
    assert not math.isnan(spread([1.0, 1.0]))


def test_processes_that_differ_widen_the_interval_by_students_t():
    launches = (0,) * 6 + (1,) * 6 + (2,) * 6
    samples = (1.0,) * 6 + (2.0,) * 6 + (4.0,) * 6
    found = latency_estimate(Latency(rounds=tuple(range(18)), samples_s=samples, calls=1, launches=launches))
    half = 4.302653 * math.log(2) / math.sqrt(3)  # t of two degrees of freedom; logs 0, 1, 2 of log 2 deviate by log 2
    assert found.median == 2.0
    assert found.low == pytest.approx(2.0 * math.exp(-half), rel=1e-6)
    assert found.high == pytest.approx(2.0 * math.exp(half), rel=1e-6)


@pytest.mark.parametrize("launches", [(), (0,) * 18, (0,) * 9 + (1,) * 9], ids=["unknown", "one", "two"])
def test_fewer_than_three_processes_widen_nothing(launches):
    samples = tuple(1.0 + 0.01 * number for number in range(18))
    latency = Latency(rounds=tuple(range(18)), samples_s=samples, calls=1, launches=launches)
    assert latency_estimate(latency) == estimate(samples)


def test_a_ratio_is_as_sure_as_its_processes_agree():
    launches = (0,) * 6 + (1,) * 6 + (2,) * 6
    ones = Latency(rounds=tuple(range(18)), samples_s=(1.0,) * 18, calls=1, launches=launches)
    agreed = Latency(rounds=tuple(range(18)), samples_s=(3.0,) * 18, calls=1, launches=launches)
    differing = replace(agreed, samples_s=tuple(3.0 + launch for launch in launches))
    steady = paired_ratio(agreed, ones)
    assert (steady.low, steady.high) == (pytest.approx(3.0), pytest.approx(3.0))
    found = paired_ratio(differing, ones)
    assert found.median == 4.0
    assert found.low < 3.0
    assert found.high > 5.0

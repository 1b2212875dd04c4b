"""Time as overhead plus a power: the truth is found, its interval covers it as often as it says."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaoprof.stats.overhead_law import LAW_SPREAD, TRUST, Timed, overhead_law

SIZES = (8, 16, 32, 64, 128)


def measured(overhead_s, coefficient, exponent, noise=0.0, seed=0, sizes=SIZES, law_spread=0.0):
    """With a `law_spread` no law holds exactly, and the intervals of the times are off, as far as `TRUST` allows."""
    draw = random.Random(seed)  # noqa: S311
    half_width = 1.96 * noise if noise else 0.01
    spread = math.hypot(noise, law_spread) * (math.sqrt(TRUST / draw.gammavariate(TRUST / 2, 2)) if law_spread else 1)
    return {
        size: Timed(
            seconds=(overhead_s + coefficient * size**exponent) * math.exp(draw.gauss(0, spread)), half_width=half_width
        )
        for size in sizes
    }


@given(
    overhead_s=st.floats(1e-6, 1e-4), exponent=st.floats(1.0, 5.0), knee=st.floats(1.0, 20.0)
)  # the knee is the size at which half of the time is overhead
def test_without_noise_the_law_is_found_exactly(overhead_s, exponent, knee):
    law = overhead_law(measured(overhead_s, overhead_s / knee**exponent, exponent))
    assert law.exponent == pytest.approx(exponent, rel=0.01)
    assert law.seconds(64) == pytest.approx(overhead_s + overhead_s * (64 / knee) ** exponent, rel=0.01)
    assert all(size > knee * 0.99 for size in law.beyond)
    assert all(size < knee * 1.01 for size in law.dominated)


@pytest.mark.parametrize(
    ("overhead_s", "coefficient", "exponent", "noise"),
    [
        (0.0, 1e-9, 4.0, 0.05),  # no overhead at all
        (5e-5, 1e-9, 4.0, 0.05),  # overhead up to h = 15
        (5e-5, 1e-7, 2.0, 0.02),  # overhead up to h = 22
        (1e-4, 1e-8, 3.0, 0.05),  # overhead up to h = 22
    ],
)
def test_the_interval_covers_the_truth_about_as_often_as_it_says(overhead_s, coefficient, exponent, noise):
    laws = [
        overhead_law(measured(overhead_s, coefficient, exponent, noise, seed, law_spread=LAW_SPREAD))
        for seed in range(600)
    ]
    covered = sum(abs(law.exponent - exponent) <= law.margin for law in laws)
    assert 0.92 <= covered / len(laws) <= 0.98


def test_four_points_with_three_parameters_still_tell_the_exponent():
    laws = [
        overhead_law(measured(5e-5, 1e-8, 3.0, 0.02, seed, sizes=(16, 32, 48, 64), law_spread=LAW_SPREAD))
        for seed in range(600)
    ]
    covered = [abs(law.exponent - 3.0) <= law.margin for law in laws]
    margins = sorted(law.margin for law in laws)
    assert sum(covered) / len(laws) >= 0.92
    assert margins[len(margins) // 2] < 0.5  # by the one residual alone, Student's t is 12.7


def test_points_that_lie_on_no_such_law_are_not_trusted():
    bent = {
        size: Timed(seconds=1e-6 * size**2 * (3.0 if size == 32 else 1.0), half_width=0.01) for size in (16, 32, 48, 64)
    }
    assert overhead_law(bent).margin > 1


def test_a_line_through_all_points_would_miss_what_the_overhead_hides():
    timed = measured(5e-5, 1e-7, 2.0)  # at h = 8: 50 of 56 us are overhead
    ignoring = math.log(timed[128].seconds / timed[8].seconds) / math.log(128 / 8)
    assert ignoring < 1.3
    law = overhead_law(timed)
    assert law.exponent == pytest.approx(2.0)
    assert law.overhead_s == pytest.approx(5e-5)
    assert (law.dominated, law.beyond) == ((8, 16), (32, 64, 128))


def test_where_only_overhead_is_seen_every_size_but_the_last_is_dominated():
    law = overhead_law(measured(5e-5, 1e-9, 2.0, noise=0.01))
    assert len(law.beyond) < 3 or law.exponent < 0.3


def test_three_points_cannot_tell_overhead_apart():
    law = overhead_law(measured(5e-5, 1e-7, 2.0, sizes=(8, 16, 32)))
    assert law.overhead_s == 0
    assert law.margin > 1  # but they show that a power law does not fit


def test_two_points_have_no_law():
    assert overhead_law(measured(0.0, 1e-7, 2.0, sizes=(8, 16))) is None


def test_a_median_that_is_less_sure_counts_less():
    sure = measured(0.0, 1e-7, 2.0)
    doubled = Timed(seconds=2 * sure[128].seconds, half_width=0.5)
    trusted = Timed(seconds=2 * sure[128].seconds, half_width=0.01)
    assert overhead_law(sure | {128: doubled}).exponent == pytest.approx(2.0, abs=0.02)
    assert overhead_law(sure | {128: trusted}).exponent > 2.2

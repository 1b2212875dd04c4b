"""Which size takes how long, from measured points: exact where they follow a law, refused where they do not say."""

import math
import random

import pytest

from kaoprof.stats.power_law import REACH, fitted, objection


def cubic(sizes, noise=0.0, seed=0):
    draw = random.Random(seed)  # noqa: S311
    return {size: 1e-6 * size**3 * math.exp(draw.gauss(0, noise)) for size in sizes}


def test_points_on_a_law_give_its_size_and_no_doubt():
    law = fitted(cubic([10, 14, 20]), 1e-6 * 17**3)
    assert law.exponent == pytest.approx(3)
    assert law.size(1e-6 * 17**3) == pytest.approx(17)
    assert law.interval(1e-6 * 17**3) == pytest.approx((17, 17))
    assert law.seconds(17) == pytest.approx(1e-6 * 17**3)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(400):
        law = fitted(cubic([10, 13, 16, 20, 25], noise=0.1, seed=seed), 1e-6 * 18**3)
        low, high = law.interval(1e-6 * 18**3)
        covered += low <= 18 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_only_points_near_the_limit_count():
    seconds = cubic([10, 14, 20]) | {1: 1e-4, 2: 1e-4, 1000: 9.0}  # a call's overhead, and another memory level
    law = fitted(seconds, 1e-6 * 17**3)
    assert (law.smallest, law.largest, law.points) == (10, 20, 3)


@pytest.mark.parametrize(
    ("seconds", "limit_s", "message"),
    [
        ({10: 1e-3, 20: 8e-3}, 4e-3, "fewer than 3 sizes"),
        ({10: 1e-3, 20: 1.01e-3, 40: 1.02e-3}, 1.01e-3, "time hardly depends on h"),
        (cubic([10, 12, 14]), 1e-6 * (14 * 2.1) ** 3, "2.1x beyond the largest measured size, h=14"),
        (cubic([10, 12, 14]), 1e-6 * (10 / 2.2) ** 3, "2.2x below the smallest measured size, h=10"),
    ],
)
def test_what_the_points_do_not_support_is_refused(seconds, limit_s, message):
    assert message in objection(fitted(seconds, limit_s), limit_s, "h")


def test_a_little_extrapolation_is_allowed():
    limit_s = 1e-6 * (14 * 0.98 * REACH) ** 3
    assert objection(fitted(cubic([10, 12, 14]), limit_s), limit_s, "h") is None

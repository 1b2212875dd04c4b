"""Quiet and typical times, by hand, and whether their intervals hold from run to run under noise of every shape."""

import math

import pytest
from msgspec.structs import replace

from kaoprof.records.measured import Latency
from kaoprof.stats.medians import estimate
from kaoprof.stats.timings import noise_gap, quiet_ratio, quiet_time, typical_ratio, typical_time

T_OF_FOUR = 2.776445  # Student's t of four degrees of freedom, 95 %: of three processes, and two that are expected
NORMAL = 1.959964
TURNS = tuple(number % 3 for number in range(18))


def latency(samples, launches=(), **beside):
    return Latency(rounds=tuple(range(len(samples))), samples_s=tuple(samples), calls=1, launches=launches, **beside)


def test_the_quiet_time_is_the_mean_of_each_processes_fastest_on_logarithms():
    found = quiet_time(latency([{0: 1.0, 1: 2.0, 2: 4.0}[turn] for turn in TURNS], TURNS))
    variance = (2 * math.log(2) ** 2 + 2 * 0.02**2) / 4  # logarithms 0, 1, 2 of log 2; and what is expected at least
    within = T_OF_FOUR * math.sqrt(variance / 3)
    half = math.hypot(within, NORMAL * 0.015)  # at least so much runs differ; typical and quiet time are the same here
    assert (found.value, found.processes, found.samples) == (pytest.approx(2.0), 3, 18)
    assert found.interval == (pytest.approx(2 * math.exp(-half)), pytest.approx(2 * math.exp(half)))


def test_what_only_slows_moves_the_typical_time_and_hardly_the_quiet_one():
    quiet = latency([1.0 + 0.001 * number for number in range(18)], TURNS)
    disturbed = replace(quiet, samples_s=(*quiet.samples_s[:6], *(1.6 * sample for sample in quiet.samples_s[6:])))
    assert quiet_time(disturbed).value == quiet_time(quiet).value
    assert typical_time(disturbed).value > 1.5 * typical_time(quiet).value
    assert quiet_time(disturbed).half_width > 3 * quiet_time(quiet).half_width  # as other runs differ more, too


def test_of_many_samples_a_few_may_be_faster_than_the_quiet_time():
    assert quiet_time(latency([0.5, *[1.0] * 99])).value == 0.5
    assert quiet_time(latency([0.5, *[1.0] * 199])).value == 1.0


@pytest.mark.parametrize(("launches", "unseen"), [((), 1), ((0,) * 18, 1), ((0, 1) * 9, 2)], ids=["old", "one", "two"])
def test_of_fewer_than_three_processes_it_is_assumed_how_they_differ(launches, unseen):
    found = quiet_time(latency([1.0] * 18, launches))
    half = math.hypot(NORMAL * 0.05 / math.sqrt(unseen), NORMAL * 0.015)
    assert found.interval == (pytest.approx(math.exp(-half)), pytest.approx(math.exp(half)))


def test_one_process_that_changed_meanwhile_is_less_sure():
    steady, changed = latency([1.0] * 18), latency([1.0] * 6 + [1.1] * 6 + [1.2] * 6)
    assert quiet_time(changed).half_width > 2 * quiet_time(steady).half_width


@pytest.mark.parametrize("few", [1, 2, 5])
def test_too_few_samples_have_no_interval(few):
    found = latency([1.0] * few)
    assert quiet_time(found).interval is None is typical_time(found).interval is quiet_ratio(found, replace(
        found, samples_s=(2.0,) * few)).interval  # fmt: skip
    assert quiet_time(found).half_width == math.inf


def test_what_even_the_fastest_samples_were_slowed_is_taken_off():
    samples = [1.0 + 0.001 * number for number in range(18)]
    quiet, never, taken = (latency(samples, TURNS, paces=(pace,) * 18) for pace in (1.0, 1.65, 40.0))
    assert quiet_time(quiet) == quiet_time(latency(samples, TURNS))
    assert quiet_time(never).value == pytest.approx(quiet_time(quiet).value / 1.65**0.55)
    assert quiet_time(taken).value == pytest.approx(quiet_time(quiet).value / 2**0.55)  # a core was taken, no call
    between = NORMAL * (100 / 18) ** 0.5 * 0.3 * math.log(1.65)  # runs differ so much where none was calm
    assert math.log(quiet_time(never).value / quiet_time(never).low) == pytest.approx(between, rel=0.01)
    assert quiet_time(never).low < quiet_time(quiet).value < quiet_time(never).high


def test_of_a_ratio_nothing_is_taken_off_but_it_is_less_sure():
    quiet, never = (latency([1.0] * 18, TURNS, paces=(pace,) * 18) for pace in (1.0, 1.65))
    other = replace(quiet, samples_s=(2.0,) * 18)
    assert quiet_ratio(other, never).value == quiet_ratio(other, quiet).value == pytest.approx(2.0)
    assert quiet_ratio(other, never).half_width > 3 * quiet_ratio(other, quiet).half_width


def test_a_moment_of_the_reference_that_was_disturbed_by_itself_takes_nothing_off():
    samples = [1.0 + 0.001 * number for number in range(18)]
    paces = [1.0] * 18
    paces[:3] = [1.9] * 3  # beside the fastest sample of each process
    assert quiet_time(latency(samples, TURNS, paces=tuple(paces))).value == quiet_time(latency(samples, TURNS)).value


def test_a_calm_tenth_of_the_run_is_enough_for_a_narrow_interval():
    samples = tuple(1.0 if number % 5 < 2 else 1.6 for number in range(60))
    turns = tuple(number % 3 for number in range(60))
    calm, restless = (
        latency(samples, turns, paces=tuple(pace if sample == 1.0 else 1.8 for sample in samples))
        for pace in (1.02, 1.19)
    )
    assert quiet_time(calm).half_width < 0.8 * quiet_time(restless).half_width
    assert quiet_time(calm).half_width < 0.8 * quiet_time(latency(samples, turns)).half_width  # where nobody looked


def test_a_run_that_was_quiet_does_not_tell_that_the_next_one_is():
    samples = [1.0] * 9 + [1.1] * 9
    shared, alone = (quiet_time(latency(taken, TURNS, paces=(1.0,) * 18)) for taken in (samples, [1.0] * 18))
    assert shared.value == alone.value == 1.0
    assert shared.high - 1 > 1.5 * (1 / shared.low - 1)
    assert alone.high * alone.low == pytest.approx(1.0)  # nobody else was ever there


def test_of_many_samples_fewer_quiet_moments_are_missed():
    few, many = (
        quiet_time(latency([1.0, 1.0, 1.0, 1.6, 1.6, 1.6] * times, TURNS[:6] * times, paces=(1.1,) * 6 * times))
        for times in (3, 30)
    )
    assert math.log(many.low) == pytest.approx(math.log(few.low), rel=0.5)
    assert many.low > few.low


def test_one_quiet_moment_of_each_process_is_enough():
    samples, paces = [1.6] * 18, [1.7] * 18
    for number in (3, 7, 11):  # of the processes 0, 1 and 2
        samples[number], paces[number] = 1.0, 1.0
    found = quiet_time(latency(samples, TURNS, paces=tuple(paces)))
    assert (found.value, found.low > 0.8) == (1.0, True)  # with 1.7 beside them it would be taken for 0.75


def test_the_typical_time_is_the_median_between_the_outer_tenths():
    found = typical_time(latency([1.0] * 10 + [1.6] * 8))
    assert found.value == 1.0
    assert found.interval == (1.0, 1.6)
    assert typical_time(latency([1.0, 2.0, 4.0] * 6, TURNS)).high > estimate([1.0, 2.0, 4.0] * 6).high


def test_ratios_of_medians_are_taken_within_rounds_so_that_drift_cancels():
    drift = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    slow = Latency(rounds=(0, 1, 2, 3, 4, 5), samples_s=tuple(3 * d for d in drift), calls=1)
    fast = Latency(rounds=(5, 4, 3, 2, 1, 0), samples_s=tuple(reversed(drift)), calls=1)
    found = typical_ratio(slow, fast)
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)
    assert quiet_ratio(slow, fast).value == pytest.approx(3.0)


def test_rounds_that_only_one_took_part_in_do_not_count():
    long, short = latency([1.0] * 10), latency([0.5] * 3)
    late = Latency(rounds=(99,), samples_s=(1.0,), calls=1)
    for ratio in (quiet_ratio, typical_ratio):
        assert ratio(long, short).samples == 3
        assert ratio(long, late) is None


def test_a_ratio_is_as_sure_as_its_processes_agree():
    ones = latency([1.0] * 18, TURNS)
    agreed = replace(ones, samples_s=(3.0,) * 18)
    differing = replace(ones, samples_s=tuple(3.0 + turn for turn in TURNS))
    assert quiet_ratio(agreed, ones).value == pytest.approx(3.0)
    assert quiet_ratio(agreed, ones).half_width == pytest.approx(math.hypot(
        NORMAL * 0.015, T_OF_FOUR * math.sqrt(0.5 * 0.02**2 / 3)), rel=0.01)  # fmt: skip
    assert quiet_ratio(differing, ones).value == pytest.approx(60 ** (1 / 3))
    assert quiet_ratio(differing, ones).low < 3.0
    assert quiet_ratio(differing, ones).high > 5.0


def test_a_row_is_surely_as_fast_as_itself():
    found = quiet_ratio(latency([1.0, 1.5] * 9, TURNS), latency([1.0, 1.5] * 9, TURNS))
    assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)


def test_on_a_machine_of_its_own_quiet_and_typical_time_are_the_same():
    assert noise_gap(latency([1.0] * 18, TURNS)) == 0.0
    assert noise_gap(latency([1.0, *[math.e] * 17])) == pytest.approx(1.0)

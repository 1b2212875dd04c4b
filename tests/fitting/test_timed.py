"""Sizes within a time and races, on a clock that follows a law: nothing here depends on the machine."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from kaoprof.findings.race import race_row
from kaoprof.fitting.exact import Setting
from kaoprof.fitting.stopwatch import Contender, Stopwatch
from kaoprof.fitting.timed import bracket, fit_row, race, time_fits, timed_ratios
from kaoprof.measuring.plan import Measurement
from kaoprof.records.fit import TimedRatio, TimedSize
from kaoprof.records.measured import Observed

KAO = Contender(operator="kao_qkv", implementation="matmul")
FULL = Contender(operator="nonlocal", implementation="matmul")


@dataclass
class FakeSession:
    """Runs whatever it is told in no time; a size above `wall` does not fit."""

    laws: dict
    wall: int = 10**9
    now: float = 0.0
    measurements: dict = field(default_factory=dict)
    connection: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(environment=None))

    def clock(self):
        return self.now

    def measure_cell(self, subjects, _budget_s):
        for subject in subjects:
            operator = "kao_qkv" if "QKV" in subject.workload.factory else "nonlocal"
            size = subject.workload.inputs[0].shape[2]
            if size > self.wall:
                self.measurements[subject.key] = Measurement(
                    observed=Observed(status="skipped", detail="would not fit")
                )
                continue
            seconds = self.laws[operator](size)
            self.now += 12 * seconds
            noise = [1 + 0.001 * number for number in range(12)]
            self.measurements[subject.key] = Measurement(
                rounds=list(range(12)), samples_s=[seconds * factor for factor in noise], launches=[1, 2, 3] * 4
            )  # fmt: skip


def stopwatch(wall=10**9, **laws):
    return Stopwatch(axis="h", setting=Setting(sizes={"c": 8}), session=FakeSession(laws=laws, wall=wall))


def timed_fit(contender, limit_s, watch):
    time_fits([contender], limit_s, watch, 10.0)
    return fit_row(contender, limit_s, watch)


@pytest.mark.parametrize("scale", [1e-9, 1e-7, 1e-5])
def test_the_size_is_found_on_slow_and_on_fast_machines(scale):
    row = timed_fit(FULL, 0.01, stopwatch(**{"nonlocal": lambda size: scale * size**4}))
    exact = (0.01 / (1.001 * scale)) ** 0.25  # the fastest of three processes: 1.000, 1.001, 1.002
    assert row.status == "ok"
    assert abs(row.largest - exact) <= 1
    assert row.low <= exact + 1
    assert row.high >= exact - 1
    assert "as h^4.0" in row.detail
    assert row.next_size == row.largest + 1


def test_an_overhead_that_dominates_is_nothing_to_extrapolate():
    row = timed_fit(FULL, 0.01, stopwatch(**{"nonlocal": lambda _: 0.009}))
    assert row.status == "refused"
    assert "hardly depends on h" in row.detail


def test_a_call_that_is_always_too_slow_is_a_row():
    row = timed_fit(FULL, 1e-4, stopwatch(**{"nonlocal": lambda size: 2e-4 + 1e-6 * size}))
    assert (row.status, row.largest, row.next_size) == ("nothing", None, 1)
    assert "a call at h=1 takes 201 µs" in row.detail


def test_behind_a_wall_nothing_is_claimed():
    row = timed_fit(FULL, 1.0, stopwatch(wall=20, **{"nonlocal": lambda size: 1e-9 * size**4}))
    assert row.status == "refused"
    assert "would not fit" in row.detail


def test_a_jump_between_two_sizes_is_not_smoothed_over():
    row = timed_fit(KAO, 0.01, stopwatch(kao_qkv=lambda size: 1e-7 * size**2 * (1 if size <= 250 else 4)))
    assert 250 - 250 * 0.3 <= row.largest <= 250 * 1.3
    within = [one.size for one in row.timed if one.high_s <= 0.01]
    beyond = [one.size for one in row.timed if one.low_s > 0.01]
    assert max(within) <= row.low <= row.largest <= row.high < min(beyond)
    assert row.next_needed is None or row.next_needed > 0.01  # where the law and its neighbours differ, it is silent


def test_a_race_finds_where_the_faster_one_changes():
    watch = stopwatch(kao_qkv=lambda size: 1e-4 + 1e-7 * size**2, **{"nonlocal": lambda size: 5e-5 + 1e-9 * size**4})
    race([FULL], [KAO], watch, 10.0)
    row = race_row("nonlocal", "kao_qkv", "h", timed_ratios([FULL], [KAO], watch))
    # 1e-9 h^4 - 1e-7 h^2 - 5e-5 = 0 at h^2 = 50 + sqrt(2500 + 50000) = 279.1, h = 16.7
    assert (row.status, row.cheaper) == ("ok", "kao_qkv")
    assert 15 <= row.since <= 19
    assert row.low < 16.7 < row.high
    assert row.high - row.low <= 8


def test_equals_have_no_winner():
    watch = stopwatch(kao_qkv=lambda size: 1e-5 * size, **{"nonlocal": lambda size: 1e-5 * size})
    race([FULL], [KAO], watch, 1.0)
    row = race_row("nonlocal", "kao_qkv", "h", timed_ratios([FULL], [KAO], watch))
    assert row.status == "refused"
    assert "not distinguishable from equal" in row.detail


def test_one_that_is_always_faster_has_no_crossing():
    ratios = [TimedRatio(size=size, first="a", second="b", ratio=3.0, low=2.0, high=4.0, samples=9) for size in (4, 8)]
    row = race_row("a", "b", "h", ratios)
    assert (row.cheaper, row.since, row.low, row.high) == ("b", 4, None, 4)


def test_without_intervals_nothing_is_said():
    ratios = [TimedRatio(size=4, first="a", second="b", ratio=3.0, low=None, high=None, samples=3)]
    assert "raise --budget" in race_row("a", "b", "h", ratios).detail


def test_a_size_within_the_limit_beyond_one_that_is_not_proves_nothing():
    def timed(size, seconds):
        return TimedSize(size=size, seconds=seconds, low_s=0.99 * seconds, high_s=1.01 * seconds, samples=9)

    assert bracket([timed(10, 1.0), timed(20, 3.0), timed(30, 1.5)], 2.0) == (10, 19)  # 30 was lucky

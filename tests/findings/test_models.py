"""What is read off a profile, with the arithmetic in sight."""

import pytest
from msgspec.structs import replace
from profile_samples import KIB, code, model, record

from kaoprof.findings.models import layer_limits, peak_holder, peak_of, profile_warnings, seconds_of
from kaoprof.records.measured import Deviation
from kaoprof.stats.timings import typical_time


def row_of(found, layer):
    return next(row for row in found.layers if row.layer == layer)


def test_the_time_of_a_layer_is_its_share_of_the_time_that_was_measured():
    small = model("small", 0.01)  # its samples are 10 ms to 10.9 ms, its timers add up to 10 ms
    assert seconds_of(small, small.total) == pytest.approx(10e-3)
    assert seconds_of(small, small.total, typical_time) == pytest.approx(10.45e-3)
    assert seconds_of(small, row_of(small, "body")) == pytest.approx(0.75 * 10e-3)
    leaves = [row for row in small.layers if row.leaf]
    assert sum(seconds_of(small, row) for row in leaves) == pytest.approx(seconds_of(small, small.total))
    limits = layer_limits(record(small), small, row_of(small, "body"))
    assert limits.times_floor == pytest.approx(0.75 * 10e-3 / limits.floor.seconds)


def test_without_a_measured_total_the_timers_are_all_there_is():
    untimed = replace(model("small", 0.01), latency=None)
    assert seconds_of(untimed, untimed.total) is None
    assert seconds_of(untimed, row_of(untimed, "body")) == 7.5e-3


def test_a_list_of_modules_peaks_where_the_fullest_inside_does():
    mine = code("mine", 0.01)
    assert peak_of(peak_holder(mine, row_of(mine, "list"))) == 160 * KIB
    assert peak_holder(mine, row_of(mine, "list.0")).layer == "list.0"
    assert peak_of(peak_holder(mine, row_of(mine, "(itself)"))) is None
    assert peak_holder(mine, mine.total) is mine.total


def test_an_output_that_is_not_finite_is_named():
    lost = replace(model("small", 0.01), deviation=Deviation(largest=None, rms=None, not_finite=0.25))
    assert "small: not finite: 25.0 % of the output" in profile_warnings(record(lost))


def test_who_counts_what_is_said_in_words():
    found = profile_warnings(record(code("mine", 0.01)))
    assert "mine: TOTAL: torch's dispatcher counts 300 MACs, fvcore 299" in found

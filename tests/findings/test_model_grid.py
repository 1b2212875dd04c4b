"""What a sweep of models says: throughput, who is beaten by whom, and exponents."""

import pytest
from model_samples import OVERHEAD_S, PIXEL_S, model_row, skipped, swept_models
from msgspec.structs import replace

from kaoprof.findings.model_grid import fronts, grid_warnings, model_laws, samples_per_s, sound_grid


def names(rows):
    return [row.profile.model for row in rows]


def test_throughput_is_the_batch_over_the_time_of_a_call():
    row = model_row("small", 16, 4)
    fastest = OVERHEAD_S["small"] + PIXEL_S["small"] * 4 * 256  # of ten samples, up to 2 % apart
    assert samples_per_s(row) == pytest.approx(4 / fastest, rel=0.02)
    assert samples_per_s(skipped(row)) is None
    assert samples_per_s(replace(row, profile=replace(row.profile, batch=None))) is None


def test_beaten_is_who_has_no_fewer_macs_and_is_certainly_slower():
    front = fronts(model_row(name, 8, 1) for name in ("heavy", "small", "wide"))[0]
    assert (names(front.best), names(front.beaten)) == (["small", "wide"], ["heavy"])  # small: fewest MACs, if slow


def test_within_noise_nobody_is_beaten():
    wide, heavy = model_row("wide", 8, 1), model_row("heavy", 8, 1)
    noisy = tuple(5e-4 * (1 + number) for number in range(10))
    blurred = replace(heavy, profile=replace(heavy.profile, latency=replace(heavy.profile.latency, samples_s=noisy)))
    assert fronts([wide, blurred])[0].beaten == ()


def test_without_time_the_peak_is_weighed():
    rows = [skipped(model_row(name, 8, 1)) for name in ("heavy", "small")]
    front = fronts(rows)[0]
    assert (front.costs, names(front.best), names(front.beaten)) == (("MACs", "peak"), ["small"], ["heavy"])


def test_other_inputs_are_other_comparisons():
    assert len(fronts(swept_models().rows)) == 6
    assert fronts([model_row("small", 8, 1), model_row("wide", 16, 1)]) == []


def test_exponents_are_of_the_side():
    laws = {(law.model, law.row.case.b): law for law in model_laws(swept_models().rows)}
    assert laws["small", 1].macs == pytest.approx(2.0)
    assert laws["heavy", 4].latency is None  # one of three sizes did not run
    assert laws["heavy", 4].peak == pytest.approx(2.0)
    assert laws["wide", 4].sizes == (8, 16, 32)


def test_a_warning_stands_once_for_all_rows_that_it_concerns():
    record = swept_models()
    few = [
        replace(row, profile=replace(row.profile, latency=replace(row.profile.latency, rounds=(0,), samples_s=(0.1,))))
        for row in record.rows[:5]
    ]
    (warning,) = [text for text in grid_warnings(replace(record, rows=tuple(few))) if "too few" in text]
    assert warning.startswith("small 8, batch 1, fp32, forward; wide 8")
    assert "and 2 more: 1 samples are too few" in warning
    assert sound_grid(record)

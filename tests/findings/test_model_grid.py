"""What a sweep of models says: throughput, who is beaten by whom, and exponents."""

import pytest
from model_samples import OVERHEAD_S, PIXEL_S, model_row, skipped, swept_models
from msgspec.structs import replace

from kaoprof.findings.model_grid import (
    fastest_of,
    fronts,
    grid_warnings,
    model_laws,
    names_of,
    samples_per_s,
    sound_grid,
    unbeaten_of,
)


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


def costing(name, macs, seconds, size=(8,)):
    """A model of so many MACs that takes so long, all of its samples alike."""
    row = model_row("small", 8, 1)
    total = replace(row.profile.total, macs_counted=macs, macs_analytic=macs)
    latency = replace(row.profile.latency, samples_s=(seconds,) * 10)
    shapes = ((1, 3, *(size * 2 if len(size) == 1 else size)),)
    ran = replace(row.profile, model=name, layers=(total,), latency=latency, input_shapes=shapes)
    return replace(row, profile=ran, case=replace(row.case, model=name, size=size))


def test_a_front_by_hand():
    """Of (MACs, ms): c has more of both than b, e than d; f has the MACs of d and is slower; a and b are no better."""
    costs = {"a": (1, 9), "b": (2, 5), "c": (3, 8), "d": (4, 2), "e": (8, 3), "f": (4, 4), "g": (16, 1)}
    (front,) = fronts(costing(name, macs, ms / 1000) for name, (macs, ms) in costs.items())
    assert names(front.best) == ["a", "b", "d", "g"]  # by growing MACs: each is faster than all before it
    assert names(front.beaten) == ["c", "e", "f"]


def test_what_did_not_run_is_on_no_front_of_times():
    small, wide = model_row("small", 8, 1), model_row("wide", 8, 1)
    assert fronts([small, wide, skipped(model_row("small", 16, 1)), skipped(model_row("wide", 16, 1))])[1:] == []


def test_who_is_as_good_as_another_in_both_is_not_beaten():
    (front,) = fronts([costing("a", 2, 0.5), costing("b", 2, 0.5), costing("c", 3, 0.5)])
    assert (names(front.best), front.beaten) == (["a", "b", "c"], ())
    assert unbeaten_of([costing("a", 2, 0.5), costing("b", 2, 0.5)]) == set()  # nobody is beaten: there is no front


def test_models_with_sizes_of_their_own_stand_on_other_inputs():
    rows = [replace(row, case=replace(row.case, size=None)) for row in (costing("a", 1, 1.0), costing("b", 2, 2.0))]
    assert names(fronts(rows)[0].beaten) == ["b"]
    other = replace(rows[1], profile=replace(rows[1].profile, input_shapes=((1, 3, 10, 10),)))
    assert fronts([rows[0], other]) == []


def test_fastest_are_all_that_intervals_do_not_tell_from_the_fastest():
    assert names(fastest_of([costing("a", 1, 0.003), costing("b", 9, 0.002), costing("c", 1, 0.002)])) == ["b", "c"]
    assert fastest_of([skipped(costing("a", 1, 1.0))]) == []


def test_models_of_one_name_are_called_as_they_were_named():
    row, other = costing("net", 1, 1.0), costing("net", 2, 1.0)
    twins = [replace(row, case=replace(row.case, model=spec)) for spec in ("a:net", "b:net")]
    assert list(map(names_of([row, other]), [row, other])) == ["net", "net"]
    assert list(map(names_of(twins), twins)) == ["a:net", "b:net"]
    compiled = replace(twins[1], profile=replace(twins[1].profile, model="net+compile"))
    assert names_of([*twins, compiled])(compiled) == "net+compile"


def test_exponents_by_hand():
    """Of MACs k s^3, of peak as s, of time as s^1.5: lines in logarithms, so any three points give them exactly."""
    rows = []
    for side in (4, 8, 32):
        row = costing("a", 7 * side**3, 1e-3 * side**1.5, (side, side))
        total = replace(row.profile.total, peak_bytes_measured=64 * side)
        rows.append(replace(row, profile=replace(row.profile, layers=(total,))))
    (law,) = model_laws(rows)
    assert (law.macs, law.peak, law.latency) == pytest.approx((3.0, 1.0, 1.5))
    assert law.sizes == (4, 8, 32)
    assert model_laws(rows[:2]) == []
    bent = [*rows, costing("a", 1, 1.0, (6, 12))]
    assert model_laws(bent)[0].sizes == (4, 8, 32)  # what is not square has no side


def test_an_exponent_is_the_least_squares_slope_of_logarithms():
    """Through (0, 0), (1, 2), (2, 3) in logarithms to the base 2: slope (2 * 3 - 0) / (2 + 0) / 2 = 1.5."""
    rows = [costing("a", macs, 1.0, (side, side)) for side, macs in ((4, 1), (8, 4), (16, 8))]
    assert model_laws(rows)[0].macs == pytest.approx(1.5)


def test_without_time_the_peak_is_weighed():
    rows = [skipped(model_row(name, 8, 1)) for name in ("heavy", "small")]
    front = fronts(rows)[0]
    assert (front.costs, names(front.best), names(front.beaten)) == (("MACs", "peak"), ["small"], ["heavy"])


def test_other_inputs_are_other_comparisons():
    assert len(fronts(swept_models().rows)) == 6
    assert fronts([model_row("small", 8, 1), model_row("wide", 16, 1)]) == []


def test_exponents_are_of_the_side():
    laws = {(law.row.case.model, law.row.case.b): law for law in model_laws(swept_models().rows)}
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

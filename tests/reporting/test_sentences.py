"""What a table says in words: it must hold also where luck, noise or identity speak against it."""

import pytest
from msgspec.structs import replace
from samples import measured_record, row

from kaoprof.comparing.run import analytic
from kaoprof.findings.operators import standings
from kaoprof.records.measured import Latency
from kaoprof.reporting.sentences.protocol import meaning_of, protocol_of
from kaoprof.reporting.sentences.verdicts import faster_by
from kaoprof.reporting.tables.cells import agreement, agreement_mark
from kaoprof.stats.medians import Estimate


def meaning(record):
    (cell,) = standings(record).values()
    return meaning_of(record, cell)


def with_samples(record, name, samples):
    latency = Latency(rounds=tuple(range(len(samples))), samples_s=tuple(samples), calls=1)
    return replace(record, rows=tuple(replace(r, latency=latency) if r.case.name == name else r for r in record.rows))


def test_an_interval_too_wide_is_not_summed_up_in_three_digits():
    record = with_samples(measured_record(), "kao_kv:matmul", [1e-6] * 5 + [1.0] * 5)  # sometimes 30,000 times faster
    said = meaning(record)
    assert said.startswith("kao_kv has the smallest time, too noisy to be compared with the best nonlocal (sdpa)")


def test_what_is_known_of_a_noisy_speedup_is_its_lower_bound():
    record = with_samples(measured_record(), "kao_qkv:matmul", [1e-5, 2e-5, 4e-5, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4] * 2)
    assert "at least 108x (95 %) as fast as the best nonlocal (sdpa); how much more is too noisy" in meaning(record)


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        ((1.8, 1.0712, 2.0), "is 1.8x as fast as it, at least 1.07x (95 %)."),
        ((1.2, 0.812, 1.9), "is not surely faster than it: 1.2x (95 %: 0.812 to 1.90x)."),
        ((3.0, None, None), "is 3.0x as fast as it (no interval from 4 rounds)."),
    ],
)
def test_a_verdict_says_how_sure_it_is(factor, said):
    times, low, high = factor
    assert faster_by(Estimate(value=times, low=low, high=high, samples=4), "it") == said


def test_where_the_baseline_is_the_fastest_the_next_one_stands_beside_it():
    said = meaning(with_samples(measured_record(), "nonlocal:sdpa", [1e-5] * 10))
    assert said.startswith("nonlocal is the fastest: 15x as fast as kao_qkv, at least 13.1x (95 %).")


def test_on_one_axis_the_kronecker_operators_are_the_baseline():
    rows = []
    for name in ("nonlocal:matmul", "kao_qkv:matmul"):
        one = row(name)
        case = replace(one.case, spatial=(56,))
        rows.append(replace(one, case=case, analytic=analytic(case)))
    assert "With one axis kao_qkv is nonlocal itself: differences in time are noise." in meaning(
        replace(measured_record(), rows=tuple(rows))
    )


def test_agreement_takes_two_figures():
    assert agreement_mark((7, 7, None), disagree=False, incomplete=False) == "="
    assert agreement_mark((None, 7, None), disagree=False, incomplete=False) == ""
    assert agreement_mark((None, 7, 7), disagree=False, incomplete=True) == ">"
    assert agreement_mark((7, 8, 7), disagree=True, incomplete=False) == "!"
    (cell,) = standings(measured_record()).values()
    assert {agreement(standing) for standing in cell} == {"="}


def test_too_few_samples_announce_no_interval():
    record = measured_record()
    rows = tuple(replace(r, latency=Latency(rounds=(0, 1), samples_s=(1.0, 1.0), calls=1)) for r in record.rows)
    assert "too few for an interval" in protocol_of(replace(record, rows=rows))[0]
    assert "95 % interval" in protocol_of(record)[0]

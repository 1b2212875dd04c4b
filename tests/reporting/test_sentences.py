"""What a table says in words: it must hold also where luck, noise or identity speak against it."""

from msgspec.structs import replace
from samples import measured_record, row

from kaoprof.comparing.run import analytic
from kaoprof.findings.operators import standings
from kaoprof.records.measured import Latency
from kaoprof.reporting.sentences.protocol import meaning_of, protocol_of
from kaoprof.reporting.tables.cells import agreement, agreement_mark


def meaning(record):
    (cell,) = standings(record).values()
    return meaning_of(record, cell)


def with_samples(record, name, samples):
    latency = Latency(rounds=tuple(range(len(samples))), samples_s=tuple(samples), calls=1)
    return replace(record, rows=tuple(replace(r, latency=latency) if r.case.name == name else r for r in record.rows))


def test_the_rival_whose_gain_is_sure_is_named_and_not_the_luckiest():
    record = with_samples(measured_record(), "kao_kv:matmul", [1e-6] * 5 + [1.0] * 5)  # sometimes 30,000 times faster
    assert meaning(record).startswith("kao_qkv:matmul does 758x fewer MACs")


def test_an_interval_too_wide_is_not_summed_up_in_three_digits():
    record = with_samples(measured_record(), "kao_qkv:matmul", [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0] * 2)
    record = replace(record, rows=tuple(r for r in record.rows if r.case.operator != "kao_kv"))
    assert "this run cannot tell (95 %:" in meaning(record)


def test_on_one_axis_the_kronecker_operators_are_the_baseline():
    rows = []
    for name in ("nonlocal:matmul", "kao_qkv:matmul"):
        one = row(name)
        case = replace(one.case, spatial=(56,))
        rows.append(replace(one, case=case, analytic=analytic(case)))
    assert "same operator as nonlocal" in meaning(replace(measured_record(), rows=tuple(rows)))


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

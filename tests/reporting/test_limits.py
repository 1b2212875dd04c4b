"""The sentences about limits, with the arithmetic in sight."""

import pytest
from msgspec.structs import replace
from samples import measured_record

from kaoprof.findings.operators import standings
from kaoprof.records.measured import Deviation, Traffic
from kaoprof.reporting.columns.compare import COLUMNS, views
from kaoprof.reporting.sentences.limits import NOT_RECORDED, bound_of, ceilings_sentence, limits_of, rows_of
from kaoprof.reporting.sentences.protocol import meaning_of, protocol_of


def standing(record, name):
    return next(one for cell in standings(record).values() for one in cell if one.row.case.name == name)


def with_row(record, name, **changes):
    return replace(record, rows=tuple(replace(row, **changes) if row.case.name == name else row for row in record.rows))


@pytest.mark.parametrize(
    ("traffic", "reason"),
    [
        ((11, 3_300_000), "far from its limits: its arithmetic takes at least 22.2 µs of its 150 µs"),  # 14 %
        ((60, 3_300_000), "launch-bound: to launch its 60 operations takes at least 60.0 µs of its 150 µs"),
        ((11, 16_058_880),
         "memory-bound: it moves 15.3 MiB, 10.0x what it must, which takes at least 76.6 µs of its 150 µs"),
    ],
    ids=["none", "launch", "memory"],
)  # fmt: skip
def test_the_bound_comes_with_its_reason(traffic, reason):
    told = Traffic(operations=traffic[0], moved_bytes=traffic[1])
    record = with_row(measured_record(), "kao_qkv:matmul", traffic=told)
    assert bound_of(standing(record, "kao_qkv:matmul").limits) == reason


def test_what_launches_cost_is_also_seen_on_the_smallest_input():
    told = Traffic(operations=9, moved_bytes=3_300_000, launch_s=74e-6)
    record = with_row(measured_record(), "kao_qkv:matmul", traffic=told)
    expected = "launch-bound: even on the smallest input its 9 operations took 74.0 µs, here 150 µs"
    assert bound_of(standing(record, "kao_qkv:matmul").limits) == expected


def test_what_launches_nothing_is_bound_by_nothing():
    record = with_row(measured_record(), "kao_qkv:matmul", traffic=Traffic(operations=0, moved_bytes=0))
    assert bound_of(standing(record, "kao_qkv:matmul").limits) is None


def test_who_waits_for_the_systems_memory_is_named():
    record, latency = measured_record(), measured_record().rows[1].latency
    for name, faults, share in (
        ("nonlocal:sdpa", 8192.4, 0.567),
        ("kao_kv:matmul", 8192, 0.19),
        ("kao_qkv:matmul", 2900, 0.9),
    ):
        told = replace(latency, page_faults=(0.0, *[faults] * 9), system_shares=(0.01, *[share] * 9))
        record = with_row(record, name, latency=told)
    (cell,) = standings(record).values()
    said = (
        "The system's share of the processor time, for memory new at every call: "
        "nonlocal:sdpa 57 % (8,192 page faults)."
    )
    assert limits_of(rows_of(cell))[1] == said
    first = next(view for view in views(record) if view.standing.row.case.name == "nonlocal:sdpa")
    assert (COLUMNS["page_faults"](first), COLUMNS["system_share"](first)) == (8192.4, 0.567)


def test_what_was_not_measured_has_no_bound():
    assert bound_of(standing(measured_record(), "nonlocal:matmul").limits) is None


def test_the_summary_says_what_binds_the_winner_and_the_baseline():
    (cell,) = standings(measured_record()).values()
    said = meaning_of(measured_record(), cell)
    assert "kao_qkv:matmul is far from its limits: " in said
    assert "nonlocal:sdpa is compute-bound: " in said


def test_attention_errors_energy_and_compilation_are_told_where_there_are_any():
    record = with_row(measured_record(), "kao_qkv:matmul", energy_j=0.0123, compile_s=4.5, deviation=None)
    record = with_row(record, "kao_kv:matmul", compile_s=2.0, graph_breaks=1)
    (cell,) = standings(record).values()
    assert limits_of(rows_of(cell)) == [
        "Fused attention ran as: flash.",
        (
            "Largest error against fp64, of the largest value: nonlocal:sdpa 4.9e-07, kao_kv:matmul 4.9e-07. "
            f"Not compared with fp64: kao_qkv:matmul ({NOT_RECORDED})."
        ),
        "Energy of a call, idle power included: kao_qkv:matmul 12.3 mJ.",
        "Compiling took, outside the samples: kao_kv:matmul 2.00 s (in pieces: 1 graph break), kao_qkv:matmul 4.50 s.",
    ]
    lost = with_row(
        record, "nonlocal:sdpa", backend="math", deviation=Deviation(largest=None, rms=None, not_finite=1.0)
    )
    lost = with_row(lost, "kao_kv:matmul", backend="flash")
    (cell,) = standings(lost).values()
    assert limits_of(rows_of(cell))[0] == "Fused attention ran as: nonlocal:sdpa math, kao_kv:matmul flash."
    assert limits_of(rows_of(cell))[1].startswith(
        "Largest error against fp64, of the largest value: kao_kv:matmul 4.9e-07. Not"
    )


def test_who_is_not_compared_for_the_same_reason_stands_together():
    reasons = {"nonlocal:matmul": "too slow", "kao_kv:matmul": "it changes its input", "kao_qkv:matmul": "too slow"}
    record = measured_record()
    for name, why in reasons.items():
        record = with_row(record, name, deviation=Deviation(largest=None, rms=None, not_compared=why))
    (cell,) = standings(record).values()
    said = "Not compared with fp64: kao_kv:matmul (it changes its input); kao_qkv:matmul (too slow)."
    assert limits_of(rows_of(cell))[1].endswith(said)  # the explicit attention of this record ran out of memory


def test_a_graph_that_is_replayed_is_as_exact_as_its_eager_row():
    record = with_row(measured_record(), "kao_qkv:matmul", deviation=None)
    eager = next(row for row in record.rows if row.case.name == "kao_qkv:matmul")
    replayed = with_row(record, eager.case.name, case=replace(eager.case, implementation="matmul+graph"))
    for known, lacking in ((record, True), (replayed, False)):
        (cell,) = standings(known).values()
        assert ("Not compared" in limits_of(rows_of(cell))[1]) is lacking


def test_floors_name_what_they_rest_on():
    said = ceilings_sentence(measured_record())
    assert "copies 26.8 GB/s in memory, 210 GB/s at best; fp32 products 200 GFLOP/s; a launch 1.00 µs" in said
    bare = replace(measured_record(), protocol=replace(measured_record().protocol, ceilings=None))
    assert ceilings_sentence(bare) is None


def test_the_protocol_says_how_the_caches_were_and_what_was_forced():
    record = measured_record()
    cold = replace(record, protocol=replace(record.protocol, cache="cold", sdpa="math"))
    assert "caches emptied before every call, fused attention forced to math;" in protocol_of(cold)[0]
    assert "caches warm;" in protocol_of(record)[0]
    old = replace(record, protocol=replace(record.protocol, cache=None, sdpa=None))
    assert "caches" not in protocol_of(old)[0]

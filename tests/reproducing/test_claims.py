"""Each claim is judged by its rule: what would confirm it confirms it, what would refute it refutes it."""

import math
import random

import pytest
from msgspec.structs import replace

from kaoprof.comparing.run import compare
from kaoprof.records.compare import Counted
from kaoprof.records.measured import Latency
from kaoprof.records.options import Options
from kaoprof.records.reproduce import CONFIRMED, REFUTED, UNDECIDED
from kaoprof.reproducing.claims import judged
from kaoprof.reproducing.tables import network_figures

SIZES = (14, 20, 28, 40, 56)
THEORY = {"nonlocal": 4.0, "kao_kv": 3.0, "kao_qkv": 2.0}


def rows_of(seconds, peaks=None, sizes=SIZES):
    """Rows of three operators whose times are `seconds(case)` with 1 % of noise, and peaks `peaks(case)` bytes."""
    draw = random.Random(0)  # noqa: S311
    record = compare(h=sizes, c=8, batch=8, operators=[*THEORY], scale="none", options=Options(analytic=True))

    def measured(row):
        samples = tuple(seconds(row.case) * math.exp(draw.gauss(0, 0.01)) for _ in range(12))
        counted = Counted(macs=row.analytic.macs, flops_all=1, macs_fvcore=None, peak_bytes_predicted=1)
        return replace(
            row, counted=counted, latency=Latency(rounds=tuple(range(12)), samples_s=samples, calls=1),
            peak_bytes_measured=peaks(row.case) if peaks else None,
        )  # fmt: skip

    return tuple(map(measured, record.rows))


def power(exponents, overhead_s=0.0, start_s=1e-6):
    return lambda case: overhead_s + start_s * case.spatial[0] ** exponents[case.operator]


def status(number, rows, networks=None):
    verdicts = {one.number: one.status for one in judged(rows, network_figures({}) if networks is None else networks)}
    return verdicts[number]


def test_what_follows_from_closed_forms_is_decided_without_measuring():
    assert {number: status(number, ()) for number in ("1a", "1b", "2a", "2b", "2c", "3")} == dict.fromkeys(
        ("1a", "1b", "2a", "2b", "2c", "3"), CONFIRMED
    )
    assert {status(number, ()) for number in ("1c", "2d", "2e")} == {UNDECIDED}


@pytest.mark.parametrize(
    ("exponents", "overhead_s", "expected"),
    [
        (THEORY, 0.0, CONFIRMED),
        (THEORY, 1e-5, CONFIRMED),  # a call's overhead does not hide the growth
        (THEORY | {"kao_qkv": 2.6}, 0.0, UNDECIDED),  # faster than its arithmetic, within a few sizes
        ({"nonlocal": 2.0, "kao_kv": 3.0, "kao_qkv": 4.0}, 0.0, REFUTED),  # in the wrong order
        (THEORY | {"nonlocal": 3.2}, 0.0, UNDECIDED),  # an order is an upper bound
    ],
)
def test_the_growth_of_time_is_judged_by_intervals(exponents, overhead_s, expected):
    assert status("1c", rows_of(power(exponents, overhead_s))) == expected


def test_an_interval_so_wide_that_it_also_holds_the_next_exponent_confirms_nothing():
    jitter = dict(zip(SIZES, (1.0, 1.3, 0.85, 1.25, 1.0), strict=True))
    slower = power(THEORY | {"kao_qkv": 1.5})  # 0.90 to 2.09: it reaches 2, but 1 as well
    scattered = rows_of(lambda case: slower(case) * (jitter[case.spatial[0]] if case.operator == "kao_qkv" else 1))
    assert status("1c", scattered) == UNDECIDED


def test_counts_that_grow_otherwise_refute_the_growth_of_arithmetic():
    rows = [
        replace(row, counted=replace(row.counted, macs=row.counted.macs * row.case.spatial[0]))
        for row in rows_of(power(THEORY))
    ]
    assert status("1a", rows) == REFUTED


def factor_of(*factors):
    """Times in which regular attention takes the given factors as long as KAO_QKV, size by size."""
    by_size = dict(zip(SIZES, factors, strict=True))
    return lambda case: 1e-3 * (by_size[case.spatial[0]] if case.operator == "nonlocal" else 1.0)


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((1, 5, 20, 90, 300), CONFIRMED),
        ((1, 2, 4, 8, 16), UNDECIDED),  # it grows: larger sizes may reach hundreds
        ((20, 20, 20, 20, 20), REFUTED),
        ((1, 2, 4, 8, 100), UNDECIDED),  # its interval holds 100
    ],
)
def test_the_factor_of_time_is_judged_at_the_largest_size(factors, expected):
    assert status("2d", rows_of(factor_of(*factors))) == expected


def test_the_factor_of_memory_is_against_the_leanest_implementation():
    def fused(case):  # only the written-out form holds the map
        return case.spatial[0] ** (4 if case.operator == "nonlocal" and case.implementation == "matmul" else 2)

    assert status("2e", rows_of(power(THEORY), fused)) == REFUTED
    better = rows_of(power(THEORY), lambda case: case.spatial[0] ** (4 if case.operator == "nonlocal" else 2))
    assert status("2e", better) == CONFIRMED  # 56^2 = 3136 times


@pytest.mark.parametrize("number", ["2d", "2e"])
def test_against_explicit_attention_alone_nothing_is_confirmed(number):
    rows = rows_of(
        factor_of(1, 5, 20, 90, 300), lambda case: case.spatial[0] ** (4 if case.operator == "nonlocal" else 2)
    )
    assert status(number, rows) == CONFIRMED
    assert status(number, [row for row in rows if row.case.implementation == "matmul"]) == UNDECIDED
    plain = [replace(row, backend="math" if row.case.implementation == "sdpa" else None) for row in rows]
    assert status(number, plain) == UNDECIDED
    unmeasured = [
        replace(row, latency=None, counted=None, peak_bytes_measured=None) if row.case.name == "nonlocal:sdpa" else row
        for row in rows
    ]
    assert status(number, unmeasured) == UNDECIDED


def test_other_settings_do_not_mix():
    small, large = rows_of(power(THEORY)), rows_of(power(dict.fromkeys(THEORY, 1.0)), sizes=SIZES[:3])
    other = tuple(replace(row, case=replace(row.case, c=64)) for row in large)
    assert status("1c", (*other, *small)) == CONFIRMED


def test_a_kanet_that_is_larger_refutes_the_third_claim():
    figures = tuple(
        replace(figure, formula=4 * figure.formula) if figure.name == "kanet-kv" else figure
        for figure in network_figures({})
    )
    assert status("3", (), figures) == REFUTED

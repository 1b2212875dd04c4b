"""How costs grow: exact exponents of counts, theory from the closed form, and who overtakes whom."""

import pytest
from msgspec.structs import replace

from kaoprof.comparing.run import compare, count_rows
from kaoprof.findings.growth import crossovers, growths
from kaoprof.records.measured import Latency
from kaoprof.records.options import Options

ON_PAPER = Options(analytic=True)
PAPER = {"nonlocal": 4, "kao_kv": 3, "kao_qkv": 2}


def rows_of(**sizes):
    return compare(**{"c": 8, "operators": [*PAPER], **sizes}, options=ON_PAPER).rows


def along(axis, rows):
    return {growth.line.case.name: growth for growth in growths(rows) if growth.line.axis == axis}


def timed(rows, seconds):
    """The rows with latencies that are exactly `seconds(case)` in 10 rounds."""
    return [
        replace(row, latency=Latency(rounds=tuple(range(10)), samples_s=(seconds(row.case),) * 10, calls=1))
        for row in rows
    ]


@pytest.mark.parametrize(("operator", "exponent"), PAPER.items())
def test_contractions_grow_with_the_paper_s_exponent(operator, exponent):
    law = along("h", rows_of(h=(8, 16, 32, 64, 128)))[f"{operator}:matmul"].laws["products"]
    assert law.exponent == pytest.approx(exponent, abs=0.01)
    assert law.theory == exponent
    assert (law.sizes, law.source) == ((8, 16, 32, 64, 128), "formula")


@pytest.mark.parametrize(("operator", "exponent"), PAPER.items())
def test_frames_of_one_aspect_grow_as_squares_do(operator, exponent):
    growth = along("h", rows_of(h=(9, 18, 35, 72, 144), w="16:9"))[f"{operator}:matmul"]
    assert growth.line.tie == "w follows h: 9 x 16 to 144 x 256"
    assert growth.laws["products"].theory == exponent
    assert growth.laws["products"].exponent == pytest.approx(exponent, abs=0.02)  # 62.2 is rounded


def test_a_grid_of_heights_and_widths_is_no_aspect():
    rows = rows_of(h=(9, 18, 36), w=(16, 32, 64), operators=["kao_kv:matmul"])
    assert {growth.line.tied for growth in growths(rows)} == {()}


@pytest.mark.parametrize(("operator", "exponent"), PAPER.items())
def test_counted_contractions_do_too(operator, exponent):
    record = compare(h=(4, 8, 16), c=3, operators=[f"{operator}:matmul"], options=ON_PAPER)
    rows = count_rows(record, "cpu", Options(), lambda _: None).rows
    laws = along("h", rows)[f"{operator}:matmul"].laws
    assert laws["products"].source == "counted"
    assert laws["products"].exponent == pytest.approx(exponent, abs=0.01)
    assert laws["macs"].exponent < exponent  # c x c transformations grow more slowly
    assert laws["memory"].source == "predicted"


@pytest.mark.parametrize(("operator", "exponent"), PAPER.items())
def test_the_map_grows_alike_and_without_channels(operator, exponent):
    rows = rows_of(h=(8, 16, 32), c=(4, 8, 16))
    assert along("h", rows)[f"{operator}:matmul"].laws["map"].exponent == pytest.approx(exponent)
    assert along("c", rows)[f"{operator}:matmul"].laws["map"].exponent == pytest.approx(0)


def test_theory_is_the_closed_form_s_degree_in_each_axis():
    rows = rows_of(t=(4, 8, 16), h=(8, 16, 32), c=(4, 8, 16), batch=(1, 2, 4), operators=["kao_qkv", "kao_kv"])
    theories = {
        axis: {name: law.theory for name, law in along(axis, rows)["kao_kv:matmul"].laws.items()} for axis in "thcb"
    }
    assert theories["t"] == {"products": 2, "macs": 2, "map": 2}  # N S: t (t + h + w) h w
    assert theories["h"] == {"products": 3, "macs": 3, "map": 3}  # with w = h
    assert theories["c"] == {"products": 1, "macs": 2, "map": 0}  # the transformation is c^2
    assert theories["b"] == {"map": 1}  # counts are of one sample
    latency = along("h", timed(rows, lambda _: 1e-3))["kao_qkv:matmul"].laws["latency"]
    assert latency.theory == 2


def test_training_counts_three_times_and_grows_alike():
    record = compare(h=(8, 16, 32), c=8, mode="train", operators=["kao_qkv:matmul"], options=ON_PAPER)
    assert along("h", record.rows)["kao_qkv:matmul"].laws["products"].exponent == pytest.approx(2)


def test_height_and_width_are_told_apart_from_squares():
    rows = rows_of(h=(8, 16, 32), w=(8, 16, 32), operators=["kao_qkv:matmul"])
    lines = [(one.line.axis, one.line.tied, one.line.stays) for one in growths(rows)]
    assert ("h", ("w",), {"b": 1, "c": 8}) in lines
    assert ("h", (), {"b": 1, "c": 8, "w": 16}) in lines
    assert ("w", (), {"b": 1, "c": 8, "h": 32}) in lines


def test_two_sizes_are_no_line():
    assert growths(rows_of(h=(8, 16))) == []


def test_latency_finds_overhead_and_the_exponent_beyond_it():
    rows = timed(rows_of(h=(8, 16, 32, 64, 128)), lambda case: 5e-5 + 1e-7 * case.spatial[0] ** 2)
    law = along("h", rows)["kao_qkv:matmul"].laws["latency"]
    assert law.exponent == pytest.approx(2)
    assert 1.8 < law.low < 2 < law.high < 2.2  # points may lie on it by chance: no law is known better than 2 %
    assert (law.dominated, law.sizes) == ((8, 16), (32, 64, 128))
    assert law.overhead_s == pytest.approx(5e-5)


def test_a_latency_that_does_not_grow_has_no_exponent_but_a_reason():
    rows = timed(rows_of(h=(8, 16, 32, 64)), lambda _: 5e-5)
    law = along("h", rows)["kao_qkv:matmul"].laws["latency"]
    assert law.exponent is None
    assert "overhead" in law.objection


def test_a_latency_that_grows_more_slowly_than_its_output_is_overhead():
    rows = timed(rows_of(h=(8, 16, 32, 64)), lambda case: 1e-5 * case.spatial[0] ** 0.5)  # h x w entries are written
    law = along("h", rows)["kao_qkv:matmul"].laws["latency"]
    assert law.exponent is None
    assert "more slowly than the output" in law.objection


def test_points_that_scatter_have_an_interval_but_no_exponent():
    wild = {8: 1e-4, 16: 1e-2, 32: 2e-4, 64: 2e-2}
    law = along("h", timed(rows_of(h=tuple(wild)), lambda case: wild[case.spatial[0]]))["kao_kv:matmul"].laws["latency"]
    assert law.exponent is None
    assert law.high - law.low > 2
    assert "scatter" in law.objection


def test_who_overtakes_whom_is_told_from_the_measured_sizes():
    def seconds(case):
        size = case.spatial[0]
        return 1e-4 if case.operator == "kao_qkv" else 1e-6 * size**2  # equal at h = 10

    rows = timed(rows_of(h=(4, 8, 16, 32), operators=["nonlocal", "kao_qkv"]), seconds)
    (crossing,) = crossovers(rows)
    assert crossing.verdict.cheaper == "kao_qkv"
    assert (crossing.verdict.low, crossing.verdict.since, crossing.verdict.high) == (8, 10, 16)


def test_each_operator_races_with_its_fastest_implementation():
    def seconds(case):
        return {"matmul": 2.0, "sdpa": 1.0}[case.implementation] * (1 if case.operator == "nonlocal" else 3)

    rows = timed(rows_of(h=(4, 8, 16), operators=["nonlocal", "kao_qkv"]), seconds)
    (crossing,) = crossovers(rows)
    assert {(one.first, one.second) for one in crossing.verdict.ratios} == {("nonlocal:sdpa", "kao_qkv:sdpa")}
    assert [one.ratio for one in crossing.verdict.ratios] == pytest.approx([1 / 3] * 3)
    assert crossing.verdict.cheaper == "nonlocal"


def test_closed_forms_alone_have_no_crossover():
    assert crossovers(rows_of(h=(4, 8, 16))) == []


def test_time_that_grows_faster_than_its_arithmetic_says_so():
    def law(exponent):
        rows = timed(rows_of(h=(8, 16, 32, 64, 128)), lambda case: 1e-7 * case.spatial[0] ** exponent)
        return along("h", rows)["kao_qkv:matmul"].laws["latency"]

    assert law(2.4).outgrows_theory
    assert not law(2.2).outgrows_theory
    assert not law(1.5).outgrows_theory

"""The printed counts beside ours: the paper's own formula gives every printed digit."""

import pytest
from msgspec.structs import replace
from samples import measured_record

from kaoprof.dims import Dims
from kaoprof.records.reproduce import CUT_OFF, DIFFERS, ROUNDED
from kaoprof.reproducing import paper
from kaoprof.reproducing.tables import factor, match_of, network_figures, operator_figures


def test_every_printed_operator_count_is_ours_rounded():
    figures = operator_figures(())
    assert len(figures) == 12
    assert {figure.match for figure in figures} == {ROUNDED}
    by_name = {(figure.name, figure.at): figure.formula for figure in figures}
    assert by_name["nonlocal", "8 x 8 x 56 x 56"] == 157_552_640  # 2 N^2 c + N c^2 with N = 3136, c = 8
    assert by_name["kao_qkv", "8 x 8 x 14 x 14"] == 14_336  # 2 S^2 c + S c^2 with S = 28


def test_every_printed_saving_is_ours_too():
    for figure in operator_figures(()):
        if figure.reported_saving is not None:
            assert f"{100 * figure.saving:.2f}" == figure.reported_saving


def test_networks_match_to_the_digits_printed():
    figures = {(figure.name, figure.quantity): figure for figure in network_figures({})}
    assert figures["kanet-qkv", "MACs"].formula == pytest.approx(281.12e6, rel=1e-4)
    assert figures["mobilenetv2", "MACs"].formula == 300_774_272
    assert figures["mobilenetv2", "MACs"].match == CUT_OFF  # 300.77 is printed as 300
    assert {figure.match for figure in figures.values()} <= {ROUNDED, CUT_OFF, None}
    assert figures["kanet-kv", "parameters"].reported is None


def test_counts_are_taken_from_rows_that_count_as_the_paper_does():
    rows = measured_record().rows  # at 8 x 8 x 56 x 56
    figures = {(figure.name, figure.at): figure for figure in operator_figures(rows)}
    assert figures["kao_kv", "8 x 8 x 56 x 56"].counted == 5_626_880
    assert figures["kao_kv", "8 x 8 x 28 x 28"].counted is None
    others = [replace(row, case=replace(row.case, projection="qkv")) for row in rows]
    assert all(figure.counted is None for figure in operator_figures(others))


@pytest.mark.parametrize(
    ("reported", "ours", "match"),
    [
        ("0.63", 627_200, ROUNDED),
        ("300", 300_774_272, CUT_OFF),
        ("3.44", 3_449_000, CUT_OFF),
        ("300", 301_600_000, DIFFERS),
    ],
)
def test_a_match_says_how_the_printed_digits_follow(reported, ours, match):
    assert match_of(reported, ours) == match


def test_the_factor_grows_with_size_and_order():
    def at(*spatial):
        return factor(Dims(b=8, c=8, spatial=spatial), "macs")

    assert at(56, 56) == pytest.approx(157_552_640 / 207_872)
    assert at(14, 14) < at(28, 28) < at(56, 56)
    assert at(14, 14, 14) > at(14, 14)


def test_facts_are_complete():
    assert {len(printed) for printed in paper.OPERATOR_MACS.values()} == {len(paper.SIZES)}
    assert paper.SAVINGS_PERCENT.keys() == paper.OPERATOR_MACS.keys() - {paper.BASELINE}

"""Where Kronecker attention stands among its rivals, told of closed forms."""

from kaoprof import Options, compare
from kaoprof.findings.places import Places, places_of
from kaoprof.reporting.sentences.places import placed


def record_of(operators, h=(14, 56), **told):
    return compare(h=h, c=64, operators=operators, options=Options(analytic=True), **told)


def test_it_is_told_who_costs_the_same_who_less_and_whose_growth_is_hidden():
    record = record_of(["paper", "axial", "spatial_reduction", "linear", "gc", "coordinate"])
    assert places_of(record) == Places(
        like_kv=("axial",),
        below_qkv=("gc", "coordinate"),  # spatial_reduction has one key at 14 x 14, but 49 at 56 x 56
        like_regular=("spatial_reduction",),
        regular_order="O(h^4 c)",
        unprojected=("gc", "coordinate"),
    )
    assert placed(record) == [
        "The same MACs and the same map as kao_kv: axial (without projections).",
        "Fewer MACs than kao_qkv: gc and coordinate (without projections).",
        "Fewer MACs than nonlocal, and the same growth, O(h^4 c): spatial_reduction (without projections).",
        "Without values that could be projected: gc and coordinate.",
    ]


def test_what_holds_in_one_table_alone_is_not_told():
    record = record_of(["kao_qkv", "spatial_reduction"])
    assert places_of(record).below_qkv == ()
    assert places_of(record_of(["kao_qkv", "spatial_reduction"], h=14)).below_qkv == ("spatial_reduction",)


def test_without_rivals_or_without_the_papers_operators_nothing_is_told():
    assert placed(record_of(["paper"])) == []
    assert placed(record_of(["linear", "axial"], projection="none")) == []


def test_an_operator_that_has_no_meaning_there_has_no_place():
    record = compare(n=64, c=64, operators=["kao_qkv", "coordinate"], options=Options(analytic=True))
    assert places_of(record).below_qkv == ()

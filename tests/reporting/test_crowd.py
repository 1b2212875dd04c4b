"""Plots and tables of many operators: names at curves, colours for growth, each operator once."""

import pytest
from msgspec.structs import replace

from kaoprof.catalog import OPERATORS
from kaoprof.comparing.run import compare
from kaoprof.errors import UsageError
from kaoprof.records.options import Options
from kaoprof.reporting.document import Medium, words_of
from kaoprof.reporting.plots import style
from kaoprof.reporting.plots.chart import best_curves, curves_of, growth_class
from kaoprof.reporting.plots.crowd import classes_of, is_crowded, plot_crowd, spread
from kaoprof.reporting.tables.compare import page_of
from kaoprof.reporting.tables.grid import NamedRun, grid_of, grid_report


def record(**sizes):
    wanted = {"h": (16, 32, 64), "c": 64, "operators": ["all"], "projection": "none"} | sizes
    return compare(**wanted, options=Options(analytic=True))


def grid(**sizes):
    return grid_of([NamedRun(name="run", record=record(**sizes))])


def test_every_operator_is_named_at_its_curve_in_the_colour_of_how_it_grows():
    found = grid()
    figure = plot_crowd(found, found.blocks, ["macs"])
    names = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert set(OPERATORS) <= set(names)
    assert names["spatial_reduction"] == names["nonlocal"] == style.CLASS_COLOURS[4]  # h^4 in disguise
    assert names["axial"] == names["criss_cross"] == names["kao_kv"] == style.CLASS_COLOURS[3]
    assert names["kao_qkv"] == names["window"] == style.CLASS_COLOURS[2]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["MACs $\\sim h^4$", "MACs $\\sim h^3$", "MACs $\\sim h^2$", "MACs $\\sim h$"]


def test_the_class_is_known_where_all_spatial_sizes_grow():
    assert classes_of(grid(), grid().blocks)["coordinate"] == 1
    found = grid(h=(16, 32), w=8)
    assert growth_class(found.rows, "h") is None
    assert growth_class(found.rows, "c") is None


def test_few_operators_are_no_crowd():
    assert is_crowded(grid())
    assert not is_crowded(grid(operators=["paper"]))


def test_each_operator_stands_by_its_best_implementation():
    found = grid(operators=["paper"])
    curves = curves_of(found, found.blocks[0], "macs")
    worse = replace(curves[0], points=tuple(replace(point, value=point.value * 2) for point in curves[0].points))
    assert best_curves([worse, *curves[1:]])[0] == curves[1]
    assert len(best_curves(curves)) == 4


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        ([0.5], [0.5]),
        ([0.9, 0.1], [0.9, 0.1]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.5, 0.51, 0.52, 0.9], [0.41, 0.51, 0.61, 0.9]),
        ([1.0, 1.0], [0.85, 0.95]),  # none beyond the edge
        ([0.0, 0.02], [0.05, 0.15]),
    ],
)
def test_names_stand_as_near_to_their_curves_as_others_allow(wanted, placed):
    assert spread(wanted, 0.1) == pytest.approx(placed)


def names_in(shown):
    table = page_of(shown, Medium.SCREEN).blocks[0]
    return [words_of(row.cells[0]) for row in table.lines]


def test_a_table_of_many_says_once_what_implementations_share():
    assert sorted(names_in(record(h=56))) == sorted(OPERATORS)
    assert names_in(record(h=56, operators=["kao_kv"])) == ["kao_kv"]


def test_only_chooses_operators_and_implementations():
    run = NamedRun(name="run", record=record())
    only = {"operator": frozenset({"kao_kv", "axial"}), "implementation": frozenset({"sdpa"})}
    found = grid_report([run], x=None, only=only, quantities=None)
    assert {row.standing.row.case.name for row in found.rows} == {"kao_kv:sdpa", "axial:sdpa"}
    with pytest.raises(UsageError, match="no operator is called 'kao' in run"):
        grid_report([run], x=None, only={"operator": frozenset({"kao"})}, quantities=None)

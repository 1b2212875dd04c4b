"""Figures and tables in the widths of papers: as wide as asked, and compiled without an overfull box."""

import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest
from every_kind import every_kind
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from rendered import reported
from samples import grid_record, measured_record

from kaoprof.cli.app import run
from kaoprof.errors import UsageError
from kaoprof.records.measured import dumps
from kaoprof.reporting.document import Column, Page, Row, Table
from kaoprof.reporting.formats.latex import to_latex
from kaoprof.reporting.formats.paper_fit import fitted
from kaoprof.reporting.kinds import KINDS, written
from kaoprof.reporting.plots.files import figures_of
from kaoprof.reporting.tables.grid import NamedRun, grid_of
from kaoprof.reporting.widths import WIDTHS, Width, parse_width

TWO_COLUMNS = (
    r"\documentclass[10pt,twocolumn,letterpaper]{{article}}\usepackage[textwidth={},textheight=9in]{{geometry}}"
    r"\setlength{{\columnsep}}{{{}}}"
)
LAYOUTS = {  # in Computer Modern, which is wider than the Times of these papers
    "neurips": r"\documentclass{article}\usepackage[textwidth=5.5in,textheight=9in,letterpaper]{geometry}",
    "cvpr": TWO_COLUMNS.format("6.875in", "0.375in"),
    "ieee": TWO_COLUMNS.format("516pt", "12pt"),
    "4in": r"\documentclass{article}\usepackage[textwidth=4in,textheight=9in,letterpaper]{geometry}",
}
PAPERS = [("neurips", "neurips"), ("cvpr", "cvpr"), ("cvpr", "cvpr-wide"), ("ieee", "ieee"), ("ieee", "ieee-wide"),
          ("4in", "4in")]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("cvpr", Width(3.25)),
        ("ieee-wide", Width(7.16, across=True)),
        ("84mm", Width(84 / 25.4)),
        ("12.7 cm", Width(5.0)),
        ("361.35pt", Width(5.0)),
        (None, None),
    ],
)
def test_a_width_is_a_papers_name_or_an_amount(text, width):
    read = parse_width(text)
    assert (read and (round(read.inches, 9), read.across)) == (width and (round(width.inches, 9), width.across))


@pytest.mark.parametrize("text", ["cvrp", "5", "1in", "50in", "-3in", "3in in", "", "nan in"])
def test_what_is_no_width_is_refused_with_what_is(text):
    with pytest.raises(UsageError) as caught:
        parse_width(text)
    assert caught.value.where == "--width"
    assert caught.value.hint


def figure(record, width):
    grid = grid_of([NamedRun(name="run", record=record)])
    (drawn,) = figures_of(grid, None, WIDTHS[width].inches)
    return drawn


@pytest.mark.parametrize(("width", "across"), [("neurips", 3), ("cvpr", 1), ("ieee-wide", 3)])
def test_a_figure_is_as_wide_as_asked_its_panels_below_each_other_where_there_is_no_room(width, across):
    drawn = figure(grid_record(), width)
    assert drawn.get_size_inches()[0] == WIDTHS[width].inches
    assert {axes.get_subplotspec().get_geometry()[1] for axes in drawn.axes} == {across}


def test_bars_below_each_other_have_names_each():
    names = [[label.get_text() for label in axes.get_yticklabels()] for axes in figure(measured_record(), "cvpr").axes]
    assert [len(labels) for labels in names] == [4, 4, 4]
    beside = figure(measured_record(), "cvpr-wide").axes
    assert [sum(bool(label.get_text()) for label in axes.get_yticklabels()) for axes in beside] == [4, 0, 0]


def test_the_command_line_takes_a_width_for_figures_and_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run.json").write_text(dumps(measured_record()))
    assert run(["report", "run.json", "--width", "cvpr", "--to", "run.tex", "--to", "run.svg"]) == 0
    assert 'width="234pt"' in Path("run.svg").read_text()
    text = Path("run.tex").read_text()
    assert r"\begin{table}" in text
    assert r"\label{tab:run}" in text
    assert run(["report", "run.json", "--width", "wide"]) == 2


def test_what_has_no_room_is_left_out_in_order_and_said_for_the_author():
    columns = (Column("operator", words=True), Column("MACs"), Column("order", optional=2), Column("error", optional=1))
    table = Table(title="a", columns=columns, rows=(("kao_qkv", "157.55 M", "O(h^2 c)", "1e-06"),))
    assert [part.left_out for part in fitted(table, 500)] == [()]
    assert [part.left_out for part in fitted(table, 120)] == [("order",)]
    assert [part.left_out for part in fitted(table, 90)] == [("order", "error")]
    explained = replace(table, notes=("order: of the MACs.", "MACs: of one sample."))
    printed = to_latex(Page(blocks=(explained,)), Width(90 / 72.27))
    assert "% for this width without: order, error" in printed
    assert "of one sample" in printed
    assert "of the MACs" not in printed


def test_a_table_that_is_longer_than_a_page_goes_on_in_another_with_a_label_of_its_own():
    columns = (Column("layer", words=True), Column("MACs"))
    rows = [Row((f"layer{number}", str(number))) for number in range(150)]
    rows[-1:] = [Row(("TOTAL", "9"), total=True)]
    table = Table(title="a net. Its layers", columns=columns, rows=tuple(rows), notes=("of one sample",))
    for width in (None, Width(3.25)):
        parts = to_latex(Page(blocks=(table,)), width, "net").split(r"\begin{table}")[1:]
        assert re.findall(r"layer\d+", "".join(parts)) == [f"layer{number}" for number in range(149)]
        assert re.findall(r"\\label\{(.*)\}", "".join(parts)) == ["tab:net", "tab:net-2", "tab:net-3"]
        assert max(part.count("layer") for part in parts) < 65  # lines of 9.5 pt, of 640
        assert ["of one sample" in part for part in parts] == [True, False, False]
        assert ["A net, continued." in part for part in parts] == [False, True, True]
    blocks = [row for name in "ab" for row in (Row((name,)), *(Row((f"{name}{n}", "1")) for n in range(55)))]
    shown = to_latex(Page(blocks=(replace(table, rows=tuple(blocks)),)))
    assert shown.index("a54 &") < shown.index("continued") < shown.index("{b}")


def test_groups_that_have_no_room_beside_each_other_stand_below_each_other():
    columns = (Column("h", is_formula=True), *(Column(name, group=group) for group in "ab" for name in ("x", "y")))
    rows = (Row(("14", "1", "2", "3", "4")), Row(("28", "5", "6", "7", "8")))
    table = Table(title="t", columns=columns, rows=rows)
    (part,) = fitted(table, 40)
    assert [column.header for column in part.table.columns] == ["h", "x", "y"]
    assert [len(row.cells) for row in part.table.lines] == [1, 3, 3, 1, 3, 3]
    assert part.table.lines[4].cells == ("14", "3", "4")


def test_every_table_has_a_label_of_its_own():
    text = written(reported(grid_record(), name="My Run/2"), "tex")
    labels = re.findall(r"\\label\{([^}]*)\}", text)
    assert labels[:2] == ["tab:my-run-2", "tab:my-run-2-2"]
    assert len(set(labels)) == text.count(r"\caption") == len(labels)


@cache
def records():
    with tempfile.TemporaryDirectory() as folder:
        return {"grid": grid_record(), "deep": profile_record(deep(120)), **every_kind(Path(folder))}


def deep(layers):
    """A model of so many layers beside each other."""
    small = model("deep", 0.01)
    more = tuple(replace(small.layers[1], layer=f"features.{number}.conv") for number in range(layers))
    return replace(small, layers=(small.layers[0], *more))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX: apt-get install texlive-latex-recommended")
@pytest.mark.parametrize(("layout", "width"), PAPERS, ids=[width for _, width in PAPERS])
def test_every_kind_of_record_is_set_without_an_overfull_box(layout, width, tmp_path):
    told = parse_width(width)
    bodies = [written(replace(report_of(record), width=told), "tex") for record in records().values()]
    document = "\n".join([
        LAYOUTS[layout], r"\usepackage{booktabs,textcomp}\extrafloats{100}\begin{document}Text.",
        *(f"{body}\n\\clearpage" for body in bodies), r"\end{document}",
    ])  # fmt: skip
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2000:]
    assert re.findall(r"(?:Overfull \\[hv]box|Float too large).*(?:\n.*){3}", said) == []


def report_of(record):
    report = reported(record)
    return report if record.kind == "sweep" or not KINDS[record.kind].is_grid else replace(report, grid=None)

"""Names that somebody else chose, in every format: they are shown, and do nothing."""

import csv
import io
import shutil
import subprocess
from operator import itemgetter

import pytest
from msgspec.structs import replace
from rendered import reported
from samples import grid_record, measured_record
from test_pages import read

from kaoprof.reporting.formats.csv import cell_text, csv_parts
from kaoprof.reporting.formats.html import escape as escape_html
from kaoprof.reporting.formats.latex import escape as escape_latex
from kaoprof.reporting.formats.markdown import escape as escape_markdown
from kaoprof.reporting.formats.plain import visible
from kaoprof.reporting.kinds import written as written_report

SCRIPT = "<script>alert(1)</script>"
HOSTILE = [
    SCRIPT, r"\input{/etc/passwd}", "=cmd|' /C calc'!A0", "a\n\nb", "a\u202egnp.b", "`x` | *y*", '"><img src=x>',
    "&lt;", "$x$ --y", "%\r\n=1+1", "@SUM(1)", "\x00\x1b[31m",
]  # fmt: skip


def hostile(name, record):
    rows = tuple(replace(row, case=replace(row.case, operator=name), detail=name) for row in record.rows)
    environment = replace(record.environment, device_name=name, backends=(name,))
    return replace(record, rows=rows, baseline=name, environment=environment)


def written(suffix, name, record):
    return written_report(reported(hostile(name, record), quantities=(), name=name), suffix)


@pytest.mark.parametrize("record", [grid_record(), measured_record()], ids=["grid", "cell"])
@pytest.mark.parametrize("name", HOSTILE)
def test_in_a_page(name, record):
    reader = read(written("html", name, record))
    assert reader.tags.count("script") == 1
    assert "img" not in reader.tags
    assert any(visible(name) in text for text in reader.texts)


@pytest.mark.parametrize("name", HOSTILE)
def test_in_a_spreadsheet(name):
    for row in csv.reader(io.StringIO(written("csv", name, grid_record()))):
        assert not any(field.lstrip().startswith(("=", "+", "@", "\t", "\r")) for field in row)
        assert len(row) == len(next(csv.reader(io.StringIO(written("csv", "plain", grid_record())))))


def test_numbers_stay_numbers_in_a_spreadsheet():
    columns = {name: itemgetter(name) for name in "abcd"}
    lines = csv_parts(columns, [("x", [{"a": -1.5, "b": -3, "c": 0.1, "d": None}])])
    assert "".join(lines) == "a,b,c,d\n-1.5,-3,0.1,\n"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\n=1", " =1", "＝1", "＋1", "－1", "＠x"])
def test_a_text_that_could_be_a_formula_begins_with_a_quote(text):
    assert cell_text(text).startswith("'")


@pytest.mark.parametrize("name", HOSTILE)
def test_in_markdown_a_row_stays_a_row(name):
    text = written("md", name, grid_record())
    table = [line for line in text.splitlines() if line.startswith("|")]
    bars = {line.replace(r"\|", "").count("|") for line in table if "operator" not in line}
    assert len(bars) <= 2  # one for each kind of table
    assert "<script>" not in text.replace(r"\<script\>", "")


def test_each_format_has_its_own_escapes():
    assert escape_html(SCRIPT) == "&lt;script&gt;alert(1)&lt;/script&gt;"
    assert escape_html("'\"") == "&#x27;&quot;"
    assert escape_markdown("a|b`c&lt;~d~") == r"a\|b\`c\&lt;\~d\~"
    assert escape_latex(r"\input{x} --force") == r"\textbackslash{}input\{x\} -{}-force"


def test_what_cannot_be_seen_is_shown_as_its_code():
    assert visible("a\u202eb\x00c\u200bd\ne") == "a\\u202eb\\u0000c\\u200bd e"


def compiled(body, folder):
    """What pdflatex says of `body` in a paper with two columns."""
    packages = r"\usepackage[margin=0.75in,letterpaper]{geometry}\usepackage{booktabs,textcomp}"
    document = rf"\documentclass[twocolumn]{{article}}{packages}\begin{{document}}{body}\end{{document}}"
    (folder / "paper.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2000:]
    return said


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX installation")
@pytest.mark.parametrize("record", [grid_record(), measured_record()], ids=["grid", "cell"])
def test_in_latex_it_compiles_and_reads_no_file(tmp_path, record):
    assert "(/etc/passwd" not in compiled(written("tex", " ".join(HOSTILE), record), tmp_path)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX installation")
def test_a_grid_stays_within_the_columns_of_a_paper(tmp_path):
    assert "Overfull" not in compiled(written_report(reported(grid_record()), "tex"), tmp_path)

"""Golden files for explanations; expressions as they are read; the LaTeX of a real one compiles."""

import io
import json
import shutil
import subprocess

import pytest
from explained import explanation, refuted, share
from msgspec.structs import replace
from rich.console import Console

from kaoprof.report.explain_cells import dominating, share_rows, warnings_of
from kaoprof.report.explain_console import explain_to_console
from kaoprof.report.formats import EXPLAIN_FORMATS
from kaoprof.report.mathematics import breakable, closing, order_latex, pretty


def on_screen(explained, width, **how):
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(explain_to_console(explained, **how))
    return console.file.getvalue()


@pytest.mark.parametrize(("width", "full"), [(80, False), (120, False), (80, True)])
def test_an_explanation_on_a_terminal(check_golden, width, full):
    text = on_screen(explanation(), width, full=full)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    check_golden(f"explain-{width}{'-full' if full else ''}.txt", text)


@pytest.mark.parametrize("name", EXPLAIN_FORMATS)
def test_each_file_format(check_golden, name):
    check_golden(f"explain.{name}", EXPLAIN_FORMATS[name](explanation()))


def test_json_says_what_it_is():
    loaded = json.loads(EXPLAIN_FORMATS["json"](explanation()))
    assert (loaded["schema"], loaded["kind"], loaded["proof_status"]) == (1, "explain", "formula = derivation")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX installation")
def test_the_latex_compiles_without_a_line_that_sticks_out(tmp_path):
    body = EXPLAIN_FORMATS["tex"](explanation())
    document = rf"\documentclass{{article}}\usepackage{{booktabs,textcomp}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "paper.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull" not in log


def test_a_refuted_formula_is_printed_with_its_difference():
    text = " ".join(on_screen(refuted(), 80).split())
    assert "NO PROOF of MACs: formula 2 b c (h + w)^2, derived 2 b c (h + w)^2, derived - formula = b." in text
    assert warnings_of(refuted())[0].startswith("NO PROOF of MACs")


def test_shares_of_what_is_folded_still_add_up():
    parts = tuple(share(f"{number}th bmm", "m", "b", 0.01 * number) for number in range(1, 14))  # 1 + ... + 13 = 91 %
    rows = share_rows(parts, full=False)
    assert [row.name for row in rows] == [f"{number}th bmm" for number in range(3, 14)] + ["2 more"]
    assert rows[-1].macs_share == "3.0 %"
    assert len(share_rows(parts, full=True)) == 13


def test_where_no_operation_stands_out_blocks_are_named():
    operations = tuple(share(f"{number}th bmm", "m", "b", 0.1) for number in range(10))
    assert dominating(replace(explanation(), operations=operations)).startswith("attention does 100.0 % of the MACs")


def test_rounding_is_written_with_signs():
    assert pretty("b Max(c, ceiling((h + 1)/2)) + floor(w/2)") == "b max(c, ⌈(h + 1)/2⌉) + ⌊w/2⌋"
    with pytest.raises(ValueError, match="stays open"):
        closing("(a", 1)


def test_latex_may_break_over_lines():
    assert breakable(r"\max\left(a, b\right)") == r"\max(a,\allowbreak b)"
    assert order_latex("O(h^12 c)") == "$O(h^{12} c)$"

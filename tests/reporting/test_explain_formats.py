"""Golden files for explanations; expressions as they are read; the LaTeX of a real one compiles."""

import json
import shutil
import subprocess

import msgspec
import pytest
from explained import explanation, interpolated, of_code, refuted, share, trained
from msgspec.structs import replace
from rendered import on_screen, written

from kaoprof.records.explain import Explanation
from kaoprof.reporting.formats.mathematics import breakable, order_latex, pretty
from kaoprof.reporting.sentences.explain import dominating, inputs_of, order_note, warnings_of
from kaoprof.reporting.tables.explain import share_rows, title_of


@pytest.mark.parametrize(("width", "full"), [(80, False), (140, False), (80, True)])
def test_an_explanation_on_a_terminal(check_golden, width, full):
    text = on_screen(explanation(), width, full=full)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    check_golden(f"explain-{width}{'-full' if full else ''}.txt", text)


@pytest.mark.parametrize("name", ["json", "md", "tex"])
def test_each_file_format(check_golden, name):
    check_golden(f"explain.{name}", written(explanation(), name))


def test_json_says_what_it_is():
    loaded = json.loads(written(explanation(), "json"))
    assert (loaded["schema"], loaded["kind"], loaded["proof_status"]) == (1, "explain", "formula = derivation")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX installation")
@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
@pytest.mark.parametrize("make", [explanation, trained, interpolated, of_code])
def test_the_latex_compiles_without_a_line_that_sticks_out(tmp_path, make, columns):
    body = written(make(), "tex")
    start = rf"\documentclass[{columns}]{{article}}\usepackage{{booktabs,textcomp}}\begin{{document}}"
    (tmp_path / "paper.tex").write_text(f"{start}\n{body}\n\\end{{document}}")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull" not in log


def test_a_small_table_stands_in_one_column_of_a_paper_and_a_wide_one_across_both():
    assert r"\begin{table}" in written(interpolated(), "tex")
    assert r"\begin{table*}" in written(trained(), "tex")


def test_the_latex_says_in_which_submodule_and_pass_an_operation_is():
    lines = written(trained(), "tex").splitlines()
    start = next(number for number, line in enumerate(lines) if "of which" in line)
    assert [line.split(" & ")[0] for line in lines[start + 1 : start + 5]] == [
        r"\multicolumn{4}{@{}l}{in attention:} \\",
        r"\quad 1st bmm",
        r"\multicolumn{4}{@{}l}{in attention.values, backward:} \\",
        r"\quad 1st convolution",
    ]


def test_the_latex_tells_what_its_rows_mean_and_where_they_hold():
    text = written(explanation(), "tex")
    for told in ("FLOPs: all arithmetic", "Largest tensor: elements", "Order: as all spatial", r"h $\geq$ 3",
                 r"b $\lceil$h/2$\rceil$ \textless{} 16"):  # fmt: skip
        assert told in text


def test_why_there_is_no_formula_is_a_comment_of_the_latex_and_a_note_elsewhere():
    text = written(interpolated(), "tex")
    reasons = [line for line in text.splitlines() if "unflatten" in line]
    assert reasons == ["% interpolated exactly from 9 concrete counts on meta, because unflatten got \\u001b an error"]
    assert "unflatten" in written(interpolated(), "md")


@pytest.mark.parametrize("form", ["screen", "md", "tex"])
def test_a_peak_without_a_formula_is_given_at_the_sizes_asked_for(form):
    text = on_screen(interpolated(), 80) if form == "screen" else written(interpolated(), form)
    (row,) = [line for line in text.splitlines() if line.strip("| ").startswith(("peak bytes", "peak memory"))]
    assert "predicted at these sizes" in row
    assert "3.73" in row
    assert "MiB" in row
    assert ("peak of the whole call" if form == "screen" else "Peak: allocated during the call") in " ".join(
        text.split()
    )


def test_the_legend_tells_only_what_there_is():
    bare = replace(interpolated(), counted={"macs": 1})
    text = " ".join(on_screen(bare, 80).split())
    assert "Largest tensor:" not in text
    assert "Peak:" not in text


def test_code_is_named_with_its_arguments_and_its_input():
    assert title_of(of_code()) == (
        "mine:Window(c, heads=4), forward, fp32; input b x c x 7 h x 7 w; values at b=2 c=8 h=14 w=15"
    )
    caption = (
        r"Cost of mine:Window(c, heads=4) (forward, fp32); input b $\times$ c $\times$ 7 h $\times$ 7 w; values at b"
    )
    assert caption in written(of_code(), "tex")
    assert "input b x c x 7 h x 7 w" in written(of_code(), "md")
    assert inputs_of(replace(of_code(), inputs=("b,n,c", "b,m,c"))) == "inputs b x n x c and b x m x c"


def test_an_operator_is_only_named():
    assert title_of(replace(explanation(), arguments=("heads=1",))).startswith("kao_x, forward")


def test_an_older_record_without_inputs_is_still_read():
    older = json.loads(written(explanation(), "json"))
    del older["inputs"], older["arguments"], older["proof_status"]
    assert msgspec.convert(older, Explanation) == explanation()


def test_what_has_no_macs_has_no_share_of_them_when_summed_up():
    parts = tuple(share(f"{number}th mul", "m", "0", 0.0) for number in range(12))
    many = (share("1st bmm", "m", "b", 1.0), *parts)
    assert share_rows(many, full=False)[-1][3] == ""


def test_a_refuted_formula_is_printed_with_its_difference():
    text = " ".join(on_screen(refuted(), 80).split())
    assert "NO PROOF of MACs: formula 2 b c (h + w)^2, derived 2 b c (h + w)^2, derived - formula = b." in text
    assert warnings_of(refuted())[0].startswith("NO PROOF of MACs")


def test_shares_of_what_is_folded_still_add_up():
    parts = tuple(share(f"{number}th bmm", "m", "b", 0.01 * number) for number in range(1, 14))  # 1 + ... + 13 = 91 %
    rows = share_rows(parts, full=False)
    assert [row[0] for row in rows] == [f"{number}th bmm" for number in range(3, 14)] + ["2 more"]
    assert rows[-1][3] == "3.0 %"
    assert len(share_rows(parts, full=True)) == 13


def test_where_no_operation_stands_out_blocks_are_named():
    operations = tuple(share(f"{number}th bmm", "m", "b", 0.1) for number in range(10))
    assert dominating(replace(explanation(), operations=operations)).startswith("attention does 100.0 % of the MACs")


def test_an_order_says_which_sizes_grow_and_flops_whether_all_are_counted():
    told = replace(explanation(), growing=("t", "h", "w"), uncounted={})
    assert order_note(told) == "Order: as t, h and w grow together, per sample"
    assert order_note(replace(told, growing=("n",))) == "Order: as n grows, per sample"
    assert dominating(told).endswith("of all FLOPs are outside of contractions.")
    lacking = replace(told, uncounted={"_fft_r2c": 1})
    assert dominating(lacking).endswith("of the FLOPs that rules count are outside of contractions.")


def test_rounding_is_written_with_signs():
    assert pretty("b Max(c, ceiling((h + 1)/2)) + floor(w/2)") == "b max(c, ⌈(h + 1)/2⌉) + ⌊w/2⌋"


def test_latex_may_break_over_lines():
    assert breakable(r"\max\left(a, b\right)") == r"\max(a,\allowbreak b)"
    assert breakable(r"2 b^{2} \left(a + b\right)") == r"2 b^{2} \penalty800 (a + b)"
    assert order_latex("O(h^12 c)") == "$O(h^{12} c)$"

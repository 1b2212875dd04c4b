"""Golden files for every format; and nothing that a user named can break out of any of them."""

import csv
import io
import json
import shutil
import subprocess

import pytest
from msgspec.structs import replace
from rendered import on_screen, written
from samples import analytic_record, measured_record

from kaoprof.errors import UsageError
from kaoprof.reporting.columns.compare import COLUMNS
from kaoprof.reporting.formats.latex import escape as escape_latex
from kaoprof.reporting.formats.latex import escape_sentence, lines_of
from kaoprof.reporting.formats.markdown import escape as escape_markdown
from kaoprof.reporting.kinds import format_of

SCHEMA_1 = (
    "schema,operator,implementation,b,t,h,w,n,c,heads,projection,scale,dtype,device,mode,threads,status,detail,"
    "order_time,order_memory,params,macs_analytic,macs_counted,macs_fvcore,flops_all,uncounted,"
    "map_bytes,peak_bytes_predicted,peak_bytes_measured,"
    "latency_s,latency_low_s,latency_high_s,latency_samples,speedup,speedup_low,speedup_high,"
    "macs_ratio,memory_ratio,flops_per_byte,env"
)
APPENDED = (
    "floor_s,times_floor,bound,bound_reason,operations,moved_bytes,backend,error_fp64,error_fp64_rms,compile_s,"
    "energy_j,cache,graph_breaks,unmodelled,page_faults,system_share,options,macs_batch,closed_form,code,"
    "quiet_s,quiet_low_s,quiet_high_s,quiet_speedup,quiet_speedup_low,quiet_speedup_high,quiet_share,processes"
)


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_on_a_terminal(check_golden, width):
    text = on_screen(measured_record(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    check_golden(f"compare-{width}.txt", text)


def test_compiled_rows_fit_too():
    record = measured_record()
    longest = [replace(row, case=replace(row.case, operator="nonlocal_pool", implementation="matmul+compile"))
               for row in record.rows]  # fmt: skip
    text = on_screen(replace(record, rows=tuple(longest)), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_the_analytic_table_on_a_terminal(check_golden):
    text = on_screen(analytic_record(), 80)
    assert "…" not in text
    check_golden("analytic-80.txt", text)


@pytest.mark.parametrize("name", ["csv", "json", "md", "tex"])
def test_each_file_format(check_golden, name):
    check_golden(f"compare.{name}", written(measured_record(), name))


def test_the_columns_are_those_of_schema_1_in_order_and_then_what_was_appended():
    assert ",".join(COLUMNS) == f"{SCHEMA_1},notes,{APPENDED}"


def test_csv_holds_raw_values_and_leaves_the_unknown_empty():
    rows = list(csv.DictReader(io.StringIO(written(measured_record(), "csv"))))
    assert rows[0]["latency_s"] == ""
    assert rows[0]["status"] == "skipped"
    assert int(rows[3]["macs_analytic"]) == int(rows[3]["macs_counted"]) == int(rows[3]["macs_fvcore"]) == 207_872
    assert float(rows[3]["latency_low_s"]) < float(rows[3]["latency_s"]) < float(rows[3]["latency_high_s"])
    assert rows[3]["t"] == rows[3]["n"] == ""
    flops, compulsory_bytes = int(rows[3]["flops_all"]), 4 * (2 * 8 * 8 * 56 * 56 + 64)
    assert float(rows[3]["flops_per_byte"]) == pytest.approx(8 * flops / compulsory_bytes)


def test_a_text_that_a_spreadsheet_would_run_is_disarmed():
    record = measured_record()
    hostile = replace(record, rows=(replace(record.rows[0], detail="=cmd|'/c calc'!A1"),))
    (row,) = csv.DictReader(io.StringIO(written(hostile, "csv")))
    assert row["detail"] == "'=cmd|'/c calc'!A1"


def test_latex_and_markdown_take_nothing_literally():
    assert escape_latex(r"\input{x} 5% $a_b$ & ~^#") == (
        r"\textbackslash{}input\{x\} 5\% \$a\_b\$ \& \textasciitilde{}\textasciicircum{}\#"
    )
    assert escape_markdown("<script> | *x*") == r"\<script\> \| \*x\*"


def test_json_is_the_record():
    assert json.loads(written(measured_record(), "json"))["rows"][0]["status"] == "skipped"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs a LaTeX installation")
def test_the_latex_compiles(tmp_path):
    body = written(measured_record(), "tex")
    document = rf"\documentclass{{article}}\usepackage{{booktabs,textcomp}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "paper.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


@pytest.mark.parametrize(
    ("name", "hint"), [("x.cvs", "did you mean 'csv'"), ("x", "end the name in one of"), ("x.tex.gz", "gz")]
)
def test_an_unknown_suffix_is_refused(tmp_path, name, hint):
    with pytest.raises(UsageError, match=hint):
        format_of(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("arithmetic: O(h^4 c) against O(h^2 c).", r"arithmetic: $O(h^{4} c)$ against $O(h^{2} c)$."),
        ("kao_kv h^3.46, at 14^3", r"kao\_kv $h^{3.46}$, at $14^{3}$"),
        ("1.19x the h; input 8 x 64 x 28", r"1.19$\times$ the h; input 8$\times$64$\times$28"),
        ("70.4-75.0 on 2026-11-21", "70.4--75.0 on 2026-11-21"),
        ("a 2x4 box^, max-8", r"a 2x4 box\textasciicircum{}, max-8"),  # names stay what they are
    ],
)
def test_a_sentence_in_latex_has_its_mathematics(text, latex):
    assert escape_sentence(text) == latex


def test_an_interval_s_header_does_not_break_before_its_sign():
    assert lines_of("latency 95 %") == ["latency", "95 %"]
    assert lines_of("95 % interval") == ["95 %", "interval"]
    assert lines_of("95 %") == ["95 %"]
    assert lines_of("claim, what was found, and by which rule") == ["claim, what was found, and by which rule"]


@pytest.mark.parametrize("name", ["md", "tex"])
def test_closed_forms_alone_leave_no_empty_columns(name):
    text = written(analytic_record(), name)
    assert "MACs" in text
    assert not any(word in text for word in ("Latency", "latency", "floor", "Peak", "peak", "predicted"))


def test_a_dumb_terminal_gets_the_table_that_fits_it(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    text = on_screen(measured_record(), 80)
    assert "…" not in text
    assert "(95 %)" in text
    assert max(map(len, text.splitlines())) <= 80

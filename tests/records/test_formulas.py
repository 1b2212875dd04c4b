"""Formulas are parsed whenever a record is read or made: what is none makes it malformed."""

import json

import pytest
from explained import explanation
from msgspec.structs import replace
from samples import measured_record

from kaoprof.errors import RecordError
from kaoprof.records.formulas import DEEPEST, check_expression, check_latex, check_order
from kaoprof.records.measured import dumps
from kaoprof.records.reading import load_records
from kaoprof.reporting.formats.mathematics import pretty

FORMULAS = [
    "0", "2 b c (h + w)^2", "Max(b (h + w)^2, 4 b c)", "b c ceiling(h/2) - floor((w - 1)/3)", "-b + 2 c^(-1)", "1.5e-3",
    "h >= 3", "Piecewise((b, c < 3), (2 b, True))", "(b > 1) & (c < 2)", "sqrt(h_0) Mod(h, 7)",
]  # fmt: skip
NONE = [
    "", " ", "Max(b", "b)", "b +", "* b", "a, b", "f()", "b (, c)", "b^", "`x`", "<img src=x>", "b\nc \x1b",
    "\\input{x}",    "javascript:alert", "٣ b", "b + “c”", "x" * 100, "[1]",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_what_explain_writes_is_a_formula(text):
    check_expression(text)


@pytest.mark.parametrize("text", NONE)
def test_all_else_is_none(text):
    with pytest.raises(ValueError, match="no formula"):
        check_expression(text)
    with pytest.raises(ValueError, match="no formula"):
        check_order(f"O({text})")


def test_orders_and_latex_are_what_they_say():
    check_order("O(h^2 c + h^4)")
    check_latex(r"\frac{1}{4} b \left(c + h w\right)")
    check_latex(r"\begin{cases} b & \text{for}\: c < 3 \\2 b & \text{otherwise} \end{cases}")
    for text in ("h^2", r"\input{/etc/passwd}\immediate\write18{id}"):
        with pytest.raises(ValueError, match="no formula"):
            check_order(text)
    for text in (r"\input{/etc/passwd}", "x}^^5cinput{y", "a & b", "a\x1b", r"\begin{verbatim}", "a $ b", "%"):
        with pytest.raises(ValueError, match="no formula"):
            check_latex(text)


def test_brackets_have_an_end():
    check_expression("(" * DEEPEST + "b" + ")" * DEEPEST)
    with pytest.raises(ValueError, match="brackets inside each other"):
        check_expression("(" * (DEEPEST + 1) + "b" + ")" * (DEEPEST + 1))


def test_a_sentence_with_brackets_that_stay_open_is_shown_as_it_is():
    assert pretty("Max(b and floor(c") == "Max(b and floor(c"
    assert pretty("Max(a, " * 3000 + ")" * 3000).count("max(a, ") == 3000


EVERY = [
    *(("explain", ("formulas", 0, name)) for name in ("text", "latex", "expanded", "on_multiples", "order", "here",
                                                     "here_latex")),
    *(("explain", ("blocks", 0, name)) for name in ("macs", "macs_latex", "flops_all", "order")),
    *(("explain", ("proof", 0, name)) for name in ("formula", "derived", "difference")),
    *(("compare", ("rows", 0, "analytic", name)) for name in ("order_time", "order_memory")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path"), EVERY, ids=str)
def test_a_record_with_what_is_no_formula_is_damaged(kind, path, tmp_path):
    record = json.loads(dumps(explanation() if kind == "explain" else measured_record()))
    holder = record
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = "Max(\\write18{id}"
    (tmp_path / "x.json").write_text(json.dumps(record))
    with pytest.raises(RecordError, match="is no formula"):
        load_records(tmp_path / "x.json")


def test_nothing_is_made_with_what_is_no_formula():
    with pytest.raises(ValueError, match="no formula"):
        replace(explanation().formulas[0], text="<b>")

"""An explanation as JSON, Markdown and LaTeX."""

import json
import re
from collections.abc import Sequence
from itertools import groupby

import msgspec

from kaoprof.records.explain import PROVEN, Explanation, Formula, Share
from kaoprof.reporting.document import CHARACTER_PT, GAP_PT
from kaoprof.reporting.formats.latex import TIMES, WIDE, booktabs, escape_sentence
from kaoprof.reporting.formats.latex import escape as escape_latex
from kaoprof.reporting.formats.markdown import escape as escape_markdown
from kaoprof.reporting.formats.markdown import table_line
from kaoprof.reporting.formats.mathematics import breakable, order_latex
from kaoprof.reporting.formats.plain import visible
from kaoprof.reporting.tables.explain import (
    LABELS,
    NO_FORMULA,
    call_of,
    domain_line,
    dominating,
    formula_rows,
    foundations,
    incomplete_lines,
    inputs_of,
    legend_of,
    multiples_of,
    name_of_part,
    peak_alone,
    percent,
    ranked_parts,
    share_rows,
    title_of,
    title_of_part,
    value_of,
)

MOST_LATEX = 400  # signs of LaTeX: a longer formula is written as it is at the sizes asked for
MOST_PARTS = 6  # contractions that the LaTeX table names
LEAST_SHARE = 0.01  # of all MACs, for a contraction to be named there
HEADERS = ("Quantity", "Expression", "Order", "Value")
COLUMN_PT = 200.0  # the narrowest that a paper of two columns has: LaTeX's own `article`
LEAST_EXPRESSION_PT = 60.0  # in less a formula becomes a tower of single factors
WHY = re.compile("interpolated exactly|no formula of the peak|the peak is no polynomial")  # notes for the author alone
SIGNS = {
    r"\textgreater{}=": r"$\geq$",
    r"\textless{}=": r"$\leq$",
    "⌈": r"$\lceil$",
    "⌉": r"$\rceil$",
    "⌊": r"$\lfloor$",
    "⌋": r"$\rfloor$",
}


def explain_to_json(explanation: Explanation) -> str:
    """Everything, as it is."""
    return json.dumps(explanation.as_json(), indent=1, ensure_ascii=False) + "\n"


def explain_to_markdown(explanation: Explanation) -> str:
    """The formulas, the parts and the sentences, for a README or a pull request."""
    lines = [f"**{escape_markdown(title_of(explanation))}**", ""]
    lines += [table_line(("", "formula", "order", "value")), table_line(("---", "---", "---", "---:"))]
    for row in formula_rows(explanation, full=False):
        cell = " ".join(filter(None, (_code(row.expression), escape_markdown(row.remark))))
        lines.append(table_line((row.label, cell, _code(row.order), row.value)))
    for kind, parts in (("submodule", explanation.blocks), ("operation", explanation.operations)):
        if len(parts) > 1:
            lines += ["", *_markdown_shares(kind, parts)]
    sentences = (dominating(explanation), *foundations(explanation), *legend_of(explanation))
    return "\n".join([*lines, "", *(f"- {escape_markdown(sentence)}" for sentence in sentences)]) + "\n"


def _markdown_shares(kind: str, parts: tuple[Share, ...]) -> list[str]:
    modules = kind == "operation"
    headers = (kind, *(("in",) if modules else ()), "MACs", "of MACs", "of FLOPs")
    lines = [table_line(headers), table_line([*["---"] * (len(headers) - 2), "---:", "---:"])]
    for row in share_rows(parts, full=False):
        names = (row.name, row.module) if modules else (row.name,)
        lines.append(table_line((*map(escape_markdown, names), _code(row.macs), row.macs_share, row.flops_share)))
    return lines


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


class LatexRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the LaTeX table: plain texts, and an expression in LaTeX already; a heading is only a label."""

    label: str
    expression: str = ""
    order: str = ""
    value: str = ""

    @property
    def is_heading(self) -> bool:
        """Whether the label stands across all columns."""
        return not self.value


def explain_to_latex(explanation: Explanation) -> str:
    """A booktabs table of the formulas, with the contractions that cost most; needs only the package booktabs.

    In one column of a paper if it fits one, else across both. Why something has no formula is a comment.
    """
    quantities = [_formula_row(formula) for formula in explanation.formulas]
    alone = peak_alone(explanation)
    if alone is not None:
        quantities.append(LatexRow(label=LABELS["peak_bytes"], expression=escape_latex(NO_FORMULA), value=alone))
    parts = _part_rows(explanation)
    lines = [*map(_line, quantities), *([r"\midrule"] if parts else []), *map(_line, parts)]
    fixed, least = _widths([*quantities, *parts])
    columns = rf"lp{{\dimexpr\linewidth-{fixed:.0f}pt\relax}}lr"
    notes = " ".join(map(_sentence, _notes(explanation)))
    table = booktabs(_caption(explanation), columns, HEADERS, lines, notes, "table" if least <= COLUMN_PT else WIDE)
    return "\n".join([*(f"% {visible(note)}" for note in explanation.notes if WHY.match(note)), table])


def _widths(rows: Sequence[LatexRow]) -> tuple[float, float]:
    """In points: of all columns but the expressions', and the least that the table needs."""
    filled = [row for row in rows if not row.is_heading]
    columns = zip(*((row.label, row.order.replace("^", ""), row.value) for row in filled), strict=True)
    fixed = sum(max(map(len, column)) for column in columns) * CHARACTER_PT + GAP_PT * (len(HEADERS) - 1)
    headings = [len(row.label) * CHARACTER_PT for row in rows if row.is_heading]
    return fixed, max(fixed + LEAST_EXPRESSION_PT, *headings, 0)


def _part_rows(explanation: Explanation) -> list[LatexRow]:
    """The contractions that cost most, under the submodule and the pass in which they are; or whole blocks."""
    named = [part for part in ranked_parts(explanation)[:MOST_PARTS] if part.macs_share >= LEAST_SHARE]
    if len(named) < 2:  # noqa: PLR2004 - a single part is the whole
        return []
    rows = [LatexRow(label="of which, with their shares of the MACs:")]
    operations = [part for part in explanation.operations if part in named]
    if not operations:
        return rows + [_part_row(part, title_of_part(part)) for part in explanation.blocks if part in named]
    places = [(place, list(parts)) for place, parts in groupby(operations, lambda part: (part.module, part.backward))]
    for (module, backward), parts in places:
        if len(places) > 1 or backward:
            rows.append(LatexRow(label=f"in {module or 'the module itself'}{', backward' if backward else ''}:"))
        rows += [_part_row(part, name_of_part(part)) for part in parts]
    return rows


def _caption(explanation: Explanation) -> str:
    sizes = ", ".join(f"{name} = {size}" for name, size in explanation.sizes.items())
    how = f"({explanation.mode}, {explanation.dtype})"
    inputs = escape_latex(inputs_of(explanation)).replace(" x ", f" {TIMES} ")
    parts = (_sentence(f"Cost of {call_of(explanation)} {how}"), inputs, _sentence(f"values at {sizes}."))
    return "; ".join(filter(None, parts))


def _notes(explanation: Explanation) -> list[str]:
    """Under the table: what the formulas rest on, where they hold, and what the rows mean."""
    how = "Derived from the running module" if explanation.method == "derivation" else "Interpolated from exact counts"
    proof = ", equal to the closed form" if explanation.proof_status == PROVEN else ""
    checked = f", verified at {len(explanation.checked)} random sizes" if explanation.checked else ""
    special = [formula for formula in explanation.formulas if not _is_whole(formula)]
    here = ", ".join(LABELS[formula.quantity] for formula in special)
    multiples = multiples_of({name: divisor for formula in special for name, divisor in formula.divisors.items()})
    sentences = [
        f"{how}{proof}{checked}.",
        f"{here}: at these sizes{f', and where {multiples}' if multiples else ''}." if here else "",
        *incomplete_lines(explanation),
        domain_line(explanation),
        *(f"{note}." for note in explanation.notes if not WHY.match(note)),
        *(f"holds for fixed sizes only: {text}." for text in explanation.specialisations),
        *legend_of(explanation),
    ]
    return [f"{text[0].upper()}{text[1:]}" for text in sentences if text]


def _sentence(text: str) -> str:
    """`text` for LaTeX, its relations and brackets as a paper prints them."""
    written = escape_sentence(text)
    for sign, latex in SIGNS.items():
        written = written.replace(sign, latex)
    return written


def _is_whole(formula: Formula) -> bool:
    return len(formula.latex) <= MOST_LATEX or formula.latex == formula.here_latex


def _formula_row(formula: Formula) -> LatexRow:
    latex = formula.latex if _is_whole(formula) else formula.here_latex
    return LatexRow(
        label=LABELS[formula.quantity], expression=f"${breakable(latex)}$", order=formula.order, value=value_of(formula)
    )


def _part_row(part: Share, label: str) -> LatexRow:
    expression = f"${breakable(part.macs_latex)}$"
    return LatexRow(label=f"  {label}", expression=expression, order=part.order, value=percent(part.macs_share))


def _line(row: LatexRow) -> str:
    label = escape_latex(row.label.strip())
    if row.is_heading:
        return rf"\multicolumn{{{len(HEADERS)}}}{{@{{}}l}}{{{label}}} \\"
    indented = rf"\quad {label}" if row.label.startswith(" ") else label
    order = order_latex(row.order) if row.order else ""
    value = escape_latex(row.value).replace(" ", r"\,")
    return rf"{indented} & \raggedright {row.expression} & {order} & {value} \\"

"""An explanation as JSON, Markdown and LaTeX."""

import json

from kaoprof.explanations import PROVEN, Explanation, Formula, Share
from kaoprof.report.explain_cells import (
    CONVENTION,
    LABELS,
    conditions_of,
    dominating,
    formula_rows,
    foundations,
    incomplete_lines,
    multiples_of,
    peak_note,
    percent,
    ranked_parts,
    share_rows,
    title_of,
    title_of_part,
    value_of,
)
from kaoprof.report.latex import escape as escape_latex
from kaoprof.report.markdown import escape as escape_markdown
from kaoprof.report.markdown import table_line
from kaoprof.report.mathematics import breakable, order_latex
from kaoprof.version import __version__

SCHEMA = 1
MOST_LATEX = 400  # signs of LaTeX: a longer formula is written as it is at the sizes asked for
MOST_PARTS = 6  # contractions that the LaTeX table names
LEAST_SHARE = 0.01  # of all MACs, for a contraction to be named there


def explain_to_json(explanation: Explanation) -> str:
    """Everything, as it is."""
    head = {"schema": SCHEMA, "kind": "explain", "version": __version__}
    return json.dumps(head | explanation.as_json(), indent=1, ensure_ascii=False) + "\n"


def explain_to_markdown(explanation: Explanation) -> str:
    """The formulas, the parts and the sentences, for a README or a pull request."""
    lines = [f"**{escape_markdown(title_of(explanation))}**", ""]
    lines += [table_line(("", "formula", "order", "value")), table_line(("---", "---", "---", "---:"))]
    for row in formula_rows(explanation, full=False):
        remark = f" {escape_markdown(row.remark)}" if row.remark else ""
        lines.append(table_line((row.label, f"`{row.expression}`{remark}", f"`{row.order}`", row.value)))
    for kind, parts in (("submodule", explanation.blocks), ("operation", explanation.operations)):
        if len(parts) > 1:
            lines += ["", *_markdown_shares(kind, parts)]
    sentences = (dominating(explanation), *foundations(explanation), CONVENTION, peak_note(explanation))
    return "\n".join([*lines, "", *(f"- {escape_markdown(sentence)}" for sentence in sentences)]) + "\n"


def _markdown_shares(kind: str, parts: tuple[Share, ...]) -> list[str]:
    modules = kind == "operation"
    headers = (kind, *(("in",) if modules else ()), "MACs", "of MACs", "of FLOPs")
    lines = [table_line(headers), table_line([*["---"] * (len(headers) - 2), "---:", "---:"])]
    for row in share_rows(parts, full=False):
        names = (row.name, row.module) if modules else (row.name,)
        macs = f"`{row.macs}`" if row.macs else ""
        lines.append(table_line((*map(escape_markdown, names), macs, row.macs_share, row.flops_share)))
    return lines


def explain_to_latex(explanation: Explanation) -> str:
    """A booktabs table of the formulas, with the contractions that cost most; needs only the package booktabs."""
    named = [part for part in ranked_parts(explanation)[:MOST_PARTS] if part.macs_share >= LEAST_SHARE]
    rows = [_formula_row(formula) for formula in explanation.formulas]
    if len(named) > 1:
        rows += [r"\midrule", r"\multicolumn{4}{l}{of which, with their shares of the MACs:} \\"]
        in_order = (*explanation.operations, *explanation.blocks)
        rows += [_part_row(part) for part in dict.fromkeys(in_order) if part in named]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{_caption(explanation)}}}",
            r"\begin{tabular}{@{}lp{0.44\linewidth}lr@{}}",
            r"\toprule",
            r"Quantity & Expression & Order & Value \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _caption(explanation: Explanation) -> str:
    how = "Derived from the running module" if explanation.method == "derivation" else "Interpolated from exact counts"
    proof = ", equal to the closed form" if explanation.proof_status == PROVEN else ""
    checked = f", verified at {len(explanation.checked)} random sizes" if explanation.checked else ""
    sizes = ", ".join(f"{name} = {size}" for name, size in explanation.sizes.items())
    special = [formula for formula in explanation.formulas if not _is_whole(formula)]
    here = ", ".join(LABELS[formula.quantity] for formula in special)
    multiples = multiples_of({name: divisor for formula in special for name, divisor in formula.divisors.items()})
    sentences = (
        f"Cost of {explanation.name} ({explanation.mode}, {explanation.dtype}) for the whole batch.",
        f"{how}{proof}{checked}. Values at {sizes}. 1 MAC = 2 FLOPs.",
        f"{here}: at these sizes{f', and where {multiples}' if multiples else ''}." if here else "",
        *(f"{text[0].upper()}{text[1:]}" for text in incomplete_lines(explanation)),
        *(f"{text[0].upper()}{text[1:]}." for text in conditions_of(explanation)),
        *(f"Holds for fixed sizes only: {text}." for text in explanation.specialisations),
        peak_note(explanation) if explanation.formula("peak_bytes") else "",
    )
    return " ".join(escape_latex(sentence) for sentence in sentences if sentence)


def _is_whole(formula: Formula) -> bool:
    return len(formula.latex) <= MOST_LATEX or formula.latex == formula.here_latex


def _formula_row(formula: Formula) -> str:
    latex = formula.latex if _is_whole(formula) else formula.here_latex
    value = escape_latex(value_of(formula)).replace(" ", "~")
    return _row(escape_latex(LABELS[formula.quantity]), latex, order_latex(formula.order), value)


def _part_row(part: Share) -> str:
    return _row(
        rf"\quad {escape_latex(title_of_part(part))}",
        part.macs_latex,
        order_latex(part.order),
        escape_latex(percent(part.macs_share)).replace(" ", r"\,"),
    )


def _row(label: str, latex: str, order: str, value: str) -> str:
    return rf"{label} & \raggedright ${breakable(latex)}$ & {order} & {value} \\"

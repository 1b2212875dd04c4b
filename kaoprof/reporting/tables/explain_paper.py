"""An explanation in a paper: one table of the formulas, with the contractions that cost most."""

import re
from itertools import groupby

from kaoprof.records.explain import PROVEN, Explanation, Formula, Share
from kaoprof.reporting.document import Column, Page, Row, Span, Style, Table
from kaoprof.reporting.sentences import explain as sentences
from kaoprof.reporting.tables.explain import NO_FORMULA, value_of

MOST_LATEX = 400  # signs of LaTeX: a longer formula is written as it is at the sizes asked for
MOST_PARTS = 6  # contractions that the table names
LEAST_SHARE = 0.01  # of all MACs, for a contraction to be named there
COLUMNS = (Column("Quantity", words=True), Column("Expression", words=True, rest=True), Column("Order", words=True),
           Column("Value"))  # fmt: skip
INDENT = "\u2003"
WHY = re.compile("interpolated exactly|no formula of the peak|the peak is no polynomial")  # notes for the author alone


def paper_page(explanation: Explanation) -> Page:
    """A table in one column of a paper if it fits one, else across both; why there is no formula is a comment."""
    formulas = [sentences.of_a_sample(explanation, formula) for formula in explanation.formulas]
    rows = [
        Row((
            sentences.LABELS[formula.quantity],
            Span(formula.text, latex=formula.latex if _is_whole(formula) else formula.here_latex),
            formula.order, value_of(formula),
        ))
        for formula in formulas
    ]  # fmt: skip
    alone = sentences.peak_alone(explanation)
    if alone is not None:
        rows.append(Row((sentences.LABELS["peak_bytes"], NO_FORMULA, "", alone)))
    table = Table(
        title=_title(explanation), columns=COLUMNS, rows=(*rows, *_part_rows(explanation)),
        notes=tuple(_notes(explanation)), figures="thin",
    )  # fmt: skip
    return Page(blocks=(table,), comments=tuple(note for note in explanation.notes if WHY.match(note)))


def _part_rows(explanation: Explanation) -> list[Row]:
    """The contractions that cost most, under the submodule and the pass in which they are; or whole blocks."""
    named = [part for part in sentences.ranked_parts(explanation)[:MOST_PARTS] if part.macs_share >= LEAST_SHARE]
    if len(named) < 2:  # noqa: PLR2004 - a single part is the whole
        return []
    rows = [Row(("of which, with their shares of the MACs:",), total=True)]
    operations = [part for part in explanation.operations if part in named]
    if not operations:
        return rows + [_part_row(part, sentences.title_of_part(part)) for part in explanation.blocks if part in named]
    places = [(place, list(parts)) for place, parts in groupby(operations, lambda part: (part.module, part.backward))]
    for (module, backward), parts in places:
        if len(places) > 1 or backward:
            place = f"in {module or 'the module itself'}{', backward' if backward else ''}:"
            rows.append(Row((Span(place, style=Style.NAME),)))
        rows += [_part_row(part, sentences.name_of_part(part)) for part in parts]
    return rows


def _title(explanation: Explanation) -> str:
    sizes = ", ".join(f"{name} = {size}" for name, size in explanation.sizes.items())
    how = f"({explanation.mode}, {explanation.dtype})"
    inputs = sentences.inputs_of(explanation).replace(" x ", " × ")
    return "; ".join(filter(None, (f"Cost of {sentences.call_of(explanation)} {how}", inputs, f"values at {sizes}")))


def _notes(explanation: Explanation) -> list[str]:
    """Under the table: what the formulas rest on, where they hold, and what the rows mean."""
    how = "Derived from the running module" if explanation.method == "derivation" else "Interpolated from exact counts"
    proof = ", equal to the closed form" if explanation.proof_status == PROVEN else ""
    checked = f", verified at {len(explanation.checked)} random sizes" if explanation.checked else ""
    formulas = [sentences.of_a_sample(explanation, formula) for formula in explanation.formulas]
    special = [formula for formula in formulas if not _is_whole(formula)]
    here = ", ".join(sentences.LABELS[formula.quantity] for formula in special)
    divisors = {name: divisor for formula in special for name, divisor in formula.divisors.items()}
    multiples = sentences.multiples_of(divisors)
    said = [
        f"{how}{proof}{checked}.",
        f"{here}: at these sizes{f', and where {multiples}' if multiples else ''}." if here else "",
        *sentences.incomplete_lines(explanation),
        sentences.domain_line(explanation),
        *(f"{note}." for note in explanation.notes if not WHY.match(note)),
        *(f"holds for fixed sizes only: {text}." for text in explanation.specialisations),
        *sentences.legend_of(explanation),
    ]
    return [f"{text[0].upper()}{text[1:]}" for text in said if text]


def _is_whole(formula: Formula) -> bool:
    return len(formula.latex) <= MOST_LATEX or formula.latex == formula.here_latex


def _part_row(part: Share, label: str) -> Row:
    expression = Span(part.macs, latex=part.macs_latex)
    return Row((Span(f"{INDENT}{label}", style=Style.NAME), expression, part.order, sentences.percent(part.macs_share)))

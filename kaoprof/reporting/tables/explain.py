"""What an explanation says: formulas, where the cost comes from, and what the formulas rest on."""

from collections.abc import Sequence

from msgspec.structs import replace

from kaoprof.records.explain import DIFFERENT, Explanation, Formula, Share
from kaoprof.reporting.document import Column, Medium, Notes, Page, Span, Style, Table, Text, Tone, notes_of, stacked
from kaoprof.reporting.formats.mathematics import pretty
from kaoprof.reporting.sentences import explain as sentences
from kaoprof.units import format_bytes, format_count

LONG_FORMULA = 130  # signs: a longer one is shown as it is at the sizes asked for, unless everything is asked for
MOST_ROWS = 12  # operations or blocks that are named; the others are summed up
TONES = {"proof:": Tone.GOOD, "NO": Tone.BAD, "no": Tone.BAD}  # of sentences, by their first word
NO_FORMULA = "(no formula; predicted at these sizes)"


def page_of(explanation: Explanation, medium: Medium = Medium.TEXT, *, full: bool = False) -> Page:
    """The explanation as a page; on a terminal everything in full length if `full`."""
    if medium == Medium.PAPER:
        from kaoprof.reporting.tables.explain_paper import paper_page

        return paper_page(explanation)
    screen = medium == Medium.SCREEN
    blocks, operations = explanation.blocks, explanation.operations
    modules = not screen or any(part.module for part in operations)
    shown = len(operations) > 1 or (screen and operations)
    toned = (Span(text, TONES.get(text.split(maxsplit=1)[0])) for text in sentences.foundations(explanation))
    said: tuple[Text, ...] = sentences.dominating(explanation), *toned
    legend = sentences.legend_of(explanation, powers=screen)
    everything = Page(
        blocks=(
            _formulas(explanation, full=full, powers=screen),
            *([_shares("submodule", blocks, full=full, modules=False)] if len(blocks) > 1 else []),
            *([_shares("operation", operations, full=full, modules=modules)] if shown else []),
            *((Notes(said), *notes_of(*legend, tone=Tone.QUIET)) if screen else (Notes((*said, *legend)),)),
        )
    )
    if not screen:
        return everything
    from kaoprof.reporting.tables.explain_screen import answers

    return answers(explanation, everything if full else _as_detail(everything), full=full)


def _as_detail(page: Page) -> Page:
    """The same, shown only where it is asked for."""
    blocks = [replace(block, detail=True) for block in page.blocks if isinstance(block, Table | Notes)]
    return Page(blocks=tuple(blocks))


def _formulas(explanation: Explanation, *, full: bool, powers: bool) -> Table:
    """The quantities, each with its expression; long ones as they are at the sizes asked for, unless `full`.

    A peak without a formula stands there with its value alone.
    """
    rows: list[tuple[Text, ...]] = [
        (
            sentences.label_of(explanation, formula),
            _expression(formula, full=full),
            stacked(_code(formula.order), *([Span(powers_of(formula), Tone.QUIET)] if powers else [])),
            value_of(formula),
        )
        for formula in (sentences.of_a_sample(explanation, whole) for whole in explanation.formulas)
    ]
    alone = sentences.peak_alone(explanation)
    if alone is not None:
        rows.append((sentences.LABELS["peak_bytes"], Span(NO_FORMULA, Tone.QUIET), "", alone))
    columns = (
        Column("", words=True),
        Column("formula", words=True, rest=True),
        Column("order", words=True),
        Column("value"),
    )
    return Table(title=title_of(explanation), columns=columns, rows=tuple(rows))


def _expression(formula: Formula, *, full: bool) -> Text:
    expression = _code(pretty(formula.text if is_shown_whole(formula, full) else formula.here))
    remark = remark_of(formula, full)
    return stacked(expression, Span(remark, Tone.QUIET)) if remark else expression


def _code(text: str) -> Span:
    return Span(text, style=Style.CODE)


def is_shown_whole(formula: Formula, full: bool) -> bool:
    """Whether the expression for all sizes is shown, or only the one that it is at the sizes asked for."""
    return full or len(pretty(formula.text)) <= LONG_FORMULA or formula.here == formula.text


def remark_of(formula: Formula, full: bool) -> str:
    """Where the shown expression holds, or what it becomes where nothing rounds."""
    multiples = sentences.multiples_of(formula.divisors)
    if is_shown_whole(formula, full):
        if formula.on_multiples is None or not (full or len(formula.on_multiples) <= LONG_FORMULA):
            return ""
        return f"= {pretty(formula.on_multiples)} where {multiples}"
    reasons = [f"the greatest of {formula.candidates} expressions at these sizes"] if formula.candidates > 1 else []
    if formula.divisors and "ceiling" not in formula.here and "floor" not in formula.here:
        reasons.append(f"where {multiples}")
    return f"({', '.join(reasons) or 'at sizes like these'}; for all sizes: --full)"


def powers_of(formula: Formula) -> str:
    """The growth in each size alone: `b, c^2, h^2`; empty for a constant."""
    grown = {name: power for name, power in formula.degrees.items() if power}
    return ", ".join(name if power == 1 else f"{name}^{power}" for name, power in grown.items())


def value_of(formula: Formula) -> str:
    """The value at the sizes asked for, in a readable unit."""
    return format_bytes(formula.value) if formula.quantity == "peak_bytes" else format_count(formula.value)


def _shares(kind: str, parts: Sequence[Share], *, full: bool, modules: bool) -> Table:
    """The parts that cost most, in the order of execution; the others in a last row, unless `full`."""
    columns = (
        Column(kind, words=True, most=30), *([Column("in", words=True, most=24)] if modules else []),
        Column("MACs", words=True), Column("of MACs"), Column("of FLOPs"),
    )  # fmt: skip
    rows = share_rows(parts, full=full)
    if not modules:
        rows = [(name, *others) for name, _, *others in rows]
    return Table(columns=columns, rows=tuple(rows))


def share_rows(parts: Sequence[Share], *, full: bool) -> list[tuple[Text, ...]]:
    """Each part's name, module, MACs, and shares of MACs and FLOPs."""
    ranked = sorted(parts, key=lambda part: (part.macs_share, part.flops_share), reverse=True)
    kept = ranked if full or len(parts) <= MOST_ROWS else ranked[: MOST_ROWS - 1]
    rows = [_share_row(part) for part in parts if part in kept]
    rest = [part for part in parts if part not in kept]
    if rest:
        macs, flops = sum(part.macs_share for part in rest), sum(part.flops_share for part in rest)
        share = sentences.percent(macs) if any(part.macs != "0" for part in rest) else ""
        rows.append((f"{len(rest)} more", "", "", share, sentences.percent(flops)))
    return rows


def _share_row(part: Share) -> tuple[Text, ...]:
    macs, share = (_code(pretty(part.macs)), sentences.percent(part.macs_share)) if part.macs != "0" else ("", "")
    place = Span(part.module or "itself", Tone.QUIET)
    return (sentences.title_of_part(part), place, macs, share, sentences.percent(part.flops_share))


def title_of(explanation: Explanation) -> str:
    """What is explained, how it runs, on which input, and at which sizes values are given."""
    sizes = " ".join(f"{name}={size}" for name, size in explanation.sizes.items())
    call = f"{sentences.call_of(explanation)}, {explanation.mode}, {explanation.dtype}"
    return "; ".join(filter(None, (call, sentences.inputs_of(explanation), f"values at {sizes}")))


def sound(explanation: Explanation) -> bool:
    """Whether no closed form differs from what was derived."""
    return explanation.proof_status != DIFFERENT

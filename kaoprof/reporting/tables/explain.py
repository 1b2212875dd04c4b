"""What an explanation says: formulas, where the cost comes from, and what the formulas rest on."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kaoprof.records.explain import DIFFERENT, PROVEN, Explanation, Formula, Share
from kaoprof.reporting.document import (
    BAD,
    CODE,
    GOOD,
    PAPER,
    QUIET,
    SCREEN,
    TEXT,
    Column,
    Medium,
    Notes,
    Page,
    Span,
    Table,
    Text,
    notes_of,
    stacked,
)
from kaoprof.reporting.formats.mathematics import pretty
from kaoprof.units import format_bytes, format_count, format_percent

LABELS = {
    "macs": "MACs",
    "flops_all": "FLOPs",
    "params": "parameters",
    "largest_intermediate": "largest tensor",
    "peak_bytes": "peak bytes",
}
LONG_FORMULA = 130  # signs: a longer one is shown as it is at the sizes asked for, unless everything is asked for
MOST_ROWS = 12  # operations or blocks that are named; the others are summed up
DOMINANT = 0.25  # of all MACs: what does more is worth naming as an operation, else as a block
NEARLY, MOST_NAMED = 0.9, 3  # of the largest share, what is named beside it; and of how many in all
LEAST_PERCENT = 0.0005  # a smaller share would round to 0.0 %
FACTOR = re.compile(r"(?<=\d)\s*\*\s*(?=[A-Za-z_])")  # between a number and a size: nothing in mathematics
CONVENTION = "1 MAC = 2 FLOPs; FLOPs: all arithmetic. Everything is of the whole batch."
LARGEST = "Largest tensor: elements of what one operation makes."
ORDER = "Order: as {sizes}, per sample"
POWERS = "below it, the power of each size alone"
NO_FORMULA = "(no formula; predicted at these sizes)"


def page_of(explanation: Explanation, medium: Medium = TEXT, *, full: bool = False) -> Page:
    """The explanation as a page; on a terminal everything in full length if `full`."""
    if medium == PAPER:
        from kaoprof.reporting.tables.explain_paper import paper_page

        return paper_page(explanation)
    screen = medium == SCREEN
    blocks, operations = explanation.blocks, explanation.operations
    modules = not screen or any(part.module for part in operations)
    sentences: tuple[Text, ...] = dominating(explanation), *map(_toned, foundations(explanation))
    legend = legend_of(explanation, powers=screen)
    return Page(
        blocks=(
            _formulas(explanation, full=full, powers=screen),
            *([_shares("submodule", blocks, full=full, modules=False)] if len(blocks) > 1 else []),
            *(
                [_shares("operation", operations, full=full, modules=modules)]
                if len(operations) >= (1 if screen else 2)
                else []
            ),
            *((Notes(sentences), *notes_of(*legend, tone=QUIET)) if screen else (Notes((*sentences, *legend)),)),
        )
    )


def _toned(sentence: str) -> Span:
    return Span(sentence, {"proof:": GOOD, "NO": BAD, "no": BAD}.get(sentence.split(maxsplit=1)[0], ""))


def _formulas(explanation: Explanation, *, full: bool, powers: bool) -> Table:
    """The quantities, each with its expression; long ones as they are at the sizes asked for, unless `full`.

    A peak without a formula stands there with its value alone.
    """
    rows: list[tuple[Text, ...]] = [
        (
            LABELS[formula.quantity],
            _expression(formula, full=full),
            stacked(_code(formula.order), *([Span(powers_of(formula), QUIET)] if powers else [])),
            value_of(formula),
        )
        for formula in explanation.formulas
    ]
    alone = peak_alone(explanation)
    if alone is not None:
        rows.append((LABELS["peak_bytes"], Span(NO_FORMULA, QUIET), "", alone))
    columns = Column("", words=True), Column("formula", words=True), Column("order", words=True), Column("value")
    return Table(title=title_of(explanation), columns=columns, rows=tuple(rows))


def _expression(formula: Formula, *, full: bool) -> Text:
    expression = _code(pretty(formula.text if is_shown_whole(formula, full) else formula.here))
    remark = remark_of(formula, full)
    return stacked(expression, Span(remark, QUIET)) if remark else expression


def _code(text: str) -> Span:
    return Span(text, kind=CODE)


def peak_alone(explanation: Explanation) -> str | None:
    """The peak predicted at the sizes asked for, where no formula tells it."""
    peak = explanation.counted.get("peak_bytes")
    return None if peak is None or explanation.formula("peak_bytes") else format_bytes(peak)


def is_shown_whole(formula: Formula, full: bool) -> bool:
    """Whether the expression for all sizes is shown, or only the one that it is at the sizes asked for."""
    return full or len(pretty(formula.text)) <= LONG_FORMULA or formula.here == formula.text


def remark_of(formula: Formula, full: bool) -> str:
    """Where the shown expression holds, or what it becomes where nothing rounds."""
    multiples = multiples_of(formula.divisors)
    if is_shown_whole(formula, full):
        if formula.on_multiples is None or not (full or len(formula.on_multiples) <= LONG_FORMULA):
            return ""
        return f"= {pretty(formula.on_multiples)} where {multiples}"
    reasons = [f"the greatest of {formula.candidates} expressions at these sizes"] if formula.candidates > 1 else []
    if formula.divisors and "ceiling" not in formula.here and "floor" not in formula.here:
        reasons.append(f"where {multiples}")
    return f"({', '.join(reasons) or 'at sizes like these'}; for all sizes: --full)"


def multiples_of(divisors: Mapping[str, int]) -> str:
    """`32 divides h and w`."""
    names: dict[int, list[str]] = {}
    for name, divisor in divisors.items():
        names.setdefault(divisor, []).append(name)
    return " and ".join(f"{divisor} divides {listed(divided)}" for divisor, divided in names.items())


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
        share = percent(macs) if any(part.macs != "0" for part in rest) else ""
        rows.append((f"{len(rest)} more", "", "", share, percent(flops)))
    return rows


def _share_row(part: Share) -> tuple[Text, ...]:
    has_macs = part.macs != "0"
    return (
        title_of_part(part), Span(part.module or "itself", QUIET), _code(pretty(part.macs)) if has_macs else "",
        percent(part.macs_share) if has_macs else "", percent(part.flops_share),
    )  # fmt: skip


def title_of_part(part: Share) -> str:
    """`2nd bmm`, `layers.3`, `linear1 (backward)`; the module's own operations are `itself`."""
    return f"{name_of_part(part)}{' (backward)' if part.backward else ''}"


def name_of_part(part: Share) -> str:
    """`2nd bmm`, `1st convolution`: torch's underscores say nothing about the cost, and a pass is told beside it."""
    name = part.name.replace(" _", " ").removesuffix("_") or "itself"
    return name.removesuffix("_backward") if part.backward else name


def percent(share: float) -> str:
    """A share: `49.9 %`, or that there is almost nothing."""
    return "< 0.1 %" if 0 < share < LEAST_PERCENT else format_percent(share, ".1%")


def title_of(explanation: Explanation) -> str:
    """What is explained, how it runs, on which input, and at which sizes values are given."""
    sizes = " ".join(f"{name}={size}" for name, size in explanation.sizes.items())
    parts = (f"{call_of(explanation)}, {explanation.mode}, {explanation.dtype}", inputs_of(explanation))
    return "; ".join([*filter(None, parts), f"values at {sizes}"])


def call_of(explanation: Explanation) -> str:
    """`package.module:Class(c, heads=4)`; an operator and a spec are only named."""
    arguments = explanation.arguments if explanation.inputs else ()
    return f"{explanation.name}({', '.join(arguments)})" if arguments else explanation.name


def inputs_of(explanation: Explanation) -> str:
    """`input b x c x 7 h`, `inputs b x n x c and b x m x c`; nothing for an operator, whose input is its sizes."""
    shapes = [" x ".join(FACTOR.sub(" ", axis).strip() for axis in text.split(",")) for text in explanation.inputs]
    return f"input{'s' if len(shapes) > 1 else ''} {listed(shapes)}" if shapes else ""


def legend_of(explanation: Explanation, *, powers: bool = False) -> list[str]:
    """What the rows mean that are there; `powers` stand below the orders."""
    order = f"{order_note(explanation)}; {POWERS}." if powers else f"{order_note(explanation)}."
    largest = [LARGEST] if explanation.formula("largest_intermediate") else []
    has_peak = explanation.formula("peak_bytes") or peak_alone(explanation)
    return [" ".join([CONVENTION, *largest, order]), *([peak_note(explanation)] if has_peak else [])]


def order_note(explanation: Explanation) -> str:
    """Which sizes an order lets grow; records of before do not tell."""
    growing = explanation.growing
    if not growing:
        return ORDER.format(sizes="all spatial sizes grow together")
    return ORDER.format(sizes=f"{listed(growing)} grow{'s' if len(growing) == 1 else ' together'}")


def peak_note(explanation: Explanation) -> str:
    """What the peak is of, and for which kernels it was predicted."""
    threads = "" if explanation.device != "cpu" else f" with {explanation.threads} thread"
    plural = "s" if threads and explanation.threads > 1 else ""
    where = f"{explanation.device}{threads}{plural}"
    return f"Peak: allocated during the call, output included, input and parameters not; predicted for {where}."


def dominating(explanation: Explanation) -> str:
    """What costs most, in one sentence; and how much arithmetic a count of MACs leaves out."""
    outside = outside_of_macs(explanation)
    ranked = ranked_parts(explanation)
    if not ranked:
        return outside
    leading = [part for part in ranked if part.macs_share >= NEARLY * ranked[0].macs_share][:MOST_NAMED]
    share = sum(part.macs_share for part in leading)
    verb = "does" if len(leading) == 1 else "do"
    modules = {part.module for part in leading} - {"", *(part.name for part in leading)}
    where = f" in {modules.pop()}" if len(modules) == 1 else ""
    return f"{listed([title_of_part(part) for part in leading])}{where} {verb} {percent(share)} of the MACs; {outside}"


def ranked_parts(explanation: Explanation) -> list[Share]:
    """The operations with MACs, the largest first; blocks instead, where no operation stands out."""
    parts = [part for part in explanation.operations if part.macs_share > 0]
    if parts and max(part.macs_share for part in parts) < DOMINANT:
        parts = [part for part in explanation.blocks if part.macs_share > 0]
    return sorted(parts, key=lambda part: part.macs_share, reverse=True)


def outside_of_macs(explanation: Explanation) -> str:
    """How much of all arithmetic is no contraction."""
    macs, flops = explanation.formula("macs"), explanation.formula("flops_all")
    counted = "the FLOPs that rules count" if explanation.uncounted else "all FLOPs"
    if macs is None or flops is None or not flops.value:
        return "no rule counts what is computed." if explanation.uncounted else "nothing is computed."
    return f"{percent(1 - 2 * macs.value / flops.value)} of {counted} are outside of contractions."


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def foundations(explanation: Explanation) -> list[str]:
    """What the formulas rest on and where they hold, one sentence each."""
    how = {
        "derivation": "derived: the module ran with symbolic sizes.",
        "interpolation": "interpolated: the module does not run with symbolic sizes (see the notes).",
    }
    return [
        *proof_lines(explanation),
        how[explanation.method],
        *verification_lines(explanation),
        domain_line(explanation),
        *(f"fixed by the module: {text}." for text in explanation.specialisations),
        *(f"note: {pretty(text)}." for text in explanation.notes),
        *incomplete_lines(explanation),
    ]


def domain_line(explanation: Explanation) -> str:
    """The sizes for which the formulas hold."""
    domain = ", ".join(map(pretty, explanation.domain))
    return f"holds where {domain}." if domain else "holds for all sizes."


def proof_lines(explanation: Explanation) -> list[str]:
    """That formula and derivation are the same polynomial, or how they differ; nothing without a closed form."""
    proven = [LABELS[line.quantity] for line in explanation.proof if line.proven]
    different = [line for line in explanation.proof if not line.proven]
    lines = [f"proof: {PROVEN} ({', '.join(proven)}): the same expression at all sizes."] if proven else []
    return lines + [
        f"NO PROOF of {LABELS[line.quantity]}: formula {pretty(line.formula)}, derived {pretty(line.derived)}, "
        f"derived - formula = {pretty(line.difference)}."
        for line in different
    ]


def verification_lines(explanation: Explanation) -> list[str]:
    """At which sizes everything was counted again."""
    if not explanation.checked:
        return []
    tuples = "; ".join(" ".join(f"{name}={size}" for name, size in sizes.items()) for sizes in explanation.checked)
    count = len(explanation.checked)
    times = f"{count} random sizes" if count > 1 else "one random size"
    return [f"verified at {times}, counted concretely and equal: {tuples}."]


def incomplete_lines(explanation: Explanation) -> list[str]:
    """Operations that FLOPs leave out for want of a rule, and kernels whose buffers the peak may leave out."""
    calls = ", ".join(f"{name} ({times}x)" for name, times in explanation.uncounted.items())
    kernels = ", ".join(explanation.unmodelled)
    return [
        *([f"no rule counts some operations, so FLOPs are a lower bound: {calls}."] if calls else []),
        *([f"the predicted peak may be too low, not modelled: {kernels}."] if kernels else []),
    ]


def warnings_of(explanation: Explanation) -> list[str]:
    """What a careful reader must know before quoting the formulas."""
    return [line.removesuffix(".") for line in _warning_lines(explanation)]


def _warning_lines(explanation: Explanation) -> Iterable[str]:
    yield from (line for line in proof_lines(explanation) if line.startswith("NO PROOF"))
    yield from incomplete_lines(explanation)


def sound(explanation: Explanation) -> bool:
    """Whether no closed form differs from what was derived."""
    return explanation.proof_status != DIFFERENT


def document_of(explanation: Explanation) -> dict[str, Any]:
    """What its JSON holds: everything, and the proof's status."""
    return explanation.as_json()

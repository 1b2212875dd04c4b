"""An explanation at one glance: a line for each quantity, what does most of it, and what the formulas rest on."""

from kaoprof.records.explain import OF_A_SAMPLE, PROVEN, Explanation, Formula
from kaoprof.reporting.document import Column, Notes, Page, Span, Style, Table, Text, Tone
from kaoprof.reporting.formats.mathematics import pretty
from kaoprof.reporting.sentences import explain as sentences
from kaoprof.units import counted, format_bytes, format_count

NARROW, WIDE = 40, 90  # signs of a formula on one line
WIDE_FROM = 130  # columns of a terminal
LABELS = {"macs": "MACs", "flops_all": "FLOPs", "params": "parameters", "peak_bytes": "peak memory"}
SHORTENED = "-v"
LONGEST_DOMAIN = 90  # signs
NO_FORMULA = "no formula: predicted at these sizes"


def answers(explanation: Explanation, details: Page, *, full: bool) -> Page:
    """The glance, followed by the `details` that are shown where they are asked for."""
    wide = Page(blocks=(*_glance(explanation, WIDE), *details.blocks), wide_from=WIDE_FROM)
    narrow = Page(blocks=(*_glance(explanation, NARROW), *details.blocks))
    if full:
        return details
    return Page(blocks=wide.blocks, wide_from=WIDE_FROM, narrow=narrow)


def _glance(explanation: Explanation, room: int) -> tuple[Table, Notes]:
    rows = [_row(explanation, formula, room) for formula in explanation.formulas if formula.quantity in LABELS]
    alone = sentences.peak_alone(explanation)
    if alone is not None:
        rows.append((LABELS["peak_bytes"], Span(NO_FORMULA, Tone.QUIET), "", alone))
    at = " ".join(f"{name}={size}" for name, size in explanation.sizes.items())
    columns = (
        Column("", words=True, name=True),
        Column("formula", left=True),
        Column("order", left=True),
        Column("value"),
    )
    call = f"{sentences.call_of(explanation)}, {explanation.mode}, {explanation.dtype}"
    title = ", ".join(filter(None, (call, sentences.inputs_of(explanation), f"at {at}")))
    return Table(title=title, columns=columns, rows=tuple(rows)), _said(explanation)


def _row(explanation: Explanation, formula: Formula, room: int) -> tuple[Text, ...]:
    label, value = LABELS[formula.quantity], format_count(formula.value)
    whole, here = formula.text, formula.here
    if formula.quantity in OF_A_SAMPLE:
        if formula.sample is not None and formula.sample_here is not None:
            label, whole, here = f"{label} per sample", formula.sample, formula.sample_here
            value = format_count(explanation.per_sample(formula.quantity) or 0)
        elif "b" in explanation.sizes:
            label = f"{label} per call"
    if formula.quantity == "peak_bytes":
        value = format_bytes(formula.value)
    return label, _short(whole, here, room), Span(formula.order, style=Style.CODE), value


def _short(whole: str, here: str, room: int) -> Span:
    """The expression, or the one that it is at this size, or how it begins."""
    for text in (whole, here):
        if len(pretty(text)) <= room:
            special = "" if text == whole else " *"
            return Span(f"{pretty(text)}{special}", style=Style.CODE)
    shown, end = pretty(here), f"+ ... ({SHORTENED})"
    cuts = [place for place in range(room - len(end)) if shown.startswith("+ ", place) and _is_open(shown[:place])]
    if cuts:
        return Span(f"{shown[: cuts[-1]]}{end}", style=Style.CODE)
    return Span(f"{len(shown)} signs: {SHORTENED}", Tone.QUIET)


def _is_open(text: str) -> bool:
    """Whether no bracket is open where the text ends."""
    return all(text.count(left) == text.count(right) for left, right in ("()", "⌈⌉", "⌊⌋"))


def _said(explanation: Explanation) -> Notes:
    """What does most, what the formulas rest on, and all that limits them."""
    special = any(
        formula.here != formula.text and len(pretty(formula.text)) > NARROW
        for formula in explanation.formulas
        if formula.quantity in LABELS
    )
    limits = [text for text in sentences.foundations(explanation) if not text.startswith(BRIEFLY)]
    texts: list[Text] = [sentences.dominating(explanation), *foundation(explanation)]
    texts += [Span(text, Tone.BAD if text.startswith("NO") else None) for text in limits]
    threads = f" with {counted(explanation.threads, 'thread')}" if explanation.device == "cpu" else ""
    has_peak = explanation.formula("peak_bytes") or sentences.peak_alone(explanation)
    peak = f"; peak of the whole call, predicted for {explanation.device}{threads}" if has_peak else ""
    texts.append(f"1 MAC = 2 FLOPs{peak}.")
    texts += ["*: what it is at sizes like these; for all sizes: -v."] if special else []
    return Notes(tuple(texts))


BRIEFLY = ("proof:", "derived:", "interpolated:", "verified", "holds")


def foundation(explanation: Explanation) -> list[Text]:
    """What the formulas rest on and where they hold, in a sentence or two."""
    times = len(explanation.checked)
    checked = f"; counted again at {counted(times, 'random size')}, and equal" if times else ""
    proven = explanation.proof_status == PROVEN
    how = "formula = what torch's own operations give, at all sizes" if proven else "torch ran it with symbolic sizes"
    if explanation.method == "interpolation":
        how = "interpolated from exact counts"
    domain = sentences.domain_line(explanation)
    if len(domain) > LONGEST_DOMAIN:
        domain = "holds where -v says."
    word = "Proof" if proven else "Derived" if explanation.method == "derivation" else "Basis"
    said: list[Text] = [Span(f"{word}: {how}{checked}.", Tone.GOOD if proven else None)]
    return [*said, f"{domain[0].upper()}{domain[1:]}"] if explanation.domain else said

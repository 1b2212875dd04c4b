"""The sentences of an explanation: what costs most, what the formulas rest on, where they hold, what rows mean."""

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from kaoprof.records.explain import BATCH, OF_A_SAMPLE, PROVEN, Explanation, Formula, Share
from kaoprof.reporting.formats.mathematics import pretty
from kaoprof.units import counted, format_bytes, format_count, format_percent

LABELS = {
    "macs": "MACs",
    "flops_all": "FLOPs",
    "params": "parameters",
    "largest_intermediate": "largest tensor",
    "peak_bytes": "peak bytes",
}
DOMINANT = 0.25  # of all MACs: what does more is worth naming as an operation, else as a block
NEARLY, MOST_NAMED = 0.9, 3  # of the largest share, what is named beside it; and of how many in all
LEAST_PERCENT = 0.0005  # a smaller share would round to 0.0 %
FACTOR = re.compile(r"(?<=\d)\s*\*\s*(?=[A-Za-z_])")  # between a number and a size: nothing in mathematics
CONVENTION = "1 MAC = 2 FLOPs; FLOPs: all arithmetic."
OF_ALL = "Everything is of the whole batch."
LARGEST = "Largest tensor: elements of what one operation makes."
ORDER = "Order: as {sizes}, per sample"
POWERS = "below it, the power of each size alone"


def peak_alone(explanation: Explanation) -> str | None:
    """The peak predicted at the sizes asked for, where no formula tells it."""
    peak = explanation.counted.get("peak_bytes")
    return None if peak is None or explanation.formula("peak_bytes") else format_bytes(peak)


def multiples_of(divisors: Mapping[str, int]) -> str:
    """`32 divides h and w`."""
    names: dict[int, list[str]] = {}
    for name, divisor in divisors.items():
        names.setdefault(divisor, []).append(name)
    return " and ".join(f"{divisor} divides {listed(divided)}" for divisor, divided in names.items())


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
    return [
        " ".join([CONVENTION, sample_note(explanation), *largest, order]),
        *([peak_note(explanation)] if has_peak else []),
    ]


def of_a_sample(explanation: Explanation, formula: Formula) -> Formula:
    """MACs and FLOPs as other commands give them, of one sample; as it is where no size is the batch, or no share."""
    if formula.sample is None or formula.sample_here is None or BATCH not in explanation.sizes:
        return formula
    return replace(
        formula,
        text=formula.sample, latex=formula.sample_latex or formula.sample,
        here=formula.sample_here, here_latex=formula.sample_here_latex or formula.sample_here,
        on_multiples=formula.sample_on_multiples, value=formula.value // explanation.sizes[BATCH],
    )  # fmt: skip


def label_of(explanation: Explanation, formula: Formula) -> str:
    """`MACs per sample`; `MACs per call` where the batch has no equal shares."""
    label = LABELS[formula.quantity]
    if formula.quantity not in OF_A_SAMPLE or BATCH not in explanation.sizes:
        return label
    return f"{label} per {'call' if formula.sample is None else 'sample'}"


def sample_note(explanation: Explanation) -> str:
    """What is of one sample, and what the whole batch takes of it."""
    formulas = [explanation.formula(quantity) for quantity in OF_A_SAMPLE]
    shared = [formula for formula in formulas if formula is not None and formula.sample is not None]
    if not shared or BATCH not in explanation.sizes:
        return OF_ALL
    names = listed([LABELS[formula.quantity] for formula in shared])
    totals = listed([f"{format_count(formula.value)} {LABELS[formula.quantity]}" for formula in shared])
    batch = f", which takes {totals}" if explanation.sizes[BATCH] > 1 else ""
    return f"{names} are of one sample, all else is of the whole batch{batch}."


def order_note(explanation: Explanation) -> str:
    """Which sizes an order lets grow; records of before do not tell."""
    growing = explanation.growing
    if not growing:
        return ORDER.format(sizes="all spatial sizes grow together")
    return ORDER.format(sizes=f"{listed(growing)} grow{'s' if len(growing) == 1 else ' together'}")


def peak_note(explanation: Explanation) -> str:
    """What the peak is of, and for which kernels it was predicted."""
    threads = f" with {counted(explanation.threads, 'thread')}" if explanation.device == "cpu" else ""
    where = f"{explanation.device}{threads}"
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
    of_which = "the FLOPs that rules count" if explanation.uncounted else "all FLOPs"
    if macs is None or flops is None or not flops.value:
        return "no rule counts what is computed." if explanation.uncounted else "nothing is computed."
    return f"{percent(1 - 2 * macs.value / flops.value)} of {of_which} are outside of contractions."


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
    times = "one random size" if len(explanation.checked) == 1 else f"{len(explanation.checked)} random sizes"
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
    unproven = [line for line in proof_lines(explanation) if line.startswith("NO PROOF")]
    return [line.removesuffix(".") for line in (*unproven, *incomplete_lines(explanation))]

"""From expressions to text: what `explain` shows, as strings and numbers that go into JSON."""

import sympy

from kaoprof.dims import AttentionOptions
from kaoprof.explaining import expressions
from kaoprof.explaining.analysis import analyse
from kaoprof.explaining.breakdown import by_block, by_operation, by_submodule
from kaoprof.explaining.closed_form_check import compare_with_formula
from kaoprof.explaining.growth import degrees, growing_sizes, order
from kaoprof.explaining.target import Target
from kaoprof.explaining.verification import Device
from kaoprof.records.explain import BATCH, OF_A_SAMPLE, Explanation, Formula

QUANTITIES = ("macs", "flops_all", "params", "largest_intermediate", "peak_bytes")


def explained(
    target: Target, *, name: str, operator: str | None, options: AttentionOptions, device: Device, seed: int
) -> Explanation:
    """Analyses a target and puts everything into words; `operator` is its name in the catalog, if it is one of it."""
    analysis = analyse(target, device=device, seed=seed)
    return Explanation(
        name=name,
        factory=target.factory,
        mode=target.mode,
        dtype=target.dtype,
        device=device.name,
        threads=device.threads,
        sizes=dict(target.sizes),
        method=analysis.method,
        formulas=tuple(
            _formula(quantity, analysis.formulas[quantity], target)
            for quantity in QUANTITIES
            if quantity in analysis.formulas
        ),
        counted=dict(analysis.counted),
        operations=by_operation(analysis.items, target.sizes),
        submodules=by_submodule(analysis.items, target.sizes),
        blocks=by_block(analysis.items, target.sizes),
        domain=analysis.domain.lines(),
        specialisations=tuple(map(str, analysis.specialisations)),
        proof=compare_with_formula(analysis.formulas, target, operator, options, analysis.domain) if operator else (),
        checked=analysis.checked,
        uncounted=dict(analysis.uncounted),
        unmodelled=analysis.unmodelled,
        notes=analysis.notes,
        growing=growing_sizes(tuple(target.sizes)),
    )


def _formula(quantity: str, expression: sympy.Expr, target: Target) -> Formula:
    names = tuple(target.sizes)
    shown = expressions.readable(expression)
    simple, divisors = expressions.on_multiples(expression)
    settled = expressions.settled(expression, target.sizes)
    here = expressions.readable(settled)
    sample, sample_here = _of_a_sample(quantity, expression), _of_a_sample(quantity, settled)
    sample_simple = _of_a_sample(quantity, simple) if divisors else None
    return Formula(
        quantity=quantity,
        text=expressions.as_text(shown),
        latex=expressions.as_latex(shown),
        expanded=expressions.as_text(expressions.expanded(expression)),
        on_multiples=expressions.as_text(expressions.readable(simple)) if divisors else None,
        divisors=divisors,
        order=order(expression, names),
        degrees=degrees(expression, names),
        candidates=len(expressions.candidates_of(expression)),
        here=expressions.as_text(here),
        here_latex=expressions.as_latex(here),
        value=int(expressions.value_at(expression, target.sizes)),
        sample=None if sample is None else expressions.as_text(sample),
        sample_here=None if sample_here is None else expressions.as_text(sample_here),
        sample_on_multiples=None if sample_simple is None else expressions.as_text(sample_simple),
        sample_latex=None if sample is None else expressions.as_latex(sample),
        sample_here_latex=None if sample_here is None else expressions.as_latex(sample_here),
    )


def _of_a_sample(quantity: str, expression: sympy.Expr) -> sympy.Expr | None:
    """MACs or FLOPs over the batch, where nothing of that is left; None else."""
    batch = next((symbol for symbol in expression.free_symbols if str(symbol) == BATCH), None)
    if quantity not in OF_A_SAMPLE or batch is None:
        return None
    share = sympy.expand(sympy.expand(expression) / batch)
    return None if batch in share.free_symbols else expressions.readable(share)

"""The peak of an operator along one size, and whether one such peak stays below another one for ever."""

from collections.abc import Callable

import msgspec
import sympy

from kaoprof.dims import Dims, Size
from kaoprof.explaining.expressions import candidates_of, size_symbol, value_at
from kaoprof.explaining.peak_formula import derive_peak
from kaoprof.explaining.polynomial_proofs import at_least
from kaoprof.explaining.target import Target
from kaoprof.memory.live_bytes import predict_peak_bytes

HINT = 16  # where the formulas are derived; any number from 2 on would do
COUNTER = sympy.Symbol("k", integer=True, positive=True)  # the size that varies, in its steps


class PeakCurve(msgspec.Struct, frozen=True, kw_only=True):
    """The peak in bytes over the number of steps of one size: `single` peaks where the formula does not hold yet."""

    formula: sympy.Expr
    single: tuple[int, ...]

    def at(self, count: int) -> int:
        """The peak at so many steps."""
        return self.single[count - 1] if self.is_single(count) else int(value_at(self.formula, {COUNTER.name: count}))

    def is_single(self, count: int) -> bool:
        """Whether the formula does not hold yet."""
        return count <= len(self.single)


def peak_curve(
    target_of: Callable[[Dims], Target],
    dims_of: Callable[[Size], Dims],
    *,
    device: str,
    threads: int,
    sdpa: str = "auto",
) -> PeakCurve:
    """Derives the peak's formula and ties its sizes to the one that varies; the few below its domain are predicted.

    Args:
        target_of: the operator with named sizes, given hints for these.
        dims_of: the sizes at so many steps; also of a symbol.
        device: `cpu` or `cuda`.
        threads: of the CPU kernels.
        sdpa: the one backend that fused attention may use, or `auto`.
    """
    peak = derive_peak(target_of(dims_of(HINT)), device=device, threads=threads, sdpa=sdpa)
    dims = dims_of(COUNTER)
    sizes = {name: sympy.sympify(size) for name, size in zip(("b", "c", *dims.axes), dims.shape, strict=True)}
    replaced = {size_symbol(name): size for name, size in sizes.items()}
    candidates = [candidate.xreplace(replaced) for candidate in candidates_of(peak.peak_bytes)]
    starts = [-(-peak.domain.least[name] // size.coeff(COUNTER)) for name, size in sizes.items() if size.has(COUNTER)]
    small = (target_of(dims_of(count)) for count in range(1, int(max(starts))))
    return PeakCurve(
        formula=sympy.Max(*candidates, evaluate=False) if len(candidates) > 1 else candidates[0],
        single=tuple(
            predict_peak_bytes(target.at(target.sizes), device=device, threads=threads, sdpa=sdpa) for target in small
        ),
    )


def stays_ordered(first: PeakCurve, second: PeakCurve, count: int) -> bool:
    """Whether from `count` on one moment stays the fullest of each curve, and the same curve stays below the other."""
    if first.is_single(count) or second.is_single(count):
        return False
    first_peak, second_peak = _lasting(first.formula, count), _lasting(second.formula, count)
    if first_peak is None or second_peak is None:
        return False
    least = {COUNTER: count}
    return bool(
        sympy.expand(first_peak - second_peak) == 0
        or at_least(first_peak, second_peak, least=least, margin=1)
        or at_least(second_peak, first_peak, least=least, margin=1)
    )


def _lasting(peak: sympy.Expr, count: int) -> sympy.Expr | None:
    """The candidate that is the greatest from `count` on, without choices of blocks; None if that is not certain."""
    settled = [_settled(candidate, count) for candidate in candidates_of(peak)]
    greatest = max(settled, key=lambda candidate: value_at(candidate, {COUNTER.name: count}))
    certain = all(at_least(greatest, other, least={COUNTER: count}) for other in settled)
    return greatest if certain else None


def _settled(expression: sympy.Expr, count: int) -> sympy.Expr:
    """With the blocks that kernels choose from `count` on: first branch, smaller side, where that is certain."""
    branches = {}
    for atom in expression.atoms(sympy.Piecewise):
        value, condition = atom.args[0]
        if condition == sympy.true or at_least(condition.lhs, condition.rhs, least={COUNTER: count}):
            branches[atom] = value
    expression = expression.xreplace(branches)
    smaller = {}
    for atom in expression.atoms(sympy.Min):
        for side in atom.args:
            if all(at_least(other, side, least={COUNTER: count}) for other in atom.args):
                smaller[atom] = side
    return expression.xreplace(smaller)

"""Everything that `explain` knows of a module: formulas by derivation, else by interpolation, held against counts."""

from collections.abc import Mapping
from typing import Any

import msgspec
import sympy
from msgspec.structs import replace

from kaoprof.counting.dispatcher import CountingMode
from kaoprof.counting.dispatcher import counted as counted_by
from kaoprof.dims import Size
from kaoprof.errors import KaoprofError, first_line
from kaoprof.explaining.derivation import Derivation, derive
from kaoprof.explaining.expressions import value_at
from kaoprof.explaining.interpolation import NotPolynomialCountError, interpolate
from kaoprof.explaining.itemised_count import Item
from kaoprof.explaining.peak_formula import PeakFormula, derive_peak
from kaoprof.explaining.symbolic_sizes import Specialisation
from kaoprof.explaining.target import Target
from kaoprof.explaining.validity import Domain
from kaoprof.explaining.verification import Device, FormulaError, Quantities, counted_at, quantities_of, verify
from kaoprof.memory.live_bytes import LiveBytesMode, dry_run, predict_peak_bytes
from kaoprof.units import format_bytes
from kaoprof.workload.foreign import is_own_fault

MOST_OPERATIONS = 6000  # of one call, beside views: each takes about 20 to 50 ms until its formulas are verified


class NotAnalysableError(KaoprofError):
    """The module can neither be run with symbolic sizes nor without data."""


class FollowableCounting(CountingMode):
    """Counts, and refuses early what would take minutes with symbols.

    Raises:
        NotAnalysableError: in the operation that is one too many.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._operations = name, 0

    def note(self, func: Any, macs: Size, elementwise: Size | None, out: object) -> None:
        """Adds one operation to the totals."""
        super().note(func, macs, elementwise, out)
        self._operations += not func.is_view
        if self._operations > MOST_OPERATIONS:
            message = f"one call runs more than {MOST_OPERATIONS:,} operations, too many to follow with symbols"
            hint = "explain one of its blocks; kaoprof profile counts and measures the whole"
            raise NotAnalysableError(message, where=self._name, hint=hint)


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """Formulas of a target, for the whole batch, and what they rest on.

    Args:
        method: `derivation`, or `interpolation` from concrete counts.
        formulas: by quantity: `macs`, `flops_all`, `params`, and where known `largest_intermediate` and `peak_bytes`.
        items: the operations, in order; empty after an interpolation.
        counted: the quantities counted at the target's own sizes.
        domain: the sizes for which the formulas hold.
        specialisations: sizes that the module fixed.
        checked: size tuples at which every formula was counted again and agreed.
        uncounted: operations that no rule covers, and their calls.
        unmodelled: operations whose kernels might hold so much for themselves that the peak is higher.
        notes: what else a reader must know.
    """

    method: str
    formulas: dict[str, sympy.Expr]
    items: tuple[Item, ...]
    counted: Quantities
    domain: Domain
    specialisations: tuple[Specialisation, ...]
    checked: tuple[dict[str, int], ...]
    uncounted: dict[str, int]
    unmodelled: tuple[str, ...] = ()
    notes: tuple[str, ...]


def analyse(target: Target, *, device: Device, seed: int = 0) -> Analysis:
    """Derives the formulas of a target and verifies them at random sizes.

    A module that does not run with symbolic sizes, or turns one of them into a number, is interpolated from concrete
    counts instead, if these follow a polynomial.

    Raises:
        NotAnalysableError: the module does not even run on meta tensors: its control flow depends on data.
        FormulaError: a formula disagrees with a concrete count.
    """
    counted, uncounted, unmodelled = _counted(target, device)
    analysis = _analysed(target, counted, device, seed)
    return replace(analysis, uncounted=uncounted | analysis.uncounted, unmodelled=unmodelled)


def _analysed(target: Target, counted: Quantities, device: Device, seed: int) -> Analysis:
    try:
        derivation = derive(target)
    except Exception as error:
        if is_own_fault(error):
            raise
        return _interpolated(
            target, counted, device, seed, why=f"it does not run with symbolic sizes: {_first_line(error)}"
        )
    if not derivation.specialisations:
        try:
            return _derived(target, derivation, counted, device, seed)
        except FormulaError as error:  # a size went through a float into what is done, unseen
            return _interpolated(target, counted, device, seed, why=f"its derivation was wrong: {error.message}")
    try:
        return _interpolated(target, counted, device, seed, why=f"it fixes {derivation.specialisations[0]}")
    except KaoprofError:
        return _derived(target, derivation, counted, device, seed)


def _counted(target: Target, device: Device) -> tuple[Quantities, dict[str, int], tuple[str, ...]]:
    """The quantities at the target's own sizes, and what the FLOPs and the peak might leave out."""
    workload = target.at(target.sizes)
    try:
        counting = counted_by(workload, FollowableCounting(target.factory))
        counted = quantities_of(workload, counting)
        live = dry_run(workload, LiveBytesMode, device=device.name, threads=device.threads)
    except KaoprofError:
        raise
    except Exception as error:
        if is_own_fault(error):
            raise
        if "meta tensor" in first_line(error):
            message, hint = "what it does depends on data", "a cost that depends on values has no formula"
        else:
            message, hint = "does not run", "check the input pattern, the sizes and the arguments"
        raise NotAnalysableError(f"{message}: {_first_line(error)}", where=target.factory, hint=hint) from error
    return counted | {"peak_bytes": int(live.peak_bytes)}, dict(counting.uncounted), live.unmodelled


def _first_line(error: Exception) -> str:
    return first_line(error).rstrip(" .:")


def _derived(target: Target, derivation: Derivation, counted: Quantities, device: Device, seed: int) -> Analysis:
    formulas = derivation.formulas
    domain = derivation.domain
    peak, peak_checked, notes = _proven_peak(target, derivation, device, seed)
    peak_domain = domain & peak.domain if peak else domain
    more = [line for line in peak_domain.lines() if line not in domain.lines()]  # kernels choose buffers by the sizes
    narrower = (f"the peak's formula holds where also {', '.join(more)}",) if more else ()
    checked = peak_checked
    if peak is None or narrower:
        checked = verify(formulas, target, domain, device=None, seed=seed)
        notes += _outside(formulas, target, counted, domain)
    if peak is not None:
        formulas = formulas | {"peak_bytes": peak.peak_bytes}
        notes += narrower + _outside(formulas, target, counted, peak_domain)
    return Analysis(
        method="derivation",
        formulas=formulas | {"largest_intermediate": derivation.largest_intermediate},
        items=derivation.items,
        counted=counted,
        domain=domain,
        specialisations=derivation.specialisations,
        checked=checked,
        uncounted=derivation.uncounted,
        notes=tuple(dict.fromkeys(notes)),
    )


def _outside(formulas: dict[str, sympy.Expr], target: Target, counted: Quantities, domain: Domain) -> tuple[str, ...]:
    """What holds at the target's own sizes if they lie outside the domain, such as a batch of one."""
    wrong = [name for name, formula in formulas.items() if value_at(formula, target.sizes) != counted[name]]
    if target.sizes in domain:
        if wrong:
            raise FormulaError(f"the formula of {wrong[0]} disagrees with its count", where=target.factory)
        return ()
    sizes = ", ".join(f"{name}={size}" for name, size in target.sizes.items())
    if wrong:
        return (f"at {sizes}, outside of where the formulas hold, {', '.join(wrong)} differ: there the count is right",)
    return (f"the formulas were derived for other sizes and are right at {sizes}, too",)


def _proven_peak(
    target: Target, derivation: Derivation, device: Device, seed: int
) -> tuple[PeakFormula | None, tuple[dict[str, int], ...], tuple[str, ...]]:
    """The peak's formula and where it was checked; without one, why: a refuted one costs only itself."""
    try:
        peak = derive_peak(target, device=device.name, threads=device.threads)
    except Exception as error:  # kernels of this device may refuse symbolic sizes where meta does not
        if is_own_fault(error):
            raise
        return None, (), (f"no formula of the peak: {_first_line(error)}",)
    known = {fixed.name for fixed in derivation.specialisations}
    fixed = [str(fixed) for fixed in peak.specialisations if fixed.name not in known]
    if fixed:  # as torch 2.11 does where later ones keep a size
        return None, (), (f"no formula of the peak: it fixes {fixed[0]}",)
    formulas = derivation.formulas | {"peak_bytes": peak.peak_bytes}
    try:
        checked = verify(formulas, target, derivation.domain & peak.domain, device=device, seed=seed)
    except FormulaError as error:
        return None, (), (f"no formula of the peak: what was derived is refuted, since {error.message}",)
    return peak, checked, ()


def _interpolated(target: Target, counted: Quantities, device: Device, seed: int, *, why: str) -> Analysis:
    try:
        polynomials = interpolate(lambda sizes: counted_at(target, sizes, None), target.sizes)
    except NotPolynomialCountError as error:
        raise NotAnalysableError(f"{error.message}; {why}", where=target.factory, hint=error.hint) from error
    checked = verify(polynomials.formulas, target, polynomials.domain, device=None, seed=seed)
    peak, peak_note = _interpolated_peak(target, counted, device, seed)
    return Analysis(
        method="interpolation",
        formulas=polynomials.formulas | peak,
        items=(),
        counted=counted,
        domain=polynomials.domain,
        specialisations=(),
        checked=checked,
        uncounted={},
        notes=(f"interpolated exactly from {polynomials.counts} concrete counts on meta, because {why}", peak_note),
    )


def _interpolated_peak(
    target: Target, counted: Quantities, device: Device, seed: int
) -> tuple[dict[str, sympy.Expr], str]:
    """The peak as a polynomial, if it is one as far as it is checked: another moment may be the fullest further out."""

    def peak_at(sizes: Mapping[str, int]) -> Quantities:
        return {"peak_bytes": predict_peak_bytes(target.at(sizes), device=device.name, threads=device.threads)}

    try:
        polynomials = interpolate(peak_at, target.sizes)
        verify(polynomials.formulas, target, polynomials.domain, device=device, seed=seed)
    except KaoprofError:
        here = format_bytes(counted["peak_bytes"])
        return {}, f"the peak is no polynomial; at the given sizes on {device.name} it is {here}"
    return (
        polynomials.formulas,
        "the peak's formula is right where it was checked; at far larger sizes another may take over",
    )

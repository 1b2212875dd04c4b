"""Derives the closed form of somebody's attention module, and finds out how it takes its input.

What it tries, in this order: a map `(b, c, h, w)`, tokens `(b, h w, c)`, a map whose channels come last.
"""

import math
from collections.abc import Iterator, Mapping

import sympy

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.counting.dispatcher import count_on_meta
from kaoprof.counting.dispatcher import counted as count_with
from kaoprof.dims import LAYOUTS, Dims, axes_in
from kaoprof.errors import KaoprofError, UsageError, first_line
from kaoprof.explaining import expressions
from kaoprof.explaining.analysis import NotAnalysableError
from kaoprof.explaining.derivation import Derivation, derive
from kaoprof.explaining.expressions import size_symbol, value_at
from kaoprof.explaining.growth import order
from kaoprof.explaining.interpolation import interpolate
from kaoprof.explaining.itemised_count import ItemisedCounting, SubmoduleTrail
from kaoprof.explaining.target import Target
from kaoprof.explaining.validity import Domain
from kaoprof.explaining.verification import FormulaError, Quantities, counted_at, verify
from kaoprof.measuring.messages import DeriveForm, Formula
from kaoprof.records.own import OwnForm, OwnModule
from kaoprof.tape.models import record_workload
from kaoprof.workload.building import build_module
from kaoprof.workload.foreign import is_own_fault
from kaoprof.workload.own_module import sizes_of
from kaoprof.workload.workload import Workload

QUANTITIES = ("macs", "flops_all", "map_entries")  # of the whole batch; parameters are of no batch
MOST_TRIED = 32  # sizes at which a module may refuse to run before it is said that it does not
Polynomials = Mapping[str, sympy.Expr]


def answered(request: DeriveForm) -> Formula:
    """The layout in which the module runs, and its closed form with the sizes at which it holds.

    Raises:
        NotAnalysableError: it runs at none of the sizes.
    """
    dims, layout = standing(request)
    objection = ""
    for target in targets(request, dims, layout):
        try:
            method, formulas, domain = closed_form(target, request.seed)
            form = written(method, formulas, target, domain)
            return Formula(layout=layout, form=form, holds=tuple(holding(request, formulas, target, domain)))
        except KaoprofError as error:
            objection = f"{error.message} ({error.hint})" if error.hint else error.message
    return Formula(layout=layout, objection=objection)


def target_of(own: OwnModule, layout: str, dims: Dims, request: DeriveForm, *, fixed: bool = False) -> Target:
    """The module on an input with named sizes; with `fixed` channels only the others have names."""
    axes = axes_in(layout, dims.axes)
    sizes = {"b": dims.b, "c": dims.c, **dict(zip(dims.axes, dims.spatial, strict=True))}
    told: dict[str, str | int] = dict(sizes_of(dims.axes))
    if fixed:
        axes = tuple(str(dims.c) if axis == "c" else axis for axis in axes)
        told["c"] = sizes.pop("c")
    return Target(
        factory="kaoprof.workload.own_module:own_module",
        kwargs={"code": own.code, "arguments": own.arguments, "call": own.call, "saved": own.saved, **told},
        inputs=(axes,),
        sizes=sizes,
        mode=request.mode,
        dtype=request.dtype,
    )


def standing(request: DeriveForm) -> tuple[Dims, str]:
    """The first of the sizes at which it runs, and the layout in which it does.

    Where an axis is as long as there are channels, a layout could seem right that is not: then the module must also
    run with that axis twice as long, unless it does so in no layout.

    Raises:
        NotAnalysableError: it runs at none of them.
    """
    layouts = (request.own.layout,) if request.own.layout else tuple(LAYOUTS)
    refused: dict[str, str] = {}
    for dims in request.sizes[:MOST_TRIED]:
        for probe in dict.fromkeys((told_apart(dims), dims)):
            for layout in layouts[: 2 if len(dims.spatial) == 1 else None]:  # tokens are what has its channels last
                try:
                    record_workload(target_of(request.own, layout, probe, request).at(named(probe)))
                except UsageError:
                    raise
                except Exception as error:
                    if is_own_fault(error):
                        raise
                    refused.setdefault(layout, f"as {_axes(layout, dims)}: {first_line(error)[:120].rstrip(' .')}")
                else:
                    return dims, layout
    reasons = {text.partition(": ")[2] for text in refused.values()}
    if len(reasons) == 1:
        raise NotAnalysableError(reasons.pop())
    raise NotAnalysableError(f"it runs neither {', nor '.join(refused.values())}")


def _axes(layout: str, dims: Dims) -> str:
    return f"({', '.join(axes_in(layout, dims.axes))})"


def named(dims: Dims) -> dict[str, int]:
    """The sizes by name."""
    return {"b": dims.b, "c": dims.c, **dict(zip(dims.axes, dims.spatial, strict=True))}


def told_apart(dims: Dims) -> Dims:
    """The sizes, each axis that is as long as there are channels twice as long."""
    spatial = tuple(2 * size if size == dims.c else size for size in dims.spatial)
    return Dims(b=dims.b, c=dims.c, spatial=spatial)


def targets(request: DeriveForm, dims: Dims, layout: str) -> Iterator[Target]:
    """What formulas are derived for: with channels that may vary, if it runs with twice as many, and as they are."""
    free = target_of(request.own, layout, dims, request)
    try:
        count_on_meta(free.at({**named(dims), "c": 2 * dims.c}))
    except Exception as error:
        if is_own_fault(error):
            raise
    else:
        yield free
    yield target_of(request.own, layout, dims, request, fixed=True)


def closed_form(target: Target, seed: int) -> tuple[str, Polynomials, Domain]:
    """By which method, the quantities of the whole batch, and for which sizes; verified where it holds.

    Raises:
        KaoprofError: the module has no closed form.
    """
    try:
        derivation = derive(target)
    except Exception as error:
        if is_own_fault(error):
            raise
        return interpolated(target, seed)
    if derivation.specialisations:
        return interpolated(target, seed)
    formulas = derivation.formulas | {"map_entries": coefficients(derivation)}
    try:
        verify(derivation.formulas, target, derivation.domain, device=None, seed=seed)
    except FormulaError:
        return interpolated(target, seed)
    return "derivation", formulas, derivation.domain


def coefficients(derivation: Derivation) -> sympy.Expr:
    """Attention coefficients that a forward pass computes."""
    return sympy.Add(*(item.coefficients for item in derivation.items if not item.backward))


def interpolated(target: Target, seed: int) -> tuple[str, Polynomials, Domain]:
    """The same from concrete counts.

    Raises:
        KaoprofError: they follow no polynomial, or the module does not even run without data.
    """
    try:
        with_coefficients(target.at(target.sizes))
        found = interpolate(lambda sizes: with_coefficients(target.at(sizes)), target.sizes)
    except KaoprofError:
        raise
    except Exception as error:
        if is_own_fault(error):
            raise
        raise NotAnalysableError(f"what it does depends on data: {first_line(error)}") from error
    checked = {name: formula for name, formula in found.formulas.items() if name != "map_entries"}
    verify(checked, target, found.domain, device=None, seed=seed)
    return "interpolation", found.formulas, found.domain


def with_coefficients(workload: Workload) -> Quantities:
    """What is counted at concrete sizes, attention coefficients included."""
    items = count_with(workload, ItemisedCounting(SubmoduleTrail(), int)).items  # ints, for speed
    macs = sum(int(item.macs) for item in items)
    return {
        "macs": macs,
        "flops_all": FLOPS_PER_MAC * macs + sum(int(item.elementwise) for item in items),
        "params": sum(parameter.numel() for parameter in build_module(workload, device="meta").parameters()),
        "map_entries": sum(int(item.coefficients) for item in items if not item.backward),
    }


def written(method: str, formulas: Polynomials, target: Target, domain: Domain) -> OwnForm:
    """The formulas of one sample, as texts.

    Raises:
        NotAnalysableError: they are not proportional to the batch.
    """
    formulas, multiples = without_rounding(formulas, domain)
    batch = size_symbol("b")
    sample = {name: sympy.expand(formulas[name] / batch) for name in QUANTITIES}
    if target.mode == "train":  # the gradients of weights are summed over the batch
        sample.pop("flops_all")
    for name, formula in (*sample.items(), ("params", formulas["params"])):
        if batch in formula.free_symbols:
            hint = "is the batch its first axis?"
            raise NotAnalysableError(f"its {name} are not proportional to the batch", hint=hint)
    names = tuple(target.sizes)
    entries = sample["map_entries"]
    return OwnForm(
        method=method,
        macs=str(sample["macs"]),
        flops_all=str(sample["flops_all"]) if "flops_all" in sample else None,
        params=str(sympy.expand(formulas["params"])),
        map_entries=str(entries) if entries != 0 else None,
        order_time=order(sample["macs"], names),
        order_memory=order(entries, names) if entries != 0 else "",
        multiples=multiples,
        shown=expressions.as_text(expressions.readable(sample["macs"])),
    )


def without_rounding(formulas: Polynomials, domain: Domain) -> tuple[Polynomials, dict[str, int]]:
    """The formulas with `c/4` for `floor(c/4)` where they hold for multiples of 4 only; and these multiples by size."""
    multiples = {name: unit for name, unit in domain.units.items() if unit > 1}
    for condition in domain.conditions:
        for atom in condition.atoms(sympy.floor):
            size, ratio = next(iter(atom.free_symbols)), atom.args[0]
            if len(atom.free_symbols) == 1 and condition == sympy.Eq(size, size / ratio * atom):
                multiples[size.name] = math.lcm(multiples.get(size.name, 1), int(size / ratio))
    exact = {
        sympy.floor(size_symbol(name) / part): size_symbol(name) / part
        for name, unit in multiples.items()
        for part in range(2, unit + 1)
        if unit % part == 0
    }
    return {name: formula.xreplace(exact) for name, formula in formulas.items()}, multiples


def holding(request: DeriveForm, formulas: Polynomials, target: Target, domain: Domain) -> Iterator[int]:
    """The positions of the sizes at which the formulas hold: where they were proven, or where a count agrees."""
    for position, dims in enumerate(request.sizes):
        sizes = named(dims)
        if "c" not in target.sizes:
            if str(dims.c) not in target.inputs[0]:
                continue
            sizes.pop("c")
        if sizes in domain or agrees(formulas, target, sizes):
            yield position


def agrees(formulas: Polynomials, target: Target, sizes: Mapping[str, int]) -> bool:
    """Whether the formulas are right at sizes for which they were not derived, such as a batch of one."""
    try:
        counted = counted_at(target, sizes, None)
    except Exception as error:
        if is_own_fault(error):
            raise
        return False
    return all(value_at(formulas[name], sizes) == count for name, count in counted.items())

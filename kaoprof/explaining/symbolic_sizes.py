"""Sizes that are symbols: integers that remember the arithmetic done with them, and every decision taken on them."""

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from types import SimpleNamespace
from typing import Any

import msgspec
import sympy
import torch
from sympy.logic.boolalg import Boolean
from torch.nn import functional
from torch.nn.modules import normalization

from kaoprof.explaining.expressions import plain, size_symbol
from kaoprof.explaining.symbolic_forms import LINEAR, SymbolicForms
from kaoprof.explaining.validity import Domain, settle
from kaoprof.torch_internals import (
    CONVOLUTION_CHOICE,
    FAKE_TENSOR_LOGGER,
    ConstantSource,
    DimDynamic,
    FakeTensorMode,
    FloorDiv,
    Mod,
    ShapeEnv,
    ValueRanges,
    int_oo,
    shapes_of_interpolation,
)
from kaoprof.workload.foreign import foreign
from kaoprof.workload.patching import replaced

INITIALISERS = frozenset({"reset_parameters", "_reset_parameters", "init_weights", "_init_weights"})
SYMBOLIC_MACHINERY = "/torch/fx/experimental/"
OUR_ROOMS = ("/kaoprof/counting/", "/kaoprof/explaining/", "/kaoprof/memory/", "/kaoprof/workload/foreign.py")
NOT_THE_CALLER = (SYMBOLIC_MACHINERY, "/torch/__init__.py", "/torch/utils/_", "/torch/_", *OUR_ROOMS)


class Specialisation(msgspec.Struct, frozen=True, kw_only=True):
    """A size that the module turned into a number: the formulas hold for this `value` of it only.

    `why` is the line of code that did it.
    """

    name: str
    value: int
    why: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value}: {self.why}"


class DivisibilityNeeded(Exception):  # noqa: N818 - not an error: the derivation starts again with a better unit
    """The module needs size `name` to be a multiple of `divisor` times the unit that it has."""

    def __init__(self, name: str, divisor: int) -> None:
        super().__init__(f"{name} must be divisible by {divisor}")
        self.name = name
        self.divisor = divisor


class NamedSizes(ShapeEnv):
    """Makes the symbols and keeps what was decided on them.

    Weights' initial values and floats (a scale such as `1 / sqrt(d)`) may look at a size without fixing it, since no
    shape comes from them; what else asks for a size as a number specialises it, and is named.

    Args:
        hints: each name with the size at which decisions are taken.
        units: names whose size is a multiple of something: with `c: 2` the symbol behind `c` is `c / 2`.
    """

    def __init__(self, hints: Mapping[str, int], units: Mapping[str, int]) -> None:
        super().__init__(duck_shape=False)
        self.units = dict(units)
        self.decided_at: dict[Any, str] = {}
        self.names: dict[Any, sympy.Symbol] = {}
        self.rounded: dict[Any, Any] = {}  # symbol -> the quotient that it stands for
        self.meanings: dict[Any, sympy.Expr] = {}  # of these symbols, and of those behind the names
        self._own_sizes: dict[Any, Any] = {}
        self._replaced: dict[Any, Any] = {}
        self._replacements_version_counter = 1  # from 1 on torch asks `replace` for what a size has become
        self.constructing = True  # until the module is built: initialisers run only then
        self.sizes = {name: self._new(name, hint) for name, hint in hints.items()}

    def _new(self, name: str, hint: int) -> Any:
        source = ConstantSource(name)
        unit = self.units.get(name, 1)
        symbol = self.create_symbol(hint // unit, source=source, dynamic_dim=DimDynamic.DYNAMIC)
        self.names[symbol] = self.meanings[symbol] = size_symbol(name)
        return self.create_symintnode(symbol, hint=hint // unit, source=source) * unit

    def replace(self, expr: Any) -> Any:  # type: ignore[override]  # torch's own is wrapped in a cache
        """As torch does; moreover what is rounded, such as `(h - 1) // 2 + 1`, becomes a size of its own.

        So what comes after a pooling or a stride is a polynomial again, and torch decides about it far more quickly.
        """
        known = super().replace(expr)
        if known not in self._replaced:
            owned = {atom: own for atom in known.atoms(FloorDiv) if (own := self._own_size(atom)) is not None}
            self._replaced[known] = self.replace(known.xreplace(owned)) if owned else known
        return self._replaced[known]

    def _own_size(self, quotient: Any) -> Any:
        """A rounded quotient as `symbol - offset`, the symbol being 1 or more; None for what is not one of sizes."""
        if quotient in self._own_sizes:
            return self._own_sizes[quotient]
        least = self.bound_sympy(quotient).lower
        if not quotient.args[1].is_Integer or quotient.args[0].has(FloorDiv) or not least.is_Integer:
            return None
        symbol = self.create_symbol(
            int(quotient.xreplace(self.backed_var_to_val) + 1 - least),
            source=ConstantSource(f"rounded_{len(self.rounded)}"),
            dynamic_dim=DimDynamic.DYNAMIC,
            do_not_specialize_zero_one=True,
        )
        self.var_to_range[symbol] = ValueRanges(1, int_oo)
        self.rounded[symbol] = quotient + 1 - least
        self.meanings[symbol] = plain(self.rounded[symbol], self.meanings)
        self._own_sizes[quotient] = symbol - 1 + least
        return self._own_sizes[quotient]

    def evaluate_expr(self, orig_expr: Any, hint: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Decides as torch does, but leaves alone what only computes a value."""
        number = not isinstance(orig_expr, (Boolean, bool)) and not orig_expr.is_number
        if (number and not orig_expr.is_integer) or self._is_indifferent():
            with self.suppress_guards():
                return foreign(super().evaluate_expr, orig_expr, hint, *args, **kwargs)
        guards_before = len(self.guards)
        decision = foreign(super().evaluate_expr, orig_expr, hint, *args, **kwargs)
        if number or len(self.guards) > guards_before:
            self.decided_at.setdefault(orig_expr, _calling_line())
        self._ask_for_a_better_unit(orig_expr.xreplace(self.rounded), bool(decision))
        return decision

    def _is_indifferent(self) -> bool:
        """Whether who asks makes no shape of the answer: an initialiser, or torch choosing a convolution's kernel."""
        frame: Any = sys._getframe(2)  # noqa: SLF001 - what the standard library's own logging uses to find its caller
        while frame is not None and SYMBOLIC_MACHINERY in frame.f_code.co_filename:
            frame = frame.f_back
        if frame is not None and (frame.f_code.co_name, frame.f_globals.get("__name__")) == CONVOLUTION_CHOICE:
            return True
        while self.constructing and frame is not None:
            if frame.f_code.co_name in INITIALISERS or frame.f_globals.get("__name__") == "torch.nn.init":
                return True
            frame = frame.f_back
        return False

    def _ask_for_a_better_unit(self, question: Any, answer: bool) -> None:
        """Starts again if the question was whether a size is divisible (`c % 2 == 0`, `c // 2 * 2 == c`), and it is.

        Other sizes may stand beside it, as in `b * n * (c % 2) == 0`: they are taken as they are. What holds for other
        sizes, too, such as `max(1, h // 8) == h // 8`, asks for nothing.
        """
        if not isinstance(question, sympy.Eq if answer else sympy.Ne):
            return
        for part in question.atoms(Mod, FloorDiv):
            size, divisor = part.args
            if size not in self.names or not divisor.is_Integer or divisor <= 1:
                continue
            known = {
                symbol: int(self.backed_var_to_val[symbol])
                for symbol in question.free_symbols
                if symbol in self.backed_var_to_val
            }
            if len(known) < len(question.free_symbols):
                continue
            nearby = [question.xreplace(known | {size: known[size] + rest}) for rest in range(1, int(divisor))]
            if all(bool(moved) != answer for moved in nearby):
                raise DivisibilityNeeded(self.names[size].name, int(divisor))

    def expression(self, size: Any) -> sympy.Expr:
        """A symbolic (or plain) int, in the named sizes."""
        if isinstance(size, torch.SymInt):
            return self.in_sizes(plain(self.simplify(size.node.expr), self.meanings))
        return sympy.Integer(int(size))

    def in_sizes(self, expression: sympy.Expr) -> sympy.Expr:
        """From units to sizes: with the unit 2, the symbol behind `c` becomes `c / 2`."""
        return expression.subs({size_symbol(name): size_symbol(name) / unit for name, unit in self.units.items()})

    def specialisations(self) -> tuple[Specialisation, ...]:
        """The sizes that became numbers."""
        return tuple(
            Specialisation(name=name.name, value=int(value) * self.units.get(name.name, 1), why=self._reason(symbol))
            for symbol, name in self.names.items()
            if (value := self.replacements.get(symbol)) is not None and value.is_number
        )

    def _reason(self, symbol: Any) -> str:
        lines = [(line, asked) for asked, line in self.decided_at.items() if symbol in asked.free_symbols]
        as_number = [line for line, asked in lines if not isinstance(asked, Boolean)]
        return f"used as a plain number at {as_number[0]}" if as_number else f"required at {lines[-1][0]}"

    def domain(self) -> Domain:
        """The sizes for which the decisions taken on the way are the same, and so the formulas hold."""
        decided = [plain(guard.expr, self.meanings) for guard in self.guards]
        for symbol, target in self.replacements.items():
            if symbol in self.rounded or (symbol in self.names and not target.is_number):
                decided.append(sympy.Eq(self.meanings[symbol], plain(target, self.meanings), evaluate=False))
        return settle(tuple(dict.fromkeys(decided)), tuple(self.names.values()), self.units)


def _calling_line() -> str:
    """The innermost line outside torch's symbolic machinery and this room: who asked for a number."""
    for entry in reversed(traceback.extract_stack()):
        if not any(part in entry.filename for part in NOT_THE_CALLER):
            return f"{entry.filename}:{entry.lineno}: {entry.line}"
    return "an unknown line"


@contextmanager
def fake_tensors(sizes: NamedSizes) -> Iterator[None]:
    """While active, tensors have shapes but no data, and sizes may be symbols wherever torch asks for an int.

    Attributes of torch are replaced meanwhile: `SymInt` learns to become a float without fixing the size (a float makes
    no shape), the normalisation layers accept it as the integer that it is, and linear layers keep it.
    """
    mode = FakeTensorMode(shape_env=sizes, allow_non_fake_inputs=True)
    mode.cache_enabled = False  # with symbols a cache entry costs more than it saves
    numbers = SimpleNamespace(Integral=(Integral, torch.SymInt))
    with (
        mode,
        replaced(torch.SymInt, "__float__", lambda size: float(torch.sym_float(size))),
        replaced(normalization, "numbers", numbers),
        replaced(functional, "linear", LINEAR),
        replaced(FAKE_TENSOR_LOGGER, "disabled", True),
        SymbolicForms(),
        shapes_of_interpolation(),
    ):
        yield

"""Inverts costs: the largest size that fits a budget of memory or MACs.

Torch-free for MACs, which have closed forms; memory is predicted by dry runs.
"""

import bisect
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from kaoprof.catalog import find_operator, operator_workload
from kaoprof.dims import DTYPE_BYTES, MODES, SDPA_BACKENDS, SPATIAL_AXES, AttentionOptions, Dims, Size, one_of
from kaoprof.errors import KaoprofError, UndefinedError, UsageError
from kaoprof.fitting.own import OwnFit
from kaoprof.fitting.search import largest_within
from kaoprof.records.aspect import SQUARE, Aspect
from kaoprof.records.fit import FitRow
from kaoprof.records.own import OWN
from kaoprof.units import BINARY_PREFIXES, COUNT_PREFIXES, format_beside
from kaoprof.workload.workload import Workload

LARGEST_SIZE = 2**24  # per axis: beyond it no input fits any machine, and nothing is searched
BUDGETS = ("memory", "macs")
TIED_TO_H = "w"  # images are square unless w is given, or an aspect
HEAD_PERIOD = 8  # channels of a head: by how many of these it can be divided decides which kernel serves
ODD_AND_EVEN = 2  # sums over a power of two are taken by another kernel, which may hold partial sums
PATIENCE = 3  # doubled sizes of somebody's module that need too much, after which no larger one is tried

Need = Callable[[int], int]  # size -> bytes or MACs


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What must suffice: `amount` bytes (`memory`) or multiply-adds of the whole batch (`macs`)."""

    kind: str
    amount: int

    def __post_init__(self) -> None:
        one_of("budget", self.kind, BUDGETS)
        if self.amount < 1:
            raise UsageError(f"must be more than zero, not {self.amount}", where=self.kind)

    def text(self, amount: int) -> str:
        """An amount of the same kind, as it is shown: with the digits that tell it from the budget."""
        prefixes = BINARY_PREFIXES if self.kind == "memory" else COUNT_PREFIXES
        shown = format_beside(amount, self.amount, prefixes)
        return shown if self.kind == "memory" else f"{shown} MACs"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but the size that varies.

    Args:
        sizes: by axis: `b`, `c` and the spatial ones, without the one that varies; `w` follows `h` if not given.
        options: of the operators.
        mode: `forward` or `train`.
        dtype: of inputs and parameters.
        device: where memory is predicted for, `cpu` or `cuda`.
        threads: of the CPU kernels; some keep a buffer for each.
        sdpa: the one backend that fused attention may use, or `auto`.
        beside: somebody's modules beside the operators, by name.
        aspect: how `w` follows `h`.
    """

    sizes: Mapping[str, int]
    options: AttentionOptions = msgspec.field(default_factory=AttentionOptions)
    mode: str = "forward"
    dtype: str = "fp32"
    device: str = "cpu"
    threads: int = 1
    sdpa: str = "auto"
    beside: Mapping[str, OwnFit] = {}
    aspect: Aspect = SQUARE

    def __post_init__(self) -> None:
        one_of("mode", self.mode, MODES)
        one_of("dtype", self.dtype, tuple(DTYPE_BYTES))
        one_of("sdpa", self.sdpa, SDPA_BACKENDS)

    def dims(self, axis: str, size: Size) -> Dims:
        """The input where `axis` has this size.

        Raises:
            UsageError: the axes that are given do not make an input.
        """
        sizes = {"b": 1, **self.sizes, axis: size}
        if "h" in sizes:
            sizes.setdefault(TIED_TO_H, self.aspect.width(sizes["h"]))
        spatial = tuple(name for name in ("t", "h", "w", "n") if name in sizes)
        if spatial not in SPATIAL_AXES.values() or "c" not in sizes:
            raise UsageError(
                f"{', '.join(sizes)} are not the axes of an input",
                where="sizes",
                hint="give c and n, or c, h, or c, t, h",
            )
        return Dims(b=sizes["b"], c=sizes["c"], spatial=tuple(sizes[name] for name in spatial))

    def with_implementation(self, implementation: str | None) -> "Setting":
        """The same with this implementation; as it is for None."""
        if implementation in (None, OWN):
            return self
        return replace(self, options=replace(self.options, implementation=implementation))

    def step(self, axis: str, operator: str = "") -> int:
        """The distance between sizes that are possible: heads must divide the channels, windows the image."""
        if operator not in self.beside:
            return self.options.heads if axis == "c" else 1
        multiples = self.beside[operator].multiples
        if axis == "h" and TIED_TO_H not in self.sizes and TIED_TO_H in multiples:
            return math.lcm(multiples.get(axis, 1), self.aspect.step(multiples[TIED_TO_H]))
        return multiples.get(axis, 1)

    def alignment(self, axis: str) -> int:
        """Whose multiples, in steps, the best kernels serve."""
        return HEAD_PERIOD if axis == "c" else 1

    def period(self, axis: str) -> int:
        """So many steps apart, two sizes are served by the same kernels, up to bounds."""
        return max(self.alignment(axis), ODD_AND_EVEN)

    def input_bytes(self, dims: Dims) -> int:
        """Of the input alone: the least that any operator needs."""
        return int(math.prod(dims.shape) * DTYPE_BYTES[self.dtype])

    def macs(self, operator: str, dims: Dims) -> int:
        """Multiply-adds of the whole batch, by the closed form."""
        if operator in self.beside:
            return self.beside[operator].macs(dims)
        cost = find_operator(operator).cost(dims, self.options)
        return int(dims.b * (cost.macs_trained if self.mode == "train" else cost.macs))

    def memory(self, operator: str, dims: Dims) -> tuple[int, int]:
        """Bytes of input and weights, and the predicted peak above them.

        Raises:
            OverflowError: no tensor of that size can even be described.
            UnservedError: attention is forced to a backend that cannot serve it.
        """
        how: dict[str, Any] = {"device": self.device, "threads": self.threads, "sdpa": self.sdpa}
        if operator in self.beside:
            return self.beside[operator].memory(dims, **how)
        from kaoprof.tape.prediction import memory_needed

        return memory_needed(self.workload(operator, dims), **how)

    def workload(self, operator: str, dims: Dims) -> Workload:
        """What would run."""
        if operator in self.beside:
            return self.beside[operator].workload(dims)
        return operator_workload(operator, dims, self.options, dtype=self.dtype, mode=self.mode, seed=0)


class Trial:
    """Whether a number of steps fits; what each needed, or why it could not be said.

    Args:
        need: of a size.
        amount: what it may need.
        step: the distance between sizes.
    """

    def __init__(self, need: Need, amount: int, step: int) -> None:
        self.need, self.amount, self.step = need, amount, step
        self.needs: dict[int, int] = {}
        self.failures: dict[int, KaoprofError] = {}

    def __call__(self, steps: int) -> bool:
        """Whether so many steps fit. What cannot run at a size does not fit there.

        Raises:
            UsageError: the request is wrong.
        """
        if steps not in self.needs and steps not in self.failures:
            try:
                wanted = described(self.need, steps * self.step)
            except UsageError:
                raise
            except KaoprofError as error:
                self.failures[steps] = error
                return False
            if wanted is not None:
                self.needs[steps] = wanted
        return self.needs.get(steps, math.inf) <= self.amount

    @property
    def leanest(self) -> int | None:
        """Of the numbers tried the one that needs least."""
        return min(self.needs, key=lambda steps: (self.needs[steps], steps), default=None)

    @property
    def smaller_that_fails(self) -> int | None:
        """The least number tried that does not fit although a larger one does."""
        largest = max((steps for steps, wanted in self.needs.items() if wanted <= self.amount), default=0)
        return min(
            (steps for steps in (*self.needs, *self.failures) if steps < largest and not self(steps)), default=None
        )


def fit(operator: str, implementation: str | None, axis: str, budget: Budget, setting: Setting) -> FitRow:
    """The largest size of `axis` at which the operator stays within the budget, by exact search.

    Memory is what must be there: input and parameters, and the predicted peak above them. Sizes that fit need not be
    all up to the largest: another kernel may serve some of them.

    Raises:
        UsageError: there is no such axis or operator.
        KaoprofError: it runs at no size that was tried.
    """
    one_of("axis", axis, ("b", "c", "t", "h", "w", "n"))
    step = setting.step(axis, operator)
    setting.dims(axis, step)
    if operator not in setting.beside:
        find_operator(operator)
    fits = Trial(needed(budget.kind, operator, implementation, axis, setting), budget.amount, step)
    first = first_steps(operator, axis, setting, step)
    most = _most_steps(fits, operator, axis, budget, setting, first)
    steps = largest_within(fits, least=first, most=most, period=setting.period(axis)) if most >= first else 0
    if not steps:
        return _nothing(fits, first, axis, budget, FitRow(operator=operator, implementation=implementation))
    ended = steps == LARGEST_SIZE // step
    row = FitRow(
        operator=operator,
        implementation=implementation,
        largest=steps * step,
        needed=fits.needs[steps],
        next_size=None if ended else (steps + 1) * step,
        next_needed=None if ended else _asked(fits, steps + 1),
    )
    if ended:
        return replace(row, status="endless", detail=f"every size up to {row.largest} fits")
    failing = fits.smaller_that_fails
    return row if failing is None else replace(row, detail=_not_all(fits, failing, axis, budget))


def _not_all(fits: Trial, steps: int, axis: str, budget: Budget) -> str:
    """That a smaller size does not fit."""
    wanted = fits.needs.get(steps)
    why = fits.failures[steps].message if steps in fits.failures else "more than can be said"
    why = f"needs {budget.text(wanted)}: another kernel serves it" if wanted is not None else why
    return f"not every smaller {axis} fits; {axis}={steps * fits.step} {why}"


def _nothing(fits: Trial, first: int, axis: str, budget: Budget, row: FitRow) -> FitRow:
    """The row of an operator of which no size fits, with the one that needs least.

    Raises:
        KaoprofError: it runs at none.
    """
    fits(first)
    if fits.leanest is None and fits.failures:
        raise next(iter(fits.failures.values()))
    least = first if fits.leanest is None else fits.leanest
    wanted = fits.needs.get(least)
    shown = "more than can be said" if wanted is None else budget.text(wanted)
    detail = f"{axis}={least * fits.step} already needs {shown}"
    return replace(row, status="nothing", detail=detail, next_size=least * fits.step, next_needed=wanted)


def _asked(fits: Trial, steps: int) -> int | None:
    fits(steps)
    return fits.needs.get(steps)


def _most_steps(fits: Trial, operator: str, axis: str, budget: Budget, setting: Setting, first: int) -> int:
    """The largest number of steps worth a look: beyond it the input alone needs more memory than there is.

    Of somebody's module, which might compute with what it is given, far beyond what fits none is tried either.
    """
    most, step = LARGEST_SIZE // fits.step, fits.step
    if budget.kind == "memory":
        alone = range(1, most + 1)
        most = bisect.bisect_right(
            alone, budget.amount, key=lambda steps: setting.input_bytes(setting.dims(axis, steps * step))
        )
    if operator not in setting.beside:
        return most
    beyond = 0
    steps = first
    while steps < most and beyond < PATIENCE:
        beyond += not fits(steps) and steps in fits.needs
        steps *= 2
    return min(steps, most)


def described(need: Need, size: int) -> int | None:
    """What a size needs; None where no number of bytes describes it."""
    try:
        return need(size)
    except OverflowError:
        return None


def first_steps(operator: str, axis: str, setting: Setting, step: int) -> int:
    """How many steps the size must have for the operator to have a meaning: mostly 1, and from there on it has one.

    Raises:
        UndefinedError: it has none at any size.
    """
    if operator in setting.beside:  # it may need any multiple, which only its code knows
        return 1

    def has_meaning(steps: int) -> bool:
        try:
            setting.macs(operator, setting.dims(axis, steps * step))
        except UndefinedError:
            return False
        return True

    most = LARGEST_SIZE // step
    setting.macs(operator, setting.dims(axis, most * step))
    return 1 + bisect.bisect_left(range(1, most), True, key=has_meaning)


def needed(kind: str, operator: str, implementation: str | None, axis: str, setting: Setting) -> Need:
    """Size -> bytes (`memory`) or MACs (`macs`) of an operator, in that implementation if one is named."""
    need_of = needed_bytes if kind == "memory" else needed_macs
    return need_of(operator, axis, setting.with_implementation(implementation))


def needed_macs(operator: str, axis: str, setting: Setting) -> Need:
    """Size -> multiply-adds of the whole batch."""
    return lambda size: setting.macs(operator, setting.dims(axis, size))


def needed_bytes(operator: str, axis: str, setting: Setting) -> Need:
    """Size -> bytes of input and parameters and the predicted peak above them, by dry runs, each done once.

    Raises (when called):
        OverflowError: no tensor of that size can even be described.
        UnservedError: attention is forced to a backend that cannot serve it.
    """
    known: dict[int, int] = {}

    def need(size: int) -> int:
        if size not in known:
            known[size] = sum(setting.memory(operator, setting.dims(axis, size)))
        return known[size]

    return need

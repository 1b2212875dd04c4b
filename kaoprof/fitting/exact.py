"""Inverts costs: the largest size that fits a budget of memory or MACs.

Torch-free for MACs, which have closed forms; memory is predicted by dry runs.
"""

import bisect
from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import replace

from kaoprof.catalog import find_operator, operator_workload
from kaoprof.dims import DTYPE_BYTES, MODES, SDPA_BACKENDS, SPATIAL_AXES, AttentionOptions, Dims, Size, one_of
from kaoprof.errors import KaoprofError, UndefinedError, UsageError
from kaoprof.records.fit import FitRow
from kaoprof.units import format_bytes, format_count
from kaoprof.workload.workload import Workload

LARGEST_SIZE = 2**24  # per axis: beyond it no input fits any machine, and nothing is searched
LOOKED_BEYOND = 3  # sizes after the first that does not fit: none of them may fit again
BUDGETS = ("memory", "macs")
TIED_TO_H = "w"  # images are square unless w is given

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
        """An amount of the same kind, as it is shown."""
        return format_bytes(amount) if self.kind == "memory" else f"{format_count(amount)} MACs"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but the size that varies.

    Args:
        sizes: by axis: `b`, `c` and the spatial ones, without the one that varies; `w` is `h` if it is not given.
        options: of the operators.
        mode: `forward` or `train`.
        dtype: of inputs and parameters.
        device: where memory is predicted for, `cpu` or `cuda`.
        threads: of the CPU kernels; some keep a buffer for each.
        sdpa: the one backend that fused attention may use, or `auto`.
    """

    sizes: Mapping[str, int]
    options: AttentionOptions = msgspec.field(default_factory=AttentionOptions)
    mode: str = "forward"
    dtype: str = "fp32"
    device: str = "cpu"
    threads: int = 1
    sdpa: str = "auto"

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
            sizes.setdefault(TIED_TO_H, sizes["h"])
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
        if implementation is None:
            return self
        return replace(self, options=replace(self.options, implementation=implementation))

    def step(self, axis: str) -> int:
        """The distance between sizes that are possible: heads must divide the channels."""
        return self.options.heads if axis == "c" else 1

    def macs(self, operator: str, dims: Dims) -> int:
        """Multiply-adds of the whole batch, by the closed form."""
        cost = find_operator(operator).cost(dims, self.options)
        return int(dims.b * (cost.macs_trained if self.mode == "train" else cost.macs))

    def workload(self, operator: str, dims: Dims) -> Workload:
        """What would run."""
        return operator_workload(operator, dims, self.options, dtype=self.dtype, mode=self.mode, seed=0)


def fit(operator: str, implementation: str | None, axis: str, budget: Budget, setting: Setting) -> FitRow:
    """The largest size of `axis` at which the operator stays within the budget, by exact search.

    Memory is what must be there: input and parameters, and the predicted peak above them.

    Raises:
        UsageError: there is no such axis or operator.
    """
    one_of("axis", axis, ("b", "c", "t", "h", "w", "n"))
    setting.dims(axis, setting.step(axis))
    find_operator(operator)
    need = needed(budget.kind, operator, implementation, axis, setting)
    step = setting.step(axis)
    first = first_steps(operator, axis, setting, step)
    steps = largest_within(lambda count: need(count * step), budget.amount, LARGEST_SIZE // step, least=first)
    ended = steps == LARGEST_SIZE // step
    row = FitRow(
        operator=operator,
        implementation=implementation,
        largest=steps * step or None,
        needed=need(steps * step) if steps else None,
        next_size=None if ended else (steps or first - 1) * step + step,
        next_needed=None if ended else described(need, (steps or first - 1) * step + step),
    )
    if not steps:
        least = described(need, first * step)
        shown = "more than can be said" if least is None else budget.text(least)
        return replace(row, status="nothing", detail=f"{axis}={row.next_size} already needs {shown}")
    return replace(row, status="endless", detail=f"every size up to {row.largest} fits") if ended else row


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

    def has_meaning(steps: int) -> bool:
        try:
            setting.macs(operator, setting.dims(axis, steps * step))
        except UndefinedError:
            return False
        return True

    most = LARGEST_SIZE // step
    setting.macs(operator, setting.dims(axis, most * step))
    return 1 + bisect.bisect_left(range(1, most), True, key=has_meaning)


def largest_within(need: Need, amount: int, most: int, *, least: int = 1) -> int:
    """The largest whole number from `least` to `most` whose need is at most `amount`; 0 if not even the least fits.

    The need must not fall when the number grows; just beyond the answer that is checked.

    Raises:
        KaoprofError: the need falls somewhere, so that the answer would be wrong.
    """

    def fits(count: int) -> bool:
        wanted = described(need, count)
        return wanted is not None and wanted <= amount

    if not fits(least):
        return 0
    low, high = least, 2 * least
    while high <= most and fits(high):
        low, high = high, 2 * high
    high = low + 1 + bisect.bisect_left(range(low + 1, min(high, most + 1)), True, key=lambda count: not fits(count))
    low = high - 1
    if any(fits(beyond) for beyond in range(high + 1, min(high + LOOKED_BEYOND, most) + 1)):
        raise KaoprofError(f"what is needed does not grow steadily around {low}", where="fit")
    return low


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
    from kaoprof.tape.prediction import memory_needed

    known: dict[int, int] = {}

    def need(size: int) -> int:
        if size not in known:
            workload = setting.workload(operator, setting.dims(axis, size))
            known[size] = sum(
                memory_needed(workload, device=setting.device, threads=setting.threads, sdpa=setting.sdpa)
            )
        return known[size]

    return need

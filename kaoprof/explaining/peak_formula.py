"""Derives the peak of live bytes as a formula: the dry run of `live_bytes`, on tensors whose sizes are symbols."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import sympy
from torch import Tensor

from kaoprof.explaining.derivation import symbolic_inputs, with_units
from kaoprof.explaining.expressions import greatest
from kaoprof.explaining.symbolic_sizes import NamedSizes, Specialisation, fake_tensors
from kaoprof.explaining.target import Target
from kaoprof.explaining.validity import Domain
from kaoprof.memory.dry_module import build_dry_module
from kaoprof.memory.fused_encoders import encoders_shown, without_nested_tensors
from kaoprof.memory.kernels import flash
from kaoprof.memory.kernels.table import scratch_bytes
from kaoprof.memory.live_bytes import LiveBytesMode
from kaoprof.workload.attention_backend import served_by
from kaoprof.workload.building import step_of
from kaoprof.workload.operation_names import name_of

FLASH = "_scaled_dot_product_flash_attention_for_cpu"
FLASH_BACKWARD = f"{FLASH}_backward"
Alive = frozenset[tuple[sympy.Expr, int]]  # sizes in bytes, each with how many tensors have it


class PeakFormula(msgspec.Struct, frozen=True, kw_only=True):
    """The most bytes that are alive at once, above inputs and parameters, output included.

    Args:
        peak_bytes: exact; a `Max` where it depends on the sizes which moment is the fullest.
        domain: the sizes for which it holds.
        specialisations: sizes that the module fixed, and why.
    """

    peak_bytes: sympy.Expr
    domain: Domain
    specialisations: tuple[Specialisation, ...]


def derive_peak(target: Target, *, device: str, threads: int, sdpa: str = "auto") -> PeakFormula:
    """The formula whose value at any sizes is what `predict_peak_bytes` finds there, on `device` (`cpu` or `cuda`).

    Raises:
        UnservedError: attention is forced to the backend `sdpa`, which cannot serve this.
    """
    return with_units(target.sizes, lambda sizes: _derived(target, sizes, device=device, threads=threads, sdpa=sdpa))


def _derived(target: Target, sizes: NamedSizes, *, device: str, threads: int, sdpa: str) -> PeakFormula:
    workload = target.at(sizes.sizes)
    fake_device = "cpu" if device == "cpu" else "meta"
    with fake_tensors(sizes), encoders_shown(device), served_by(sdpa, device):
        module = build_dry_module(workload, device=fake_device)
        without_nested_tensors(module)
        sizes.constructing = False
        inputs = symbolic_inputs(workload, device=fake_device)
        step = step_of(workload, module, inputs)
        resident = [*inputs, *module.parameters(), *module.buffers()]
        live = SymbolicLiveBytes(resident, sizes, device=device, threads=threads)
        with live:
            output = step()
        del output
    domain = sizes.domain()
    return PeakFormula(
        peak_bytes=greatest(live.moments(), least=domain.least_of_symbols),
        domain=domain,
        specialisations=sizes.specialisations(),
    )


class SymbolicLiveBytes(LiveBytesMode):
    """While active, remembers every moment that could be the fullest: before a storage dies, and inside kernels."""

    def __init__(self, resident: list[Tensor], sizes: NamedSizes, *, device: str, threads: int) -> None:
        super().__init__(resident, device=device, threads=threads)
        self._sizes = sizes
        self._alive: Counter[sympy.Expr] = Counter()
        self._moments: dict[Alive, None] = {}
        self._growing = False

    def note(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        """A moment inside the kernel, if it holds something for itself."""
        del out
        hidden = symbolic_scratch_bytes(func, args, kwargs, self._sizes, device=self.device, threads=self.threads)
        if hidden != 0:
            self._remember(hidden)

    def grow(self, size: Any) -> None:
        """A storage of `size` bytes is born."""
        self._alive[self._sizes.expression(size)] += 1
        self._growing = True

    def shrink(self, size: Any) -> None:
        """A storage of `size` bytes has died: the moment before may have been the fullest."""
        self._remember_growth()
        self._alive[self._sizes.expression(size)] -= 1

    def moments(self) -> list[sympy.Expr]:
        """The bytes alive at each moment that no other moment plainly contains."""
        self._remember_growth()
        counted = [dict(alive) for alive in self._moments]
        fullest = [alive for alive in counted if not any(_inside(alive, other) for other in counted)]
        return [sympy.Add(*(number * size for size, number in alive.items())) for alive in fullest]

    def _remember_growth(self) -> None:
        if self._growing:
            self._remember(sympy.Integer(0))
        self._growing = False

    def _remember(self, hidden: sympy.Expr) -> None:
        alive = Counter(self._alive)
        alive[hidden] += 1
        self._moments[frozenset((size, number) for size, number in alive.items() if number and size != 0)] = None


def _inside(alive: Mapping[sympy.Expr, int], other: Mapping[sympy.Expr, int]) -> bool:
    """Whether everything alive in one moment is also alive in the other, and more."""
    return alive != other and all(number <= other.get(size, 0) for size, number in alive.items())


def symbolic_scratch_bytes(
    operation: Any, args: Any, kwargs: Any, sizes: NamedSizes, *, device: str, threads: int
) -> sympy.Expr:
    """`scratch_bytes` as an expression: where a kernel chooses its block by the sizes, piecewise."""
    name = name_of(operation)
    if device != "cpu" or name not in (FLASH, FLASH_BACKWARD):
        return sizes.expression(scratch_bytes(operation, args, kwargs, device=device, threads=threads))
    backward = name == FLASH_BACKWARD
    query, _, value = args[1:4] if backward else args[:3]
    n_queries, n_keys, head = (sizes.expression(size) for size in (query.shape[-2], value.shape[-2], query.shape[-1]))
    block = sympy.Piecewise(*((block, n_queries >= least) for least, block in flash.FLASH_QUERY_BLOCKS))
    rows, columns = sympy.Min(n_queries, block), sympy.Min(n_keys, flash.FLASH_KEY_BLOCK)
    if not backward:
        return threads * flash.flash_bytes_per_thread(query, rows=rows, columns=columns, head=head)
    buffers = flash.flash_backward_bytes(query, rows=rows, columns=columns, threads=threads)
    return sizes.expression(flash.laid_out_bytes(args[0])) + buffers

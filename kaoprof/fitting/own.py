"""Somebody's module where sizes are solved for: its closed form where it has one, else counts, and its memory."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from kaoprof.comparing.own_code import OwnCode, own_workload
from kaoprof.dims import Dims
from kaoprof.errors import KaoprofError, UsageError
from kaoprof.findings.own_cost import cost_of
from kaoprof.records.options import Options
from kaoprof.records.own import OwnForm, OwnModule
from kaoprof.workload.workload import Workload


class OwnFit:
    """One module at whatever size.

    Args:
        module: in its layout.
        form: of its MACs; None where it has no closed form.
        code: the process in which it is looked at.
        dtype: of inputs and parameters.
        mode: `forward` or `train`.
    """

    def __init__(self, module: OwnModule, form: OwnForm | None, code: OwnCode, *, dtype: str, mode: str) -> None:
        self.module, self.form, self.code = module, form, code
        self.dtype, self.mode = dtype, mode

    @property
    def multiples(self) -> Mapping[str, int]:
        """By axis, of what its sizes must be multiples, as far as its closed form tells."""
        return self.form.multiples if self.form else {}

    def macs(self, dims: Dims) -> int:
        """Multiply-adds of the whole batch.

        Raises:
            KaoprofError: it has no closed form and cannot be counted.
        """
        if self.form is not None:
            return int(dims.b * cost_of(self.form, dims).macs)
        return self.code.count(self.workload(dims)).macs

    def memory(self, dims: Dims, *, device: str, threads: int, sdpa: str) -> tuple[int, int]:
        """Bytes of input and weights, and the predicted peak above them.

        Raises:
            OverflowError: no tensor of that size can even be described.
            KaoprofError: it does not run at this size.
        """
        needed = self.code.needed(self.workload(dims), device=device, threads=threads, sdpa=sdpa)
        return needed.resident, needed.peak

    def workload(self, dims: Dims) -> Workload:
        """What runs."""
        return own_workload(self.module, dims, dtype=self.dtype, mode=self.mode, seed=0)


@contextmanager
def own_fits(
    modules: Sequence[OwnModule], sizes: Sequence[Dims], options: Options, *, device: str, dtype: str, mode: str
) -> Iterator[Mapping[str, OwnFit]]:
    """The modules by name, as long as their process lives; their closed forms are derived around one of the `sizes`.

    Raises:
        UsageError: a module cannot be made without being told more, or runs at none of the sizes.
    """
    with OwnCode(device, options) as code:
        fits = {}
        for module in modules:
            try:
                answer = code.form(module, sizes, dtype, mode)
            except UsageError:
                raise
            except KaoprofError as error:
                raise UsageError(f"{module.name}: {error.message}", where="with") from None
            known = replace(module, layout=answer.layout)
            fits[module.name] = OwnFit(known, answer.form, code, dtype=dtype, mode=mode)
        yield fits

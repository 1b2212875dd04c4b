"""The same module on a smaller input: one sample of a batch, or the smallest image that has any axes at all."""

from collections.abc import Callable

from msgspec.structs import replace
from torch import Tensor, nn

from kaoprof.bench.ceilings import fastest_seconds
from kaoprof.bench.meters import CpuMeters, CudaMeters
from kaoprof.workload.building import build_inputs, step_of
from kaoprof.workload.workload import TensorSpec, Workload

FEWEST_AXES, SMALLEST_SIZE = 3, 2  # of `(b c n)`; and of each spatial axis, which pooling may halve

Prepared = tuple[Callable[[], object], tuple[Tensor, ...]]


def on_one_sample(workload: Workload, module: nn.Module, *, device: str) -> Prepared:
    """A step of `module` on inputs whose batch axis is 1 long, and these."""
    axis = workload.batch_axis

    def shape_of(spec: TensorSpec) -> tuple[int, ...]:
        if axis is None or axis >= len(spec.shape):
            return spec.shape
        return (*spec.shape[:axis], 1, *spec.shape[axis + 1 :])

    return _prepared(workload, module, device, shape_of)


def smallest_seconds(
    workload: Workload, module: nn.Module, meters: CpuMeters | CudaMeters, *, device: str
) -> float | None:
    """Of a module with one `(b c *spatial)` as its input; None for others, and where it refuses so small a one."""
    (first, *others) = workload.inputs
    if others or len(first.shape) < FEWEST_AXES:
        return None
    spatial = (SMALLEST_SIZE,) * (len(first.shape) - 2)
    try:
        step, _ = _prepared(workload, module, device, lambda spec: (1, spec.shape[1], *spatial))
        return fastest_seconds(meters, step)
    except Exception:  # noqa: BLE001 - a stride may leave nothing of it, a batch norm wants more than one value
        return None


def _prepared(
    workload: Workload, module: nn.Module, device: str, shape_of: Callable[[TensorSpec], tuple[int, ...]]
) -> Prepared:
    smaller = replace(workload, inputs=tuple(replace(spec, shape=shape_of(spec)) for spec in workload.inputs))
    inputs = build_inputs(smaller, device=device)
    return step_of(smaller, module, inputs), inputs

"""Builds a module whose tensors have shapes but no values, also where its weights are drawn until they please."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from kaoprof.torch_internals import FAKE_TENSOR_LOGGER, FakeTensorMode, mark_as_parameter, strides_as_real
from kaoprof.workload.building import build_module
from kaoprof.workload.foreign import foreign
from kaoprof.workload.patching import replaced
from kaoprof.workload.workload import Workload


class Construction(TorchFunctionMode):
    """While active, modules can be built of tensors without values.

    "Is any of these true?" is answered with no: torch's `trunc_normal_`, which begins most vision transformers, draws
    again as long as any value is out of bounds. Whatever else a constructor asks of values stays the error that it is.
    A deep copy of a tensor, as stacks of layers make it, does not look for data.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: object = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__bool__ and args[0] is self.asked:
            return False
        if func is Tensor.__deepcopy__:
            return _copied(*args)
        out = foreign(func, *args, **(kwargs or {}))
        if func is Tensor.any:
            self.asked = out
        return out


def _copied(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    if id(tensor) not in memo:
        copy = tensor.detach().clone().requires_grad_(tensor.requires_grad)
        mark_as_parameter(copy, is_parameter=isinstance(tensor, nn.Parameter))
        memo[id(tensor)] = copy
    return cast("Tensor", memo[id(tensor)])


@contextmanager
def dry_tensors(*, allow_real: bool) -> Iterator[FakeTensorMode]:
    """While active, tensors have no values; real ones may join them if `allow_real`.

    Views lie in memory as real ones do, also along axes of size 1: by these torch recognises what is channels-last.
    """
    with (
        strides_as_real(),
        replaced(FAKE_TENSOR_LOGGER, "disabled", True),
        FakeTensorMode(allow_non_fake_inputs=allow_real) as tensors,
    ):
        yield tensors


def build_dry_module(workload: Workload, *, device: str) -> nn.Module:
    """The workload's module under an active fake tensor mode, as if on `device`."""
    with Construction():
        return build_module(workload, device=device, without_data=True)

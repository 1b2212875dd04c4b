"""Builds a model as its own code would, except that its parameters take no memory: they lose their data as they come.

Only parameters and large buffers are replaced, as they are registered; whatever else a constructor does is real.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import psutil
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakIdKeyDictionary

from kaoprof.errors import KaoprofError
from kaoprof.torch_internals import FakeTensor, FakeTensorMode, held_tensors, mark_as_parameter
from kaoprof.workload.conversions import conversions_without_data
from kaoprof.workload.patching import replaced

LARGE_BUFFER = 2**16  # elements, above which a buffer's values are not worth their memory
PLAIN = (Tensor, nn.Parameter, nn.Buffer)
NO_MEMORY = "can't allocate memory"  # torch's words
DRAWS = ("uniform_", "normal_", "fill_", "zero_", "erfinv_", "clamp_", "exponential_", "bernoulli_", "random_")
MOST_OF_MEMORY = 0.5  # of what is free may be taken by a model that is really built


def fake_mode() -> FakeTensorMode:
    """A mode of tensors without data, which real ones may join."""
    return FakeTensorMode(allow_non_fake_inputs=True)


def empty_like(tensor: Tensor, fakes: FakeTensorMode) -> Tensor:
    """A tensor without data that lies in memory as this one does, in a storage of its own; quicker than torch's own."""
    if type(tensor) not in PLAIN or tensor.layout is not torch.strided or tensor.is_quantized:
        return fakes.from_tensor(tensor.detach())
    empty = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
    return FakeTensor(fakes, empty, tensor.device)


@contextmanager
def without_data(fakes: FakeTensorMode) -> Iterator[None]:
    """While active, what modules register as parameters, and large buffers, hold no data."""
    known: Any = WeakIdKeyDictionary()  # what two modules share stays shared
    register_parameter, register_buffer = nn.Module.register_parameter, nn.Module.register_buffer

    def parameter_registered(module: nn.Module, name: str, param: nn.Parameter | None) -> None:
        register_parameter(module, name, param)
        if param is not None and not is_lazy(param) and not isinstance(param, FakeTensor):
            held_tensors(module)[0][name] = _emptied(param, fakes, known)

    def buffer_registered(module: nn.Module, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        register_buffer(module, name, tensor, persistent)
        if isinstance(tensor, Tensor) and not isinstance(tensor, FakeTensor) and _is_large(tensor):
            held_tensors(module)[1][name] = fakes.from_tensor(tensor)

    with ExitStack() as stack:
        stack.enter_context(replaced(nn.Module, "register_parameter", parameter_registered))
        stack.enter_context(replaced(nn.Module, "register_buffer", buffer_registered))
        stack.enter_context(replaced(FakeTensor, "__deepcopy__", _copied))
        stack.enter_context(conversions_without_data())
        for draw in DRAWS:  # most of the time of a constructor, for nothing
            stack.enter_context(replaced(FakeTensor, draw, _as_it_is))
        yield


def _as_it_is(tensor: Tensor, *_: object, **__: object) -> Tensor:
    return tensor


def _is_large(tensor: Tensor) -> bool:
    return not is_lazy(tensor) and tensor.layout is torch.strided and tensor.numel() > LARGE_BUFFER


def _emptied(param: nn.Parameter, fakes: FakeTensorMode, known: Any) -> nn.Parameter:
    """The parameter without its data, with whatever marks somebody put on it; always the same for the same one."""
    if param in known:
        return cast("nn.Parameter", known[param])
    fake = empty_like(param, fakes).requires_grad_(param.requires_grad)
    mark_as_parameter(fake, is_parameter=True)
    for name, mark in vars(param).items():
        setattr(fake, name, mark)
    known[param] = fake
    return cast("nn.Parameter", fake)


def _copied(tensor: Tensor, memo: dict[int, Any]) -> Tensor:
    """A deep copy of a tensor without data, as stacks of layers make it."""
    if id(tensor) not in memo:
        with torch.no_grad():
            copy = tensor.detach().clone().requires_grad_(tensor.requires_grad)
        mark_as_parameter(copy, is_parameter=isinstance(tensor, nn.Parameter))
        memo[id(tensor)] = copy
    return cast("Tensor", memo[id(tensor)])


@contextmanager
def within_memory() -> Iterator[None]:
    """While active, models are really built, as long as they fit.

    Raises:
        KaoprofError: parameters take more than a part of the free memory.
    """
    register_parameter = nn.Module.register_parameter
    limit = int(psutil.virtual_memory().available * MOST_OF_MEMORY)
    taken: dict[int, int] = {}

    def registered(module: nn.Module, name: str, param: nn.Parameter | None) -> None:
        if param is not None and not is_lazy(param):
            taken[id(param)] = param.numel() * param.element_size()
        if sum(taken.values()) > limit:
            raise KaoprofError(
                f"it needs real tensors to be counted, and its weights take more than {limit:,} bytes",
                hint="count it on a machine with more memory, or a smaller one of its kind",
            )
        register_parameter(module, name, param)

    with replaced(nn.Module, "register_parameter", registered):
        yield


def built(make: Callable[[], nn.Module], fakes: FakeTensorMode) -> tuple[nn.Module, Exception | None]:
    """What `make` makes, without data if that can be; and why it could not be, if so.

    Raises:
        Exception: whatever `make` raises where tensors are real.
    """
    try:
        with without_data(fakes):
            return make(), None
    except Exception as error:  # noqa: BLE001 - a constructor may look at its weights in any way: then they are real
        reason = error
    if NO_MEMORY in str(reason):  # not even for a moment, until it is registered
        with fakes, without_data(fakes):
            return make(), None
    with within_memory():
        return make(), reason

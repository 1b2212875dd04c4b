"""From a description to something that runs: resolve a factory, build the module and its inputs, take one step.

A `Workload` is torch-free and goes through JSON, so that the same one is counted here and measured in another process.
"""

import importlib
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FunctionType
from typing import TYPE_CHECKING, Any

from kaoprof.errors import UsageError, nearest
from kaoprof.workload.workload import FLOAT_DTYPES, TORCH_DTYPES, TensorSpec, Workload

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SMALL_INPUT = 2**20  # elements, up to which whole numbers in the input keep their values without data, too


def resolve(factory: str) -> Callable[..., "nn.Module"]:
    """What makes the module that `package.module:name` names. Imports the package, which runs its code.

    The name is an attribute of the package, else one of the models that it lists, such as `timm:vit_tiny_patch16_224`.

    Raises:
        UsageError: the text has no colon, the package or the name does not exist, or it is no factory.
    """
    from kaoprof.workload.registries import named_model

    module_name, colon, name = factory.partition(":")
    if not colon or not module_name or not name:
        raise UsageError(f"{factory!r} does not name code", hint="write package.module:Class")
    try:
        package = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(f"cannot find {factory!r}: {error}", hint="is it installed, and spelt right?") from error
    try:
        named: Any = package
        for part in name.split("."):
            named = getattr(named, part)
    except AttributeError as error:
        model = named_model(package, name)
        if model is None:
            makers = [word for word, value in vars(package).items() if isinstance(value, type | FunctionType)]
            hint = nearest(name, makers) or "is it spelt right?"
            raise UsageError(f"cannot find {factory!r}: {error}", hint=hint) from error
        return model
    return _checked_factory(named, factory)


def _checked_factory(named: Any, factory: str) -> Callable[..., "nn.Module"]:
    """A class or a function; a model's class that wants a config takes its default one."""
    from functools import partial

    from torch import nn

    from kaoprof.workload.transformers_models import model_of_class

    if isinstance(named, nn.Module):
        name = factory.partition(":")[2]
        raise UsageError(
            f"{factory!r} is a model, and a factory is wanted, which makes one",
            hint=f"write a function that returns it, def make(): return {name}, and name that; or name its class",
        )
    if not callable(named):
        raise UsageError(
            f"{factory!r} is a {type(named).__name__}, which makes no model", hint="name a class or function"
        )
    if isinstance(named, type) and isinstance(getattr(named, "config_class", None), type):
        return partial(model_of_class, named)
    return named  # type: ignore[no-any-return]


def build_module(workload: Workload, *, device: str, without_data: bool = False) -> "nn.Module":
    """The workload's module on `device`, in its dtype, seeded, in training mode if `mode` is `train`.

    On `meta` its tensors hold no data, and elsewhere if a mode that is active sees to that (`without_data`).

    Raises:
        UsageError: the factory does not exist, or makes something else than a module.
    """
    import torch

    from kaoprof.workload.called import checked_module
    from kaoprof.workload.conversions import conversions_without_data

    factory = resolve(workload.factory)
    torch.manual_seed(workload.seed)
    dry = conversions_without_data() if without_data or device == "meta" else nullcontext()
    with torch.device(device), default_dtype(torch_dtype(workload.dtype)), dry:
        module = checked_module(factory(*workload.args, **workload.kwargs))
    return in_mode(module, train=workload.mode == "train")


def in_mode(module: "nn.Module", *, train: bool) -> "nn.Module":
    """The module, in training or in evaluation mode; one that knows no modes, such as an exported one, as it is."""
    try:
        return module.train(train)
    except NotImplementedError:
        return module


@contextmanager
def default_dtype(dtype: "torch.dtype") -> Iterator[None]:
    """Parameters are born in `dtype`: a later `.to(dtype)` is refused for fake tensors."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def build_inputs(
    workload: Workload, *, device: str, without_data: "AbstractContextManager[object] | None" = None
) -> "tuple[Tensor, ...]":
    """The workload's inputs on `device`, seeded; in `train` mode floats require gradients if the workload says so.

    Under the mode `without_data` only small ones of whole numbers have values: the same as ever, since each input is
    drawn from a seed of its own.
    """
    import torch

    def drawn(spec: TensorSpec, position: int) -> "Tensor":
        dtype, floats = torch_dtype(spec.dtype), spec.dtype in FLOAT_DTYPES
        gradient = floats and workload.mode == "train" and workload.input_grad
        if without_data is not None and (floats or math.prod(spec.shape) > SMALL_INPUT):
            with without_data:
                return torch.empty(spec.shape, device=device, dtype=dtype, requires_grad=gradient)
        if spec.values != "drawn":
            filled = torch.full(spec.shape, float(spec.values == "ones"), device=device, dtype=dtype)
            return filled.requires_grad_(gradient)
        generator = None if device == "meta" else torch.Generator(device).manual_seed(workload.seed + position)
        if not floats:
            return torch.randint(spec.low, spec.high, spec.shape, device=device, generator=generator).to(dtype)
        numbers = torch.empty(spec.shape, device=device, dtype=dtype).normal_(generator=generator)
        return numbers.requires_grad_(gradient)

    return tuple(drawn(spec, position) for position, spec in enumerate(workload.inputs))


def torch_dtype(name: str) -> "torch.dtype":
    """torch's dtype for kaoprof's name: `fp32` -> `torch.float32`."""
    import torch

    return getattr(torch, TORCH_DTYPES[name])  # type: ignore[no-any-return]


def step_of(workload: Workload, module: "nn.Module", inputs: "tuple[Tensor, ...]") -> Callable[[], object]:
    """What is counted and timed: one forward pass, or one forward and backward with gradients that start at None.

    With an optimizer it ends with that one's step; its states are made by the first one, and stay. The result holds the
    output, so that whoever calls the step decides how long it lives.
    """
    import torch

    from kaoprof.workload.called import leaves
    from kaoprof.workload.optimizers import make_optimizer

    optimizer = make_optimizer(workload.optimizer, module) if workload.optimizer else None

    def forward() -> object:
        with torch.no_grad():
            return module(*inputs)

    def train() -> object:
        module.zero_grad(set_to_none=True)
        for tensor in inputs:
            tensor.grad = None
        output = module(*inputs)
        ends = [leaf for leaf in leaves(output) if leaf.requires_grad]
        if not ends:
            raise UsageError(
                "nothing to train: no answer depends on a parameter", where="module", hint="use --mode forward"
            )
        torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])
        if optimizer is not None:
            optimizer.step()
        return output

    return train if workload.mode == "train" else forward

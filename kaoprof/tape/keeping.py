"""Leaves no trace: a model, its gradients and the process are afterwards as they were before they were recorded."""

import gc
import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from kaoprof.torch_internals import held_tensors
from kaoprof.workload.patching import replaced
from kaoprof.workload.process import process_as_before
from kaoprof.workload.turns import turn_of_a_call

DEEPER = 3  # times Python's limit of frames, which ours share with the model's
DEEPEST = 100_000  # frames, also where one of these is inside of another


@contextmanager
def process_kept(seed: int | None) -> Iterator[None]:
    """While active, random numbers are seeded alike; then every generator and setting of the process is as before.

    Raises:
        KaoprofError: another thread is inside of a block that is counted.
    """
    with turn_of_a_call(), process_as_before():
        gc.disable()  # a collection in the middle would let tensors die sooner than in a run
        sys.setrecursionlimit(min(DEEPER * sys.getrecursionlimit(), DEEPEST))
        if seed is not None:
            seeded(seed)
        yield


def seeded(seed: int) -> None:
    """Every generator of random numbers that a model may draw from begins anew."""
    numpy = sys.modules.get("numpy")
    torch.manual_seed(seed)
    random.seed(seed)
    if numpy:
        numpy.random.seed(seed % 2**32)


@contextmanager
def model_kept(model: nn.Module | None, *, written: bool) -> Iterator[None]:
    """While active, the model may be run; then its attributes, buffers, gradients and modes are as before.

    Args:
        model: it may be none.
        written: whether buffers are really written to, so that they must be copied.
    """
    if model is None:
        yield
        return
    modules = list(model.modules())
    attributes = [_snapshot(module) for module in modules]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    _replace_buffers(modules, written=written)
    try:
        yield
    finally:
        for module, (kind, before) in zip(modules, attributes, strict=True):
            _restore(module, kind, before)
        for parameter, gradient in gradients:
            parameter.grad = gradient


def _replace_buffers(modules: list[nn.Module], *, written: bool) -> None:
    """Puts other tensors in the place of buffers, so that these stay unwritten: copies, or views of them."""
    known: dict[int, Tensor] = {}
    for module in modules:
        _, buffers = held_tensors(module)
        for name, buffer in buffers.items():
            if type(buffer) in (Tensor, nn.Buffer):
                if id(buffer) not in known:
                    known[id(buffer)] = buffer.detach().clone() if written else buffer.data
                buffers[name] = known[id(buffer)]


def _snapshot(module: nn.Module) -> tuple[type, dict[str, Any]]:
    return type(module), {
        name: (value, value.copy() if type(value).__name__ in ("dict", "OrderedDict", "list", "set") else None)
        for name, value in vars(module).items()
    }


def _restore(module: nn.Module, kind: type, before: dict[str, Any]) -> None:
    if type(module) is not kind:
        module.__class__ = kind  # a lazy module turned into what it stands for
    held = vars(module)
    for name in [name for name in held if name not in before]:
        del held[name]
    for name, (value, content) in before.items():
        held[name] = value
        if content is not None and not _holds_the_same(value, content):
            _refill(value, content)


def _holds_the_same(value: Any, content: Any) -> bool:
    """Whether a list, mapping or set holds the very objects that it held."""
    if isinstance(value, dict):
        return list(value) == list(content) and all(value[key] is content[key] for key in content)
    if isinstance(value, list):
        return len(value) == len(content) and all(now is before for now, before in zip(value, content, strict=True))
    return {id(part) for part in value} == {id(part) for part in content}


def _refill(value: Any, content: Any) -> None:
    value.clear()
    value.extend(content) if isinstance(value, list) else value.update(content)


@contextmanager
def compiler_aside() -> Iterator[None]:
    """While active, what is compiled, before or meanwhile, runs as it was written, so that its operations show."""
    with ExitStack() as stack:
        compile_it = torch.compile

        def compiled(*args: Any, **kwargs: Any) -> Any:
            made = compile_it(*args, **kwargs)
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            return made

        stack.enter_context(replaced(torch, "compile", compiled))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


@contextmanager
def compiled_nothing() -> Iterator[None]:
    """While active, `torch.compile` gives back what it is given, and what was compiled before runs as written."""

    def plain(model: Any = None, **_: Any) -> Any:
        return (lambda function: function) if model is None else model

    with ExitStack() as stack:
        stack.enter_context(replaced(torch, "compile", plain))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield

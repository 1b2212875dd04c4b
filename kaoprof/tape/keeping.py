"""Leaves no trace: a model, its gradients and the process are afterwards as they were before they were recorded."""

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from kaoprof.workload.patching import replaced

DEEPER = 3  # times Python's limit of frames, which ours share with the model's


@contextmanager
def process_kept(seed: int | None) -> Iterator[None]:
    """While active, random numbers are seeded alike; then every generator and setting of the process is as before."""
    numpy = sys.modules.get("numpy")
    states = (
        torch.get_rng_state(), random.getstate(), numpy.random.get_state() if numpy else None,
        torch.is_grad_enabled(), torch.get_default_dtype(), sys.getrecursionlimit(),
        torch.backends.mha.get_fastpath_enabled(),
    )  # fmt: skip
    generator, python, arrays, grad, dtype, frames, fast = states
    try:
        sys.setrecursionlimit(DEEPER * frames)
        if seed is not None:
            seeded(seed)
        yield
    finally:
        torch.set_rng_state(generator)
        random.setstate(python)
        if numpy and arrays is not None:
            numpy.random.set_state(arrays)
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
        sys.setrecursionlimit(frames)
        torch.backends.mha.set_fastpath_enabled(fast)


def seeded(seed: int) -> None:
    """Every generator of random numbers that a model may draw from begins anew."""
    numpy = sys.modules.get("numpy")
    torch.manual_seed(seed)
    random.seed(seed)
    if numpy:
        numpy.random.seed(seed % 2**32)


@contextmanager
def model_kept(model: nn.Module | None) -> Iterator[None]:
    """While active, the model may be run; then its attributes, buffers, gradients and modes are as before."""
    if model is None:
        yield
        return
    modules = list(model.modules())
    attributes = [_snapshot(module) for module in modules]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        for module, (kind, before) in zip(modules, attributes, strict=True):
            _restore(module, kind, before)
        for parameter, gradient in gradients:
            parameter.grad = gradient


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
        if content is not None and value != content:
            _refill(value, content)


def _refill(value: Any, content: Any) -> None:
    value.clear()
    value.extend(content) if isinstance(value, list) else value.update(content)


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

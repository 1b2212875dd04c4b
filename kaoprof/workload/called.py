"""A module of any signature, called with a flat row of tensors and answering with tensors alone where there are any."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn

from kaoprof.errors import UsageError

POSITIONAL = "*"  # as in specs: before a list of arguments without a keyword


def checked_module(made: object) -> nn.Module:
    """What a factory made.

    Raises:
        UsageError: it is no module.
    """
    if not isinstance(made, nn.Module):
        raise UsageError(f"the factory made {type(made).__name__!r}, not a torch.nn.Module", where="module")
    return made


class CalledModule(nn.Module):
    """Arranges its tensors as the module wants them, and returns the floating-point tensors of what it answers.

    All of them, for a backward pass must reach every part of the module, and nothing may be taken for unused. An answer
    without any is returned as it is.

    Args:
        module: what is called.
        inputs: its positional arguments as a list, or its keyword arguments as a mapping, in which `*` stands before
            a list of positional ones; nested. A mapping with the key `shape` stands for the next tensor, anything else
            for itself.
    """

    def __init__(self, module: nn.Module, inputs: list[Any] | dict[str, Any]) -> None:
        super().__init__()
        self.module = checked_module(module)
        self.inputs = inputs

    def forward(self, *tensors: Tensor) -> Any:
        arguments = _arranged(self.inputs, iter(tensors))
        named = arguments if isinstance(arguments, dict) else {}
        positional = named.pop(POSITIONAL, ()) if isinstance(arguments, dict) else arguments
        answer = self.module(*positional, **named)
        floats = float_tensors(answer)
        return floats if len(floats) > 1 else floats[0] if floats else answer


def _arranged(pattern: Any, tensors: Iterator[Tensor]) -> Any:
    if isinstance(pattern, dict):
        if "shape" in pattern:
            return next(tensors)
        return {key: _arranged(inner, tensors) for key, inner in pattern.items()}
    return [_arranged(inner, tensors) for inner in pattern] if isinstance(pattern, list) else pattern


def float_tensors(answer: Any) -> tuple[Tensor, ...]:
    """The floating-point tensors in an answer, each once: a tensor, or lists, mappings and dataclasses of them."""
    return tuple(leaf for leaf in leaves(answer) if leaf.is_floating_point())


def leaves(answer: Any) -> list[Tensor]:
    """The tensors in an answer, each once, however it is nested: in lists, mappings and dataclasses."""
    if isinstance(answer, Tensor):
        return [answer]
    parts: Iterable[Any] = ()
    if isinstance(answer, Mapping):
        parts = answer.values()
    elif isinstance(answer, list | tuple):
        parts = answer
    elif is_dataclass(answer):
        parts = (getattr(answer, field.name) for field in fields(answer))
    return list({id(leaf): leaf for part in parts for leaf in leaves(part)}.values())

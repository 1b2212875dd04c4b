"""A module of any signature, called with a flat row of tensors and answering with one."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from kaoprof.errors import UsageError


class CalledModule(nn.Module):
    """Arranges its tensors as the module wants them, and returns the first floating-point tensor of what it answers.

    Args:
        module: what is called.
        inputs: its positional arguments as a list, or its keyword arguments as a mapping; nested. A mapping with the
            key `shape` stands for the next tensor, anything else for itself.
    """

    def __init__(self, module: nn.Module, inputs: list[Any] | dict[str, Any]) -> None:
        super().__init__()
        if not isinstance(module, nn.Module):
            raise UsageError(f"the factory made a {type(module).__name__}, not a torch.nn.Module", where="module")
        self.module = module
        self.inputs = inputs

    def forward(self, *tensors: Tensor) -> Tensor:
        arguments = _arranged(self.inputs, iter(tensors))
        answer = self.module(**arguments) if isinstance(arguments, dict) else self.module(*arguments)
        return first_float(answer)


def _arranged(pattern: Any, tensors: Iterator[Tensor]) -> Any:
    if isinstance(pattern, dict):
        if "shape" in pattern:
            return next(tensors)
        return {key: _arranged(inner, tensors) for key, inner in pattern.items()}
    return [_arranged(inner, tensors) for inner in pattern] if isinstance(pattern, list) else pattern


def first_float(answer: Any) -> Tensor:
    """The first floating-point tensor in an answer: a tensor, or lists and mappings of them.

    Raises:
        UsageError: there is none.
    """
    for leaf in _leaves(answer):
        if leaf.is_floating_point():
            return leaf
    raise UsageError(
        f"the module answers with {type(answer).__name__}, without a floating-point tensor", where="module"
    )


def _leaves(answer: Any) -> Iterator[Tensor]:
    if isinstance(answer, Tensor):
        yield answer
    elif isinstance(answer, dict):
        for inner in answer.values():
            yield from _leaves(inner)
    elif isinstance(answer, list | tuple):
        for inner in answer:
            yield from _leaves(inner)

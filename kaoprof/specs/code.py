"""Specs that name code: what the module is called with. Parsing one imports nothing."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from kaoprof.specs.documents import CodeSpec, TensorInput
from kaoprof.specs.places import Places, key_path

FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_][\w-]*(\.\w[\w-]*)*", re.ASCII)
POSITIONAL = "*"  # among inputs by keyword: the list of those without one


def is_tensor(value: Any) -> bool:
    """Whether a plain value describes a tensor: a mapping with a shape."""
    return isinstance(value, dict) and "shape" in value


def input_tensors(spec: CodeSpec) -> tuple[TensorInput, ...]:
    """The tensors among the inputs, from left to right."""
    return tuple(msgspec.convert(value, TensorInput) for _, value in _described(spec.inputs, "inputs"))


def _described(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Whatever describes a tensor inside of a value, with its key path."""
    if is_tensor(value):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _described(inner, key_path(path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _described(inner, f"{path}[{index}]")


def check_code(spec: CodeSpec, places: Places) -> None:
    """Refuses a module that cannot be a name of code, and inputs that describe no tensor.

    Raises:
        SpecError: naming the key.
    """
    if not FACTORY.fullmatch(spec.module):
        raise places.error(f"{spec.module!r} does not name code", "module", hint="write package.module:factory")
    if spec.inputs is None:
        return
    if is_tensor(spec.inputs):
        raise places.error("must be a list or a mapping of tensors", "inputs", hint="write - {shape: [...]} in a list")

    for path, value in _described(spec.inputs, "inputs"):
        try:
            tensor = msgspec.convert(value, TensorInput)
        except msgspec.ValidationError as error:
            from kaoprof.specs.mistakes import explain

            raise explain(error, value, TensorInput, places, at=path) from None
        if tensor.low >= tensor.high:
            raise places.error(
                f"no whole number is at least {tensor.low} and below {tensor.high}", path, hint="low is below high"
            )
    if not input_tensors(spec):
        raise places.error("no tensor among the inputs", "inputs", hint="add {shape: [1, 3, 224, 224]}")

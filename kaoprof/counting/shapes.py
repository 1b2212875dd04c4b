"""What rules look at: tensors, or records of tensors, of which only sizes and dtypes are used."""

from typing import Any, Protocol

from kaoprof.dims import Size


class Shaped(Protocol):
    """A tensor, or a record of one."""

    @property
    def shape(self) -> Any:
        """Its sizes."""

    @property
    def ndim(self) -> int:
        """How many."""

    def numel(self) -> Size:
        """How many elements it has."""

    def is_complex(self) -> bool:
        """Whether they are complex."""


def is_shaped(value: object) -> bool:
    """Whether the value is a tensor, or the record of one."""
    return hasattr(value, "numel")


def first_tensor(value: Any) -> Any:
    """The tensor itself, or the first one of nested lists; None if there is none."""
    if is_shaped(value):
        return value
    for part in value if isinstance(value, list | tuple) else ():
        tensor = first_tensor(part)
        if tensor is not None:
            return tensor
    return None

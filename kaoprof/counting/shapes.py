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


def is_sparse(value: object) -> bool:
    """Whether it is the record of a sparse tensor of which it is known how many elements it stores."""
    return getattr(value, "stored", None) is not None and getattr(value, "parts", None) is None


def names(text: str) -> tuple[str, ...]:
    """The names of torch's own operations in a text."""
    return tuple(text.split())

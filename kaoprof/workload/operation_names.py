"""What torch's operations are called: rules know them by name, so one that this torch lacks breaks nothing."""

from typing import Any


def name_of(operation: Any) -> str:
    """Without the overload and torch's own namespace: `bmm`, `mkldnn._linear_pointwise`."""
    return str(operation.overloadpacket).removeprefix("aten.")

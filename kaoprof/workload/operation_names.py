"""What torch's operations are called: rules know them by name, so one that this torch lacks breaks nothing."""

from functools import cache
from typing import Any


@cache
def name_of(operation: Any) -> str:
    """Without the overload and torch's own namespace: `bmm`, `mkldnn._linear_pointwise`, `higher_order.cond`."""
    packet = getattr(operation, "overloadpacket", None)
    return f"higher_order.{operation.name()}" if packet is None else str(packet).removeprefix("aten.")

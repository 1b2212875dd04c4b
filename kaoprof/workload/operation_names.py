"""What torch's operations are called: rules know them by name, so one that this torch lacks breaks nothing."""

from functools import cache
from typing import Any

LOOKUPS = ("embedding", "_embedding_bag", "index", "index_select", "gather")  # read as much of a table as they answer
ALLOCATING = ("empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided")  # no kernel, nothing moved


@cache
def name_of(operation: Any) -> str:
    """Without the overload and torch's own namespace: `bmm`, `mkldnn._linear_pointwise`, `higher_order.cond`."""
    packet = getattr(operation, "overloadpacket", None)
    return f"higher_order.{operation.name()}" if packet is None else str(packet).removeprefix("aten.")

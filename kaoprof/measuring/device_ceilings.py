"""Asks a device for its ceilings, unless they are known; what is known is completed, never measured twice."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kaoprof.measuring.devices import load_average
from kaoprof.measuring.messages import AnyRequest, TimeCopies, TimeLaunch, TimeProduct
from kaoprof.records.measured import Ceilings, timestamp

Ask = Callable[[AnyRequest], Any]


def learn_ceilings(ask: Ask, known: Ceilings | None, dtype: str, *, cold: bool) -> Ceilings:
    """The ceilings that a run in `dtype`, with `cold` caches or warm ones, needs: `known`, with what it lacks."""
    ceilings = known
    if ceilings is None:
        ceilings = Ceilings(
            created=timestamp(),
            load=load_average(),
            copies=ask(TimeCopies(cache="warm")).copies,
            products={},
            launch_s=ask(TimeLaunch()).value,
        )
    if cold and not ceilings.cold_copies:
        ceilings = replace(ceilings, cold_copies=ask(TimeCopies(cache="cold")).copies)
    if dtype not in ceilings.products:
        ceilings = replace(ceilings, products=ceilings.products | {dtype: ask(TimeProduct(dtype=dtype)).value})
    return ceilings

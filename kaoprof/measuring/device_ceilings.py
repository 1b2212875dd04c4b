"""Asks a device for its ceilings, unless they are known; what is known is completed, never measured twice."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from kaoprof.measuring.devices import load_average
from kaoprof.measuring.messages import AnyRequest, TimeCopies, TimeLaunch, TimeProduct
from kaoprof.measuring.other_load import Neighbours
from kaoprof.records.measured import Ceilings, Conditions, timestamp

Ask = Callable[[AnyRequest], Any]


def learn_ceilings(ask: Ask, known: Ceilings | None, dtype: str, *, cold: bool) -> Ceilings:
    """The ceilings that a run in `dtype`, with `cold` caches or warm ones, needs: `known`, with what it lacks.

    Their load is that of the busiest moment at which any of them was measured, so that all are measured again once.
    """
    neighbours = Neighbours()
    ceilings = known
    if ceilings is None:
        ceilings = Ceilings(
            created=timestamp(),
            copies=ask(TimeCopies(cache="warm")).copies,
            products={},
            launch_s=ask(TimeLaunch()).value,
        )
    if cold and not ceilings.cold_copies:
        ceilings = replace(ceilings, cold_copies=ask(TimeCopies(cache="cold")).copies)
    if dtype not in ceilings.products:
        ceilings = replace(ceilings, products=ceilings.products | {dtype: ask(TimeProduct(dtype=dtype)).value})
    if ceilings is known:
        return ceilings
    loads = (known.load if known else None, load_average(), neighbours.beside(Conditions()).cores_taken)
    return replace(ceilings, load=max((load for load in loads if load is not None), default=None))

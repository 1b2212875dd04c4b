"""Asks a device for its ceilings, unless they are known; what is known is completed, never measured twice."""

from collections.abc import Callable
from typing import Any, Protocol

from msgspec.structs import replace

from kaoprof.measuring.other_load import load_average
from kaoprof.records.measured import Ceilings, Copy, timestamp

Ask = Callable[..., Any]


class Store(Protocol):
    """Where ceilings are kept between runs."""

    def known(self, environment: dict[str, Any]) -> Ceilings | None:
        """What is known of an environment."""

    def keep(self, environment: dict[str, Any], ceilings: Ceilings) -> None:
        """Keeps it, if it can."""


def learn_ceilings(ask: Ask, known: Ceilings | None, dtype: str, *, cold: bool) -> Ceilings:
    """The ceilings that a run in `dtype`, with `cold` caches or warm ones, needs: `known`, with what it lacks."""
    found = known
    if found is None:
        found = Ceilings(
            created=timestamp(),
            load=load_average(),
            copies=_copies(ask("copies", cache="warm")),
            products={},
            launch_s=float(ask("launch")),
        )
    if cold and not found.cold_copies:
        found = replace(found, cold_copies=_copies(ask("copies", cache="cold")))
    if dtype not in found.products:
        found = replace(found, products=found.products | {dtype: float(ask("throughput", dtype=dtype))})
    return found


def _copies(answer: list[dict[str, float]]) -> tuple[Copy, ...]:
    return tuple(Copy(moved_bytes=int(one["moved_bytes"]), seconds=one["seconds"]) for one in answer)

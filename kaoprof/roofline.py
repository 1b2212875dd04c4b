"""Where a row's time goes: the floor that this device puts under it, and which of its limits binds. Pure.

The floor is what *no* implementation can beat: its input, output and parameters moved once, its contractions at the
rate of the fastest large product, one launch. The bound looks at what *this* implementation did: what its
launches take, every byte read or written by it, all of its arithmetic.
"""

import msgspec

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.records import Ceilings, Copy, Record, Row, element_bytes

LAUNCH, MEMORY, COMPUTE = "launch", "memory", "compute"


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that each of the three limits asks for by itself."""

    launch_s: float
    memory_s: float
    compute_s: float

    @property
    def seconds(self) -> float:
        """Of the limit that binds: they overlap at best."""
        return max(self.launch_s, self.memory_s, self.compute_s)

    @property
    def limit(self) -> str:
        """Which limit binds: launch, memory or compute."""
        by_name = {COMPUTE: self.compute_s, MEMORY: self.memory_s, LAUNCH: self.launch_s}
        return max(by_name, key=lambda name: by_name[name])


def bandwidth(copies: tuple[Copy, ...], working_bytes: int) -> float:
    """Bytes/s that no copy of this working set, or of a larger one, exceeded.

    A working set that fits a cache is moved faster than main memory allows; one below the smallest copy is taken for
    the smallest. The best of all larger copies: the time of a small one is a launch, and says little about memory.
    """
    below = [copy.moved_bytes for copy in copies if copy.moved_bytes <= working_bytes]
    since = max(below, default=0)
    return max(copy.moved_bytes / copy.seconds for copy in copies if copy.moved_bytes >= since)


def floor_of(row: Row, ceilings: Ceilings, *, cold: bool) -> Shares | None:
    """What no implementation of the row's operator can beat on this device; None where a ceiling is not known."""
    throughput = ceilings.products.get(row.case.dtype)
    copies = ceilings.cold_copies if cold else ceilings.copies
    if row.analytic is None or throughput is None or not copies:
        return None
    moved = row.analytic.compulsory_bytes
    return Shares(
        launch_s=0.0 if row.case.variant == "graph" else ceilings.launch_s,  # a replayed graph launches all at once
        memory_s=moved / bandwidth(copies, moved),
        compute_s=FLOPS_PER_MAC * row.analytic.macs * row.case.b / throughput,
    )


def demand_of(row: Row, ceilings: Ceilings, *, cold: bool) -> Shares | None:
    """What the row's implementation asks of each limit; None where it was not traced, or a ceiling is not known."""
    floor = floor_of(row, ceilings, cold=cold)
    if floor is None or row.analytic is None or row.traffic is None or not ceilings.copies:
        return None
    flops = row.counted.flops_all if row.counted else FLOPS_PER_MAC * row.analytic.macs
    again = max(row.traffic.moved_bytes - row.analytic.compulsory_bytes, 0)  # what was in use a moment ago: warm
    return Shares(
        launch_s=max(row.traffic.operations * ceilings.launch_s, _believable_launch(row)),
        memory_s=floor.memory_s + again / bandwidth(ceilings.copies, working_bytes(row)),
        compute_s=max(flops * row.case.b / ceilings.products[row.case.dtype], floor.compute_s),
    )


def _believable_launch(row: Row) -> float:
    """Seconds of the call on the smallest input; 0 where the whole call was ever faster, so that noise took them."""
    launch_s = row.traffic.launch_s if row.traffic else None
    if launch_s is None or (row.latency is not None and launch_s > min(row.latency.samples_s)):
        return 0.0
    return launch_s


def working_bytes(row: Row) -> int:
    """All that a call touches: input, parameters, and its peak, which holds the output."""
    if row.analytic is None:
        return 0
    case = row.case
    resident = (case.b * case.c * case.dims.positions + row.analytic.params) * element_bytes(case)
    predicted = row.counted.peak_bytes_predicted if row.counted else 0
    return int(resident) + (predicted if row.peak_bytes_measured is None else row.peak_bytes_measured)


def ceilings_of(record: Record) -> tuple[Ceilings, bool] | None:
    """A record's ceilings, and whether its caches were cold; None where they were not measured."""
    protocol = record.protocol
    if protocol is None or protocol.ceilings is None:
        return None
    return protocol.ceilings, protocol.cache == "cold"

"""Where a row's time goes: the floor that this device puts under it, and which of its limits binds. Pure.

The floor is what *no* implementation can beat: its input, output and parameters moved once, its contractions at the
rate of the fastest large product, one launch. The bound looks at what *this* implementation did: what its
launches take, every byte read or written by it, all of its arithmetic.
"""

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate

import msgspec

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.records.compare import Row, element_bytes
from kaoprof.records.measured import Ceilings, Copy, Protocol, Traffic

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
        most = self.seconds
        return COMPUTE if self.compute_s == most else MEMORY if self.memory_s == most else LAUNCH


def bandwidth(copies: tuple[Copy, ...], working_bytes: int) -> float:
    """Bytes/s that no copy of this working set, or of a larger one, exceeded.

    A working set that fits a cache is moved faster than main memory allows; one below the smallest copy is taken for
    the smallest. The best of all larger copies: the time of a small one is a launch, and says little about memory.
    """
    sizes, best = _best_rates(copies)
    return best[max(0, bisect_right(sizes, working_bytes) - 1)]


@lru_cache(maxsize=16)  # each row of a record asks for the same
def _best_rates(copies: tuple[Copy, ...]) -> tuple[list[int], list[float]]:
    """The sizes of the copies, smallest first, and the best rate of each of them and of all larger ones."""
    ordered = sorted(copies, key=lambda copy: copy.moved_bytes)
    rates = [copy.moved_bytes / copy.seconds for copy in ordered]
    return [copy.moved_bytes for copy in ordered], list(accumulate(reversed(rates), max))[::-1]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What one call asks of a device; FLOPs and bytes of the whole batch.

    Args:
        dtype: of the contractions.
        contraction_flops: of products and convolutions.
        flops: of everything.
        compulsory_bytes: what must be moved in any case: input, output and parameters, once.
        working_bytes: what is in use at some moment: it decides which cache may hold it.
        traffic: what was really launched and moved; None where it was not traced.
        shortest_s: the fastest call seen.
        replayed: whether it is launched all at once, as a graph.
    """

    dtype: str
    contraction_flops: int
    flops: int
    compulsory_bytes: int
    working_bytes: int
    traffic: Traffic | None = None
    shortest_s: float | None = None
    replayed: bool = False


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the device's ceilings say of some work: its floor, what it asks for, and how long it took, if that is known.

    `demand` is None where it was not traced.
    """

    work: Work
    floor: Shares
    demand: Shares | None
    seconds: float | None

    @property
    def times_floor(self) -> float | None:
        """How many times as long as the device needs at least."""
        return self.seconds / self.floor.seconds if self.seconds else None


def work_limits(work: Work | None, protocol: Protocol | None, seconds: float | None) -> Limits | None:
    """The limits of some work that took so long; None without a closed form, or where a ceiling is not known."""
    known = ceilings_of(protocol)
    if known is None or work is None:
        return None
    ceilings, cold = known
    floor = floor_of(work, ceilings, cold=cold)
    if floor is None:
        return None
    return Limits(work=work, floor=floor, demand=_demand(work, ceilings, floor), seconds=seconds)


def floor_of(work: Work, ceilings: Ceilings, *, cold: bool) -> Shares | None:
    """What no implementation of this work can beat on this device; None where a ceiling is not known."""
    throughput = ceilings.products.get(work.dtype)
    copies = ceilings.cold_copies if cold else ceilings.copies
    if throughput is None or not copies:
        return None
    return Shares(
        launch_s=0.0 if work.replayed else ceilings.launch_s,
        memory_s=work.compulsory_bytes / bandwidth(copies, work.compulsory_bytes),
        compute_s=work.contraction_flops / throughput,
    )


def demand_of(work: Work, ceilings: Ceilings, *, cold: bool) -> Shares | None:
    """What the implementation asks of each limit; None if it does nothing, was not traced, or a ceiling is unknown."""
    floor = floor_of(work, ceilings, cold=cold)
    return None if floor is None else _demand(work, ceilings, floor)


def _demand(work: Work, ceilings: Ceilings, floor: Shares) -> Shares | None:
    if work.traffic is None or not work.traffic.operations or not ceilings.copies:
        return None
    again = max(work.traffic.moved_bytes - work.compulsory_bytes, 0)  # what was in use a moment ago: warm
    return Shares(
        launch_s=max(work.traffic.operations * ceilings.launch_s, _believable_launch(work)),
        memory_s=floor.memory_s + again / bandwidth(ceilings.copies, work.working_bytes),
        compute_s=max(work.flops / ceilings.products[work.dtype], floor.compute_s),
    )


def _believable_launch(work: Work) -> float:
    """Seconds of the call on the smallest input; 0 where the whole call was ever faster, so that noise took them."""
    launch_s = work.traffic.launch_s if work.traffic else None
    if launch_s is None or (work.shortest_s is not None and launch_s > work.shortest_s):
        return 0.0
    return launch_s


def work_of(row: Row) -> Work | None:
    """The work of a row of operators; None without a closed form."""
    if row.analytic is None:
        return None
    case, contractions = row.case, FLOPS_PER_MAC * row.analytic.macs
    return Work(
        dtype=case.dtype,
        contraction_flops=contractions * case.b,
        flops=(row.counted.flops_all if row.counted else contractions) * case.b,
        compulsory_bytes=row.analytic.compulsory_bytes,
        working_bytes=_working_bytes(row, row.analytic.params),
        traffic=row.traffic,
        shortest_s=min(row.latency.samples_s) if row.latency else None,
        replayed=row.variant == "graph",
    )


def _working_bytes(row: Row, params: int) -> int:
    """All that a call touches: input, parameters, and its peak, which holds the output."""
    case = row.case
    resident = (case.b * case.c * case.dims.positions + params) * element_bytes(case)
    predicted = row.counted.peak_bytes_predicted if row.counted else 0
    return int(resident) + (predicted if row.peak_bytes_measured is None else row.peak_bytes_measured)


def ceilings_of(protocol: Protocol | None) -> tuple[Ceilings, bool] | None:
    """The ceilings of a run, and whether its caches were cold; None where they were not measured."""
    if protocol is None or protocol.ceilings is None:
        return None
    return protocol.ceilings, protocol.cache == "cold"

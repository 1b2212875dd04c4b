"""Everything that can be known of a workload without running it."""

import msgspec

from kaoprof.counting.dispatcher import count_on_meta
from kaoprof.counting.fvcore_count import count_with_fvcore
from kaoprof.memory.live_bytes import LiveBytesMode, dry_run
from kaoprof.workload.workload import Workload


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted, for the whole batch.

    `macs_fvcore` is None where fvcore has no opinion; `uncounted` maps each operation without a rule to its calls;
    `unmodelled` names operations whose kernels might raise the peak above the predicted one.
    """

    macs: int
    flops_all: int
    macs_fvcore: int | None
    uncounted: dict[str, int]
    peak_bytes_predicted: int
    unmodelled: tuple[str, ...] = ()


def count(workload: Workload, *, device: str, threads: int, sdpa: str = "auto") -> Census:
    """Counts MACs and FLOPs twice, and predicts the peak memory on `device` (`cpu` or `cuda`).

    Raises:
        UnservedError: attention is forced to the backend `sdpa`, which cannot serve this.
    """
    counted = count_on_meta(workload)
    live = dry_run(workload, LiveBytesMode, device=device, threads=threads, sdpa=sdpa)
    return Census(
        macs=counted.macs,
        flops_all=counted.flops_all,
        macs_fvcore=count_with_fvcore(workload),
        uncounted=dict(counted.uncounted),
        peak_bytes_predicted=int(live.peak_bytes),
        unmodelled=live.unmodelled,
    )

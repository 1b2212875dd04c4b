"""Everything that can be known of a workload without running it: one recorded run, and what follows from it."""

import msgspec

from kaoprof.counting.fvcore_count import count_modules_with_fvcore
from kaoprof.tape.layers import count_whole
from kaoprof.tape.models import record_workload
from kaoprof.tape.prediction import predicted
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
        Exception: whatever the module raises on real tensors.
    """
    recording = record_workload(workload)
    counted = count_whole(recording.tape)
    peak = predicted(recording, device=device, threads=threads, sdpa=sdpa)
    opinion = count_modules_with_fvcore(workload, recording.module)
    return Census(
        macs=counted.macs,
        flops_all=counted.flops_all,
        macs_fvcore=None if opinion is None else opinion[""],
        uncounted=counted.uncounted,
        peak_bytes_predicted=peak.peak_bytes,
        unmodelled=peak.unmodelled,
    )

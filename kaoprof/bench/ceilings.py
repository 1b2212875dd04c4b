"""The most that this device does: a copy of every size, a large product, a launch. What floors follow from."""

import time
from collections.abc import Callable
from functools import partial

import torch

from kaoprof.bench.caches import last_level_bytes
from kaoprof.bench.environment import free_bytes
from kaoprof.bench.meters import CpuMeters, CudaMeters
from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.records.measured import Copy
from kaoprof.workload.building import torch_dtype

SMALLEST_COPY_BYTES = 2**17  # read plus written: below it a copy is a launch
TIMES_THE_CACHE = {"cpu": 8, "cuda": 64}  # the largest copy, of the last cache: mostly from main memory, and long
MEMORY_SHARE = 1 / 8  # of what is free, which the largest copy may take
BLOCK_S = {"cpu": 2e-5, "cuda": 2e-3}  # calls in a row that are timed together: short ones are seldom interrupted
ATTEMPTS = 7  # at least; the fastest counts, since a ceiling must not be lowered by noise
SEARCH_S = 0.06  # at least, for each size
PRODUCT_SIZES = (256, 512, 1024, 2048, 4096, 8192)  # as long as they are quick: which one is fastest differs
LONGEST_PRODUCT_S = 0.1
WIDER = {"bf16": "fp32", "fp16": "fp32"}  # a kernel may compute in a wider type where that is faster
EMULATION = 3  # products in tf32 that make one as good as in fp32: so torch's efficient attention computes on a GPU

Meters = CpuMeters | CudaMeters


def copy_seconds(meters: Meters, device: str) -> tuple[Copy, ...]:
    """The fastest copy of each size, doubling."""
    most = min(TIMES_THE_CACHE[meters.kind] * last_level_bytes(device), int(free_bytes(device) * MEMORY_SHARE))
    copies = []
    moved = SMALLEST_COPY_BYTES
    while moved <= max(most, SMALLEST_COPY_BYTES):
        source, target = (torch.zeros(moved // 8, device=device) for _ in range(2))
        ways = [partial(target.copy_, source)]
        if meters.kind == "cuda":  # where the driver copies, and a kernel may be faster
            ways.append(partial(torch.neg, source, out=target))
        copies.append(Copy(moved_bytes=moved, seconds=min(_fastest_with_any_threads(meters, way) for way in ways)))
        moved *= 2
    return tuple(copies)


def _fastest_with_any_threads(meters: Meters, step: Callable[[], object]) -> float:
    """On a CPU one thread may beat several: on small copies, and where others compete for the cores.

    Several threads wait for each other: where one of them has to share its core, all are slow.
    """
    together = fastest_seconds(meters, step)
    threads = torch.get_num_threads()
    if meters.kind != "cpu" or threads == 1:
        return together
    torch.set_num_threads(1)
    try:
        return min(together, fastest_seconds(meters, step))
    finally:
        torch.set_num_threads(threads)


def launch_seconds(meters: Meters, device: str) -> float:
    """Seconds of the smallest operation: one element, negated, many times in a row."""
    element = torch.ones(1, device=device)
    with torch.no_grad():
        return fastest_seconds(meters, element.neg)


def product_throughput(meters: Meters, device: str, dtype: str) -> float:
    """FLOP/s of the fastest square product in `dtype`, of several sizes, or in another type where that is faster."""
    fastest = _throughput(meters, device, torch_dtype(dtype))
    if dtype == "fp32" and meters.kind == "cuda":
        fastest = max(fastest, _emulated_throughput(meters, device))
    if dtype in WIDER:
        fastest = max(fastest, _throughput(meters, device, torch_dtype(WIDER[dtype])))
    return fastest


def _emulated_throughput(meters: Meters, device: str) -> float:
    """Of products in fp32 that are made of products in tf32; see CUTLASS's `OpMultiplyAddFastF32`."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        return _throughput(meters, device, torch.float32) / EMULATION
    finally:
        torch.set_float32_matmul_precision(before)


def _throughput(meters: Meters, device: str, dtype: torch.dtype) -> float:
    fastest = 0.0
    for size in PRODUCT_SIZES:
        factor = torch.randn(size, size, device=device, dtype=dtype)  # ones draw less power, which holds clocks up
        others = [factor]
        if meters.kind == "cuda":  # as in `nn.Linear`: tensor cores may want both with the summed axis innermost
            others.append(factor.mT)
        seconds = min(_fastest_with_any_threads(meters, partial(torch.mm, factor, other)) for other in others)
        fastest = max(fastest, FLOPS_PER_MAC * size**3 / seconds)
        if 8 * seconds > LONGEST_PRODUCT_S:  # the next one takes eight times as long
            break
    return fastest


def fastest_seconds(meters: Meters, step: Callable[[], object]) -> float:
    """Seconds of the fastest of many short blocks: on a busy machine most of them are disturbed."""
    fastest = meters.seconds(step, calls=1, warm_calls=1)
    block_s = BLOCK_S[meters.kind]
    attempts, deadline = 0, time.monotonic() + SEARCH_S
    while attempts < ATTEMPTS or time.monotonic() < deadline:
        calls = 1 if meters.flush else max(1, int(block_s / max(fastest, 1e-9)))
        fastest = min(fastest, meters.seconds(step, calls=calls, warm_calls=0))
        attempts += 1
    return fastest

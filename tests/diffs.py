"""Two runs made by hand that differ in all the ways that `diff` tells of."""

import math
import random

from msgspec.structs import replace
from samples import measured_record

from kaoprof.catalog import chosen_operators
from kaoprof.comparing.run import analytic
from kaoprof.records.compare import Case, Counted, Row
from kaoprof.records.measured import Latency

NAMES = tuple(":".join(pair) for pair in chosen_operators(["nonlocal", "nonlocal_pool", "kao_kv", "kao_qkv"]))
ROUNDS = 30


def timed_row(name, h, seconds, draw):
    """A row with 30 samples from three processes, 1 % of noise each."""
    operator, implementation = name.split(":")
    case = Case(operator=operator, implementation=implementation, b=8, c=8, spatial=(h, h), device="cpu")
    figures = analytic(case)
    samples = tuple(seconds * math.exp(draw.gauss(0, 0.01)) for _ in range(ROUNDS))
    launches = tuple(1 + number * 3 // ROUNDS for number in range(ROUNDS))
    return Row(
        case=case,
        analytic=figures,
        counted=Counted(macs=figures.macs, flops_all=figures.flops_all, macs_fvcore=figures.macs,
                        peak_bytes_predicted=1000 * h),
        peak_bytes_measured=1000 * h,
        latency=Latency(rounds=tuple(range(ROUNDS)), samples_s=samples, calls=1, launches=launches),
    )  # fmt: skip


def made_run(seed=0, *, sizes=(14, 28), factor=1.0, slower=None, names=NAMES):
    """A record of every name at every size; `slower` multiplies the time of single names."""
    draw = random.Random(seed)  # noqa: S311
    rows = [
        timed_row(name, h, 1e-6 * h**2 * (1 + index) * factor * (slower or {}).get(name, 1.0), draw)
        for h in sizes
        for index, name in enumerate(names)
    ]
    return replace(measured_record(), rows=tuple(rows))


def changed_pair():
    """Old and new: another machine state, one row slower, one with more memory, one gone, one new, one failing."""
    old, new = made_run(1), made_run(2, factor=1.3, slower={"kao_qkv:matmul": 1.25})
    rows = list(new.rows)
    rows[2] = replace(rows[2], peak_bytes_measured=rows[2].peak_bytes_measured * 11 // 10)
    rows[3] = replace(rows[3], status="oom", detail="killed, needs | 9 GiB", latency=None, peak_bytes_measured=None)
    rows[4] = replace(rows[4], counted=replace(rows[4].counted, macs=rows[4].counted.macs * 2))
    return replace(old, rows=old.rows[:-1]), replace(new, rows=tuple(rows[:8] + rows[9:]), version="0.2.0")

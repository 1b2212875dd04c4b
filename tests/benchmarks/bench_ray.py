"""What Ray costs a sweep: closed forms and cells of 10 ms through it and without it, and how 64 GPUs would be served.

`python tests/benchmarks/bench_ray.py` needs `pip install -e '.[ray]'`; nothing is measured but the handing out. The 64
GPUs are stations that sleep, so that it is the driver that is tried: all of them together would take 6,400 cells a
second from it.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from ray_stations import NAMES, Slow, by_value, cluster, node_args
from sweeps import plan_of

from kaoprof.sweeping.cells import OperatorCell
from kaoprof.sweeping.local import here
from kaoprof.sweeping.on_ray import OnRay
from kaoprof.sweeping.run import Sweep

TASK_S = 0.010
ANALYTIC, TASKS = 10_000, 1_000
CELLS, GPUS, TRIED = 100_000, 64, 6_400
MB, GB = 1e6, 1e9


def high_water():
    """Bytes that this process held at most since `forget`."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def forget():
    """Lets the high-water mark begin anew, from what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return high_water()


def timed(plan, worker, watch=lambda _: None):
    """Seconds from the connection to the last cell in the journal, what the driver held at most, the journal's size."""
    before = forget()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        started = time.perf_counter()
        outcome = Sweep(plan=plan, path=path, on=worker, watch=watch).run()
        spent_s = time.perf_counter() - started
        assert outcome.done == len(plan)
        return spent_s, high_water() - before, path.stat().st_size


def slow_plan(cells, device):
    return plan_of(range(1, cells + 1), device=device, budget_s=TASK_S)


def closed_forms(through_ray, first_s):
    plan = plan_of(range(1, 101), c=tuple(range(1, 101)), analytic=True)
    assert len(plan) == ANALYTIC
    local_s, local_bytes, _ = timed(plan, here)
    ray_s, ray_bytes, _ = timed(plan, through_ray)
    each_us = (ray_s - first_s - local_s) / ANALYTIC * 1e6
    print(f"{ANALYTIC:,} analytic cells: {local_s:.2f} s here (+{local_bytes / MB:.0f} MB), {ray_s:.2f} s through Ray "
          f"(+{ray_bytes / MB:.0f} MB): {each_us:+.0f} us per cell beside the start")  # fmt: skip


def tasks(through_ray, first_s):
    plan, stations = slow_plan(TASKS, "cpu"), len(NAMES)
    ray_s, held_bytes, journal_bytes = timed(plan, through_ray)
    station = Slow(plan)
    cells = [OperatorCell(cases=cases) for cases in plan.cells()]
    started = time.perf_counter()
    for cell in cells:
        station.finish([cell])
    alone_s = time.perf_counter() - started
    over_s = (ray_s - first_s) - alone_s / stations
    print(f"{TASKS:,} tasks of 10 ms: {ray_s:.2f} s on {stations} stations, {alone_s:.2f} s one after the other "
          f"without Ray; {over_s / TASKS * 1e3:.2f} ms overhead per cell with the journal; driver "
          f"+{held_bytes / MB:.0f} MB, journal {journal_bytes / TASKS / 1e3:.1f} kB per cell")  # fmt: skip


def many(through_ray):
    """The rate is that of the second half, when all stations are there."""
    finished_s, ready = [], set()

    def watch(progress):
        finished_s.extend([time.perf_counter()] if progress.finished else [])
        ready.add(progress.where)

    spent_s, held_bytes, journal_bytes = timed(slow_plan(TRIED, "cuda"), through_ray, watch)
    rate = TRIED / 2 / (finished_s[-1] - finished_s[TRIED // 2 - 1])
    running = max(int(where.split()[-2]) for where in ready if where)
    print(f"{TRIED:,} tasks of 10 ms on {GPUS} stations, {running} at once: {spent_s:.1f} s; one driver hands out and "
          f"keeps {rate:.0f} cells/s; driver +{held_bytes / MB:.0f} MB")  # fmt: skip
    print(f"{CELLS:,} cells on {GPUS} GPUs, from these: cells of at least {GPUS / rate:.2f} s keep all busy; "
          f"{CELLS / rate / 60:.1f} minutes at the least, driver +{held_bytes / TRIED * CELLS / GB:.2f} GB, journal "
          f"{journal_bytes / TRIED * CELLS / GB:.2f} GB")  # fmt: skip


def main():
    by_value()
    with cluster() as nodes:

        def slow(plan, _notify, clock):
            return OnRay(plan=plan, on=nodes.address, warn=print, clock=clock, station=Slow)

        def through_ray(plan, _notify, clock):
            return OnRay(plan=plan, on=nodes.address, warn=print, clock=clock)

        first_s, *_ = timed(plan_of((1,), analytic=True), through_ray)
        print(f"load {os.getloadavg()[0]:.1f}; one cell, with connecting and starting: {first_s:.2f} s")
        closed_forms(through_ray, first_s)
        tasks(slow, first_s)
        nodes.add_node(**node_args("gpus", num_gpus=GPUS))
        many(slow)


if __name__ == "__main__":
    main()

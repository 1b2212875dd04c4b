"""What Ray costs a sweep: closed forms and cells of 10 ms through it and without it, and what follows for large grids.

`python tests/benchmarks/bench_ray.py` needs `pip install -e '.[ray]'`; nothing is measured but the handing out.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from ray_stations import Slow, by_value, cluster
from sweeps import plan_of

from kaoprof.sweeping.cells import OperatorCell
from kaoprof.sweeping.local import here
from kaoprof.sweeping.on_ray import OnRay
from kaoprof.sweeping.run import Sweep

TASK_S = 0.010
ANALYTIC, TASKS = 10_000, 1_000
CELLS, GPUS = 100_000, 64


def resident():
    return psutil.Process().memory_info().rss


def timed(plan, worker):
    """Seconds from the connection to the last cell in the journal, and what the driver's memory grew by."""
    before = resident()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        started = time.perf_counter()
        outcome = Sweep(plan=plan, path=path, on=worker).run()
        spent_s = time.perf_counter() - started
        assert outcome.done == len(plan)
        return spent_s, resident() - before, path.stat().st_size


def main():
    by_value()
    nodes_cpus = (1, 1)
    with cluster(nodes_cpus) as nodes:

        def through_ray(plan, _notify, clock):
            return OnRay(plan=plan, on=nodes.address, warn=print, clock=clock)

        analytic = plan_of(range(1, 101), c=tuple(range(1, 101)), analytic=True)
        assert len(analytic) == ANALYTIC
        tasks = plan_of(range(1, TASKS + 1), device="cpu", budget_s=TASK_S)
        warm = plan_of((1,), analytic=True)
        first_s, *_ = timed(warm, through_ray)
        print(f"load {os.getloadavg()[0]:.1f}; one cell, with connecting and starting: {first_s:.2f} s")
        local_s, local_bytes, _ = timed(analytic, here)
        ray_s, ray_bytes, _ = timed(analytic, through_ray)
        each_us = (ray_s - first_s - local_s) / ANALYTIC * 1e6
        print(f"{ANALYTIC:,} analytic cells: {local_s:.2f} s here (+{local_bytes / 1e6:.0f} MB), "
              f"{ray_s:.2f} s through Ray (+{ray_bytes / 1e6:.0f} MB): {each_us:+.0f} us "
              "per cell beside the start")  # fmt: skip
        executor = OnRay(plan=tasks, on=nodes.address, warn=print, station=Slow)
        tasks_s, tasks_bytes, journal_bytes = timed(tasks, lambda *_: executor)
        stations = len(nodes_cpus)
        station = Slow(tasks)
        cells = [OperatorCell(cases=cases) for cases in tasks.cells()]
        started = time.perf_counter()
        for cell in cells:
            station.finish([cell])
        alone_s = time.perf_counter() - started
        over_s = (tasks_s - first_s) - alone_s / stations
        print(f"{TASKS:,} tasks of 10 ms: {tasks_s:.2f} s on {stations} stations, {alone_s:.2f} s one after the other "
              f"without Ray; {over_s / TASKS * 1e3:.2f} ms overhead per cell with the journal; driver "
              f"+{tasks_bytes / 1e6:.0f} MB, journal {journal_bytes / TASKS / 1e3:.1f} kB per cell")  # fmt: skip
        rate = TASKS / (tasks_s - first_s)
        print(f"{CELLS:,} cells on {GPUS} GPUs, from these: one driver hands out at most {rate:.0f} cells/s, so cells "
              f"of at least {GPUS / rate:.2f} s keep all busy; {CELLS / rate / 60:.0f} minutes at the least, driver "
              f"+{tasks_bytes / TASKS * CELLS / 1e9:.2f} GB, "
              f"journal {journal_bytes / TASKS * CELLS / 1e9:.2f} GB")  # fmt: skip


if __name__ == "__main__":
    main()

"""How long `kaoprof report` takes on many rows, as a whole process; the aim is under 2 s for 10,000 without plots.

Run: python tests/benchmarks/bench_report.py
     python tests/benchmarks/bench_report.py --rows 100000 [--against ANOTHER_TREE]

The rows are real in size: ten samples each, by three processes, with page faults, paces and the system's shares, in a
grid of cells of four rows; some lost samples. Seconds are wall and CPU (of all processes), the median of 5. With
`--rows` it is one CSV, timed once and with the memory of its largest process; with `--against` also by that tree.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parent.parent))
from samples import CALL_S, measured_record, sized

from kaoprof.comparing.run import analytic
from kaoprof.records.measured import dumps

RUNS = 5
SIZES = (8, 16, 32, 64, 128)
TURNS = (0, 0, 0, 0, 1, 1, 1, 2, 2, 2)  # which process took each sample
BESIDE = ("rounds", "samples_s", "launches", "page_faults", "system_shares", "paces")
CUT_SHORT = 0.1  # of the rows lack some of their samples
FORMATS = {
    "csv": [],
    "md": [],
    "tex": [],
    "html": ["--plot", "none"],
    "json": [],
    "html with plots": [],
    "png of one setting": ["--only", "c=8"],
}


def record(rows):
    """A sweep of so many rows whose closed forms are those of their sizes."""
    chance, made = random.Random(0), []  # noqa: S311 - no secret
    for h in SIZES:
        beginnings = [sized(name, h) for name in CALL_S]
        for c in range(8, 8 + 8 * (rows // (len(SIZES) * len(CALL_S))), 8):
            paces = tuple(1 + abs(chance.gauss(0, 0.05)) for _ in TURNS)
            made += [measured(row, c, paces, chance) for row in beginnings]
    return replace(measured_record(), rows=tuple(made))


def measured(row, c, paces, chance):
    """The row with so many channels, as if three processes had measured it."""
    case = replace(row.case, c=c)
    figures = analytic(case)
    counted = replace(row.counted, macs=figures.macs, flops_all=figures.flops_all, macs_fvcore=figures.macs)
    latency = replace(
        row.latency,
        samples_s=tuple(seconds * chance.lognormvariate(0, 0.05) for seconds in row.latency.samples_s),
        launches=TURNS,
        page_faults=tuple(float(chance.randrange(50)) for _ in TURNS),
        system_shares=tuple(0.1 * chance.random() for _ in TURNS),
        paces=paces,
    )
    if chance.random() < CUT_SHORT:
        kept = sorted(chance.sample(range(len(TURNS)), chance.randrange(1, len(TURNS))))
        latency = replace(latency, **{name: tuple(getattr(latency, name)[at] for at in kept) for name in BESIDE})
    return replace(row, case=case, analytic=figures, counted=counted, latency=latency)


def main():
    """Prints the median of each format, or the figures of one CSV of many rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int)
    parser.add_argument("--against", type=Path, help="the root of another tree, timed before this one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run.json"
        rows = asked.rows or 10_000
        run.write_text(dumps(record(rows)), encoding="utf-8")
        print(f"{rows:,} rows, {run.stat().st_size / 1e6:.1f} MB")
        if asked.rows:
            many_rows(run, [tree for tree in (asked.against, Path(__file__).parent.parent.parent) if tree])
        else:
            every_format(run)


def many_rows(run, trees):
    """Prints what the CSV of all rows takes in each tree, and whether all write the same."""
    written = set()
    for tree in trees:
        target = run.with_suffix(".csv")
        wall, processor, largest = once(run, target, [], tree)
        written.add(target.read_bytes())
        print(f"{tree}: {wall:.2f} s wall, {processor:.2f} s CPU, {largest / 1e6:.0f} MB in the largest process")
    if len(trees) > 1:
        print("the same bytes" if len(written) == 1 else "NOT the same bytes")


def every_format(run):
    """Prints the medians."""
    for name, options in FORMATS.items():
        target = run.parent / f"out.{name.partition(' ')[0]}"
        wall, processor, _ = zip(*(once(run, target, options) for _ in range(RUNS)), strict=True)
        size = target.stat().st_size / 1e6
        seconds = f"{statistics.median(wall):5.2f} s wall {statistics.median(processor):5.2f} s CPU"
        print(f"{name:20} {seconds} {size:6.1f} MB")


def once(run, target, options, tree=None):
    """Wall and CPU seconds of one report by this installation or by a tree, and the bytes of its largest process."""
    command = [sys.executable, "-m", "kaoprof", "report", str(run), "--to", str(target), "--force", *options]
    surroundings = {**os.environ, "PYTHONPATH": str(tree)} if tree else None
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=surroundings)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


if __name__ == "__main__":
    main()

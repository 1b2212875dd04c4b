"""How long `kaoprof report` takes on many rows, as a whole process; the aim is under 2 s for 10,000 without plots.

Run: python tests/benchmarks/bench_report.py
     python tests/benchmarks/bench_report.py --rows 100000 [--journal] [--against ANOTHER_TREE] [--runs 3]

The rows are real in size: ten samples each, by three processes, with page faults, paces and the system's shares, in a
grid of cells of four rows; some lost samples. Seconds are wall and CPU (of all processes), the median of 5. With
`--rows` it is one CSV of a record, or of a sweep's journal; with `--against` that tree and this one take turns, each
with its own package. Memory is what all processes of a report hold together, pages that they share counted once, and
the peak of the largest of them.
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

import msgspec
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parent.parent))
from samples import CALL_S, measured_record, sized

from kaoprof.comparing.run import analytic
from kaoprof.records.compare import by_cell
from kaoprof.records.journal import Finished, Header, Launch
from kaoprof.records.measured import dumps
from kaoprof.records.sweep import SweepPlan

HERE = Path(__file__).parent.parent.parent
LOOK_S = 0.05  # between two looks at a report's memory
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


def journal_lines(record):
    """The journal that a sweep of these rows leaves, line by line."""
    cells = by_cell(record.rows)
    cases = [row.case for row in record.rows]
    channels = tuple(sorted({case.c for case in cases}))
    plan = SweepPlan(spatial=tuple((h, h) for h in SIZES), c=channels, batch=(cases[0].b,), operators=tuple(CALL_S))
    told = {"version": record.version, "created": record.created}
    yield Header(plan=plan, **told)
    yield Launch(environment=record.environment, protocol=replace(record.protocol, spent_s=0.0), **told)
    yield from (Finished(rows=tuple(rows), spent_s=1.0) for rows in cells.values())


def write_run(folder, rows, *, as_journal):
    """The file of so many rows."""
    if not as_journal:
        run = folder / "run.json"
        run.write_text(dumps(record(rows)), encoding="utf-8")
        return run
    run = folder / "run.jsonl"
    with run.open("wb") as file:
        file.writelines(msgspec.json.encode(line) + b"\n" for line in journal_lines(record(rows)))
    return run


def main():
    """Prints the median of each format, or the figures of one CSV of many rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int)
    parser.add_argument("--journal", action="store_true")
    parser.add_argument("--against", type=Path, help="the root of another tree, which takes turns with this one")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = asked.rows or 10_000
        run = write_run(Path(folder), rows, as_journal=asked.journal)
        print(f"{rows:,} rows, {run.stat().st_size / 1e6:.1f} MB")
        if asked.rows:
            many_rows(run, [tree.resolve() for tree in (asked.against, HERE) if tree], asked.runs)
        else:
            every_format(run)


def many_rows(run, trees, runs):
    """Prints what the CSV of all rows takes in each tree, and whether all write the same."""
    written, reports = set(), {tree: [] for tree in trees}
    for number in range(runs):
        for tree in trees if number % 2 else reversed(trees):
            target = run.with_suffix(".csv")
            reports[tree].append(once(run, target, [], tree))
            written.add(target.read_bytes())
    for tree in trees:
        wall, processor, together, largest = map(statistics.median, zip(*reports[tree], strict=True))
        memory = f"{together / 1e6:.0f} MB in all processes, {largest / 1e6:.0f} MB in the largest"
        print(f"{tree}: {wall:.2f} s wall, {processor:.2f} s CPU, {memory} (median of {runs})")
    if len(trees) > 1:
        print("the same bytes" if len(written) == 1 else "NOT the same bytes")


def every_format(run):
    """Prints the medians."""
    for name, options in FORMATS.items():
        target = run.parent / f"out.{name.partition(' ')[0]}"
        wall, processor, *_ = zip(*(once(run, target, options, HERE) for _ in range(RUNS)), strict=True)
        size = target.stat().st_size / 1e6
        seconds = f"{statistics.median(wall):5.2f} s wall {statistics.median(processor):5.2f} s CPU"
        print(f"{name:20} {seconds} {size:6.1f} MB")


def once(run, target, options, tree):
    """One report by a tree's package: seconds of wall and CPU, the bytes of all its processes, and of the largest."""
    surroundings = {**os.environ, "PYTHONPATH": str(tree)}
    where = [sys.executable, "-c", "import kaoprof; print(kaoprof.__file__)"]
    package = subprocess.run(where, capture_output=True, text=True, check=True, env=surroundings, cwd=run.parent)
    if not Path(package.stdout.strip()).is_relative_to(tree):
        raise SystemExit(f"{tree}: its package is not the one that is imported: {package.stdout.strip()}")
    command = [sys.executable, "-m", "kaoprof", "report", str(run), "--to", str(target), "--force", *options]
    start = time.perf_counter()  # in another folder than a tree's: the current one comes first
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=surroundings, cwd=run.parent)
    together, largest = 0, 0
    while True:
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        held = [memory_of(member) for member in members_of(process.pid)]
        together = max(together, sum(shared for shared, _ in held))
        largest = max([largest, *(peak for _, peak in held)])
        time.sleep(LOOK_S)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return wall, used.ru_utime + used.ru_stime, together, largest


def members_of(process):
    """A process and all that it began, of which each is a child of its first thread."""
    yield process
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:  # it ended meanwhile
        return
    for child in children:
        yield from members_of(int(child))


def memory_of(process):
    """The bytes of a process, with its part of shared pages, and the most that it ever had; 0 of one that ended."""
    try:
        shared = lines_of(Path(f"/proc/{process}/smaps_rollup"))["Pss"]
        return shared, lines_of(Path(f"/proc/{process}/status"))["VmHWM"]
    except (OSError, KeyError):
        return 0, 0


def lines_of(file):
    """The sizes in a file of the system, in bytes, by name."""
    named = (line.split() for line in file.read_text().splitlines() if line.endswith(" kB"))
    return {words[0].removesuffix(":"): 1024 * int(words[1]) for words in named}


if __name__ == "__main__":
    main()

"""Does `kaoprof diff` see what is there, and nothing else?

Run by hand: python tests/benchmarks/bench_diff.py FOLDER RUNS [--budget SECONDS] [--load] [--slowed]
Measures the same command RUNS times, keeps the records in FOLDER and goes on with those that are there, and compares
every two: no row should be FASTER or SLOWER in at least 41 of 45 pairs. With `--slowed` also RUNS times with one
operator slowed by 10 %, each against the run before: that one should be SLOWER in 8 of 10.
"""

import argparse
import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import slowed
from bench_repeatability import COPYING
from msgspec.structs import replace

from kaoprof.comparing import run as comparing
from kaoprof.diffing import diff
from kaoprof.records.diff import FASTER, SLOWER
from kaoprof.records.measured import dumps
from kaoprof.records.options import Options

SLOWED = "kao_qkv:matmul"
SIZE = {"h": 28, "c": 64, "batch": 8}


def measured(path, budget_s, *, slow):
    """One run, written to `path`; with the slowed operator in place of its model if `slow`."""
    if path.exists():
        return path
    real = comparing.subject_of

    def subject_of(row, *rest):
        subject = real(row, *rest)
        if not slow or row.case.name != SLOWED:
            return subject
        factory = f"{slowed.__name__}:{slowed.SlowedKroneckerAttentionQKV.__name__}"
        return replace(subject, workload=replace(subject.workload, factory=factory))

    with patch.object(comparing, "subject_of", subject_of):
        record = comparing.compare(**SIZE, options=Options(budget_s=budget_s, threads=1))
    path.write_text(dumps(record), encoding="utf-8")
    return path


def main():
    """Measures what is missing, and compares."""
    parser = argparse.ArgumentParser(description="Does diff see what is there, and nothing else?")
    parser.add_argument("folder", type=Path)
    parser.add_argument("runs", type=int)
    parser.add_argument("--budget", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--load", action="store_true", help="while another program copies memory")
    parser.add_argument("--slowed", action="store_true", help="also with an operator that is slowed by 10 %%")
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    other = subprocess.Popen([sys.executable, "-c", COPYING]) if told.load else None
    same, slower = [], []
    try:
        for number in range(told.runs):
            same.append(measured(told.folder / f"same{number:02}.json", told.budget, slow=False))
            if told.slowed:
                slower.append(measured(told.folder / f"slowed{number:02}.json", told.budget, slow=True))
    finally:
        if other:
            other.kill()
    verdicts = [[row.verdict for row in diff(old, new).rows] for old, new in itertools.combinations(same, 2)]
    claiming = sum(bool({FASTER, SLOWER} & set(rows)) for rows in verdicts)
    seen = dict(Counter(itertools.chain.from_iterable(verdicts)))
    print(f"{claiming} of {len(verdicts)} pairs of the same command claim a change; rows: {seen}")
    finds = 0
    for old, new in zip(same, slower, strict=False):
        record = diff(old, new)
        claimed = [(row.name, row.verdict) for row in record.rows if row.verdict in (FASTER, SLOWER)]
        (time,) = (row.time for row in record.rows if row.name == SLOWED)
        finds += (SLOWED, SLOWER) in claimed
        interval = f"{time.low - 1:+.1%} to {time.high - 1:+.1%}"
        print(f"{new.name}: {SLOWED} {time.ratio - 1:+.1%} ({interval}); claimed: {claimed or 'nothing'}")
    if slower:
        print(f"the slowed operator is found in {finds} of {len(slower)} runs")


if __name__ == "__main__":
    main()

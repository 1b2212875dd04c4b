"""Does `kaoprof diff` see what is there, and nothing else? Run by hand: python tests/benchmarks/bench_diff.py [RUNS].

Measures the same command RUNS times and compares every two runs: no row should be FASTER or SLOWER in at least 95 % of
the rows. Then once more with one operator slowed by 20 %, against each of the runs: that one should be SLOWER.
"""

import itertools
import sys
import tempfile
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import slowed
from msgspec.structs import replace

from kaoprof.comparing import run as profiling
from kaoprof.diffing import diff
from kaoprof.records.diff import FASTER, SLOWER
from kaoprof.records.measured import dumps
from kaoprof.records.options import Options

SLOWED = "kao_qkv:matmul"
SIZE = {"h": 28, "c": 64, "batch": 8}
BUDGET_S = 20.0


def measured(path, *, slow):
    """One run, written to `path`; with the slowed operator in place of its model if `slow`."""
    real = profiling.subject_of

    def subject_of(row, *rest):
        subject = real(row, *rest)
        if not slow or row.case.name != SLOWED:
            return subject
        factory = f"{slowed.__name__}:{slowed.SlowedKroneckerAttentionQKV.__name__}"
        return replace(subject, workload=replace(subject.workload, factory=factory))

    with patch.object(profiling, "subject_of", subject_of):
        record = profiling.compare(**SIZE, options=Options(budget_s=BUDGET_S, threads=1))
    path.write_text(dumps(record), encoding="utf-8")
    return path


def main(runs):
    folder = Path(tempfile.mkdtemp(prefix="kaoprof-diff-"))
    same = [measured(folder / f"run{number}.json", slow=False) for number in range(runs)]
    slower = measured(folder / "slowed.json", slow=True)
    seen = Counter(row.verdict for old, new in itertools.combinations(same, 2) for row in diff(old, new).rows)
    quiet = 1 - (seen[FASTER] + seen[SLOWER]) / seen.total()
    print(f"{runs} runs of the same command, every two compared: {dict(seen)}; nothing claimed in {quiet:.1%} of rows")
    for old in same:
        record = diff(old, slower)
        claimed = [row for row in record.rows if row.verdict in (FASTER, SLOWER)]
        (found,) = (row.time for row in record.rows if row.name == SLOWED)
        print(f"{old.name} against the slowed run: {SLOWED} {found.ratio - 1:+.1%} "
              f"({found.low - 1:+.1%} to {found.high - 1:+.1%}); claimed: "
              f"{[(row.name, row.verdict) for row in claimed] or 'nothing'}")  # fmt: skip
    print(f"runs kept in {folder}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)

"""How long `kaoprof report` takes on about 10,000 rows, as a whole process; the aim is under 2 s without plots.

Run: python tests/benchmarks/bench_report.py
The rows are real in size: ten samples each, in a grid of 1,250 cells. Seconds are wall and CPU, the median of 5.
"""

import resource
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
SIZES, CHANNELS = (8, 16, 32, 64, 128), range(8, 4008, 8)  # 5 x 500 cells of 4 rows
FORMATS = {
    "csv": [],
    "md": [],
    "tex": [],
    "html": ["--plot", "none"],
    "json": [],
    "html with plots": [],
    "png of one setting": ["--only", "c=8"],
}


def record():
    """A sweep of 10,000 rows whose closed forms are those of their sizes."""
    rows = []
    for name in CALL_S:
        for h in SIZES:
            row = sized(name, h)
            for c in CHANNELS:
                case = replace(row.case, c=c)
                figures = analytic(case)
                counted = replace(row.counted, macs=figures.macs, macs_fvcore=figures.macs)
                rows.append(replace(row, case=case, analytic=figures, counted=counted))
    return replace(measured_record(), rows=tuple(rows))


def main():
    """Prints the median of each format."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run.json"
        run.write_text(dumps(record()), encoding="utf-8")
        print(f"{len(SIZES) * len(CHANNELS) * len(CALL_S):,} rows, {run.stat().st_size / 1e6:.1f} MB")
        for name, options in FORMATS.items():
            target = Path(folder) / f"out.{name.partition(' ')[0]}"
            wall, processor = zip(*(once(run, target, options) for _ in range(RUNS)), strict=True)
            size = target.stat().st_size / 1e6
            seconds = f"{statistics.median(wall):5.2f} s wall {statistics.median(processor):5.2f} s CPU"
            print(f"{name:20} {seconds} {size:6.1f} MB")


def once(run, target, options):
    """Wall and CPU seconds of one process."""
    command = [sys.executable, "-m", "kaoprof", "report", str(run), "--to", str(target), "--force", *options]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()

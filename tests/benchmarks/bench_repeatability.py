"""Whether intervals hold from run to run: a command, run again and again, each time by itself.

Run: python tests/benchmarks/bench_repeatability.py FOLDER RUNS [--load] -- compare --h 28 --c 32 --threads 1
Keeps each run's record in FOLDER, goes on with those that are there already, and discards none. Of every figure with an
interval (quiet times, speedups, exponents of growth) it prints the median of all runs, the spread, how many intervals
hold that median, and the median half width. `--load` copies memory in a loop meanwhile, as another program would.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from kaoprof.findings.growth import growths
from kaoprof.findings.models import model_standings
from kaoprof.findings.operators import standings
from kaoprof.records.profile import ProfileRecord
from kaoprof.records.reading import load_records
from kaoprof.stats.medians import Estimate

EXPECTED = 0.9  # of all intervals; and of each figure's
FEWEST = 0.7
COPYING = "block = bytearray(2**27)\nwhile True: copied = bytes(block)"


def figures(record):
    """Every figure that has an interval, by its name."""
    if isinstance(record, ProfileRecord):
        for standing in model_standings(record):
            yield standing.model.model, standing.latency
        return
    for cell in standings(record).values():
        for standing in cell:
            name = f"{standing.row.case.name} {standing.row.case.dims}"
            yield name, standing.latency
            if standing.speedup is not None and standing.speedup.low != standing.speedup.high:
                yield f"{name} speedup", standing.speedup
    for growth in growths(record.rows):
        law = growth.laws.get("latency")
        if law is not None and law.exponent is not None:
            known = Estimate(value=law.exponent, low=law.low, high=law.high, samples=len(law.sizes))
            yield f"{growth.line.case.name} exponent of {growth.line.axis}", known


def run_all(folder, runs, command, *, load):
    """Runs the command until there are so many records."""
    other = subprocess.Popen([sys.executable, "-c", COPYING]) if load else None
    suffix = "jsonl" if command[0] == "sweep" else "json"
    try:
        for number in range(len(list(folder.glob(f"*.{suffix}"))), runs):
            with tempfile.TemporaryDirectory() as place:  # a run that is cut short leaves no record
                path = Path(place) / f"run.{suffix}"
                where = ["-o", str(path)]
                subprocess.run([sys.executable, "-m", "kaoprof", *command, *where], check=True, capture_output=True)
                (folder / f"run{number:02}.{suffix}").write_bytes(path.read_bytes())
    finally:
        if other:
            other.kill()


def judge(folder):
    """Prints a line for each figure, and one for all."""
    seen = defaultdict(list)
    quiet, spent = [], []
    for path in sorted(folder.glob("run*")):
        record = load_records(path)[-1]
        if record.protocol:
            quiet.append(record.protocol.quiet_share or 0.0)
            spent.append(record.protocol.spent_s)
        for name, figure in figures(record):
            seen[name].append(figure)
    shares, widths = [], []
    for name, all_of_it in seen.items():
        median = statistics.median(figure.value for figure in all_of_it)
        holding = sum(figure.low is not None and figure.low <= median <= figure.high for figure in all_of_it)
        shares.append((holding, len(all_of_it)))
        widths += [figure.half_width for figure in all_of_it]
        low, high = (end(figure.value for figure in all_of_it) for end in (min, max))
        width = statistics.median(figure.half_width for figure in all_of_it)
        told = f"spread {high / low:5.2f}x  holds it {holding:2} of {len(all_of_it):2}  +-{width:.1%}"
        print(f"{name:48} {median:10.4g}  {told}")
    held, total = (sum(column) for column in zip(*shares, strict=True))
    worst = min(holding / number for holding, number in shares)
    print(
        f"{held} of {total} intervals hold the median of all runs ({held / total:.1%}); the worst figure {worst:.0%}; "
        f"half width {statistics.median(widths):.1%} in the median; "
        f"quiet shares {[f'{share:.0%}' for share in quiet]}; "
        f"each run measured for {statistics.median(spent or [0.0]):.0f} s: "
        f"{'as promised' if held >= EXPECTED * total and worst >= FEWEST else 'fewer than promised'}"
    )


def main():
    """Runs what is missing, and judges all."""
    parser = argparse.ArgumentParser(description="Do intervals hold from run to run?")
    parser.add_argument("folder", type=Path)
    parser.add_argument("runs", type=int)
    parser.add_argument("--load", action="store_true", help="while another program copies memory")
    parser.add_argument("command", nargs="+", help="of kaoprof, behind --")
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    run_all(told.folder, told.runs, told.command, load=told.load)
    judge(told.folder)


if __name__ == "__main__":
    main()

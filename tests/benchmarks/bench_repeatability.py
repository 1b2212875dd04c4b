"""Whether an interval keeps its promise: one comparison, ten times over, its rounds interleaved with the others'.

Run: python tests/benchmarks/bench_repeatability.py [--budget SECONDS] [--threads NUMBER]
Every repetition has modules and inputs of its own; all take part in the same rounds, so that the machine's drift hits
all alike. Prints each one's speedup with its 95 % interval, and how many of the intervals hold the median of all ten.
Nine are to be expected: intervals that are right 95 times of 100 fail twice or more in ten with a probability of 0.09.
"""

import argparse
import statistics

from kaoprof.comparing.cases import cases_of
from kaoprof.comparing.run import analytic, count_rows, subject_of
from kaoprof.measuring.devices import find_device
from kaoprof.measuring.run import open_session
from kaoprof.measuring.session import measure
from kaoprof.records.compare import Record, Row
from kaoprof.records.options import Options
from kaoprof.stats.medians import paired_ratio

REPETITIONS = 10
ENOUGH = 9
BASELINE, RIVAL = "nonlocal:sdpa", "kao_qkv:matmul"
SIZES = {"c": 8, "batch": 8}
SPATIAL = (28, 28)


def counted_rows(options, device):
    """The baseline's row and the rival's."""
    cases = cases_of(
        [SPATIAL], **SIZES, operators=[BASELINE, RIVAL], heads=1, projection="value", scale="sqrt", dtype="fp32",
        mode="forward", device=device,
    )  # fmt: skip
    rows = tuple(Row(case=case, analytic=analytic(case)) for case in cases)
    record = Record(version="", created="", baseline="nonlocal", rows=rows)
    return count_rows(record, device, options, lambda _: None).rows


def speedups(options):
    """Each repetition's speedup of the rival over the baseline."""
    device = find_device(options.device)
    pair = counted_rows(options, device)
    subjects = [
        subject_of(row, 2 * seed + which, seed) for seed in range(REPETITIONS) for which, row in enumerate(pair)
    ]
    session = open_session(device, options, lambda _: None)
    measure(session, [subjects])
    latencies = [session.measurements[subject.key].latency for subject in subjects]
    return [paired_ratio(slow, fast) for slow, fast in zip(latencies[::2], latencies[1::2], strict=True)]


def main():
    """Prints the ten intervals, and how many hold the median of all."""
    parser = argparse.ArgumentParser(description="Do the intervals of ten repetitions hold their median?")
    parser.add_argument("--budget", type=float, default=60.0, metavar="SECONDS", help="for all ten")
    parser.add_argument("--threads", type=int, metavar="NUMBER", help="fewer than cores where others compete for them")
    told = parser.parse_args()
    found = speedups(Options(device="cpu", budget_s=told.budget, threads=told.threads))
    for number, one in enumerate(found, start=1):
        print(f"{number:2}  {one.value:8.2f}x   95 %: {one.low:8.2f} - {one.high:8.2f}   {one.samples} rounds")
    median = statistics.median(one.value for one in found)
    covering = sum(one.low <= median <= one.high for one in found)
    verdict = "as promised" if covering >= ENOUGH else "fewer than promised"
    print(f"median of all {median:.2f}x; {covering} of {REPETITIONS} intervals hold it: {verdict}")


if __name__ == "__main__":
    main()

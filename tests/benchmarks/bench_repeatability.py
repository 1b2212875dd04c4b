"""Whether an interval keeps its promise: one comparison, ten times over, each in processes of its own.

Run: python tests/benchmarks/bench_repeatability.py [--budget SECONDS] [--threads NUMBER]
Prints each repetition's speedup with its 95 % interval, and how many of the intervals hold the median of all ten. Nine
are to be expected: an interval that is right 95 times of 100 fails once in ten with a probability of 0.4.
Repetitions take turns with nothing: what else runs on the machine is part of what is repeated.
"""

import argparse
import statistics

import kaoprof
from kaoprof.findings import standings

REPETITIONS = 10
ENOUGH = 9
BASELINE, RIVAL = "nonlocal:sdpa", "kao_qkv:matmul"
SIZES = {"h": 28, "c": 8, "batch": 8}


def speedup(budget_s, threads, seed):
    """The rival's speedup over the baseline, as one run of `compare` sees it."""
    options = kaoprof.Options(device="cpu", budget_s=budget_s, threads=threads, seed=seed)
    record = kaoprof.compare(**SIZES, operators=[BASELINE, RIVAL], options=options)
    (cell,) = standings(record).values()
    return next(one.speedup for one in cell if one.row.case.name == RIVAL)


def main():
    """Prints the ten intervals, and how many hold the median of all."""
    parser = argparse.ArgumentParser(description="Do the intervals of ten repetitions hold their median?")
    parser.add_argument("--budget", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--threads", type=int, metavar="NUMBER", help="fewer than cores where others compete for them")
    told = parser.parse_args()
    found = []
    for seed in range(REPETITIONS):
        found.append(speedup(told.budget, told.threads, seed))
        one = found[-1]
        print(f"{seed + 1:2}  {one.median:8.2f}x   95 %: {one.low:8.2f} - {one.high:8.2f}   {one.samples} rounds")
    median = statistics.median(one.median for one in found)
    covering = sum(one.low <= median <= one.high for one in found)
    verdict = "as promised" if covering >= ENOUGH else "fewer than promised"
    print(f"median of all {median:.2f}x; {covering} of {REPETITIONS} intervals hold it: {verdict}")


if __name__ == "__main__":
    main()

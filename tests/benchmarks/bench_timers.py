"""How well three timers repeat, of the same two operators in the same time: kaoprof, pyperf, blocked_autorange.

Run (needs pyperf): python tests/benchmarks/bench_timers.py FOLDER RUNS [--seconds SECONDS]
The timers take turns, each run in processes of its own and for about SECONDS per operator, on one thread. A plain loop
of 60 s per operator, half of it before them and half afterwards, says what is true: the fastest hundredth of its blocks
of 5 ms is the quiet time of a call, its median the typical one. Prints for each timer how its estimates spread from run
to run (largest over smallest), and how far they lie from the quantity that it claims: kaoprof from the quiet time, the
others from the typical one.
Keeps what is measured in FOLDER and goes on with what is there.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from torch.utils.benchmark import Timer

from kaoprof.catalog import find_operator
from kaoprof.dims import AttentionOptions
from kaoprof.records.reading import load_records
from kaoprof.stats.timings import quiet_s
from kaoprof.workload.building import resolve

OPERATORS = ("nonlocal:sdpa", "kao_qkv:matmul")
SIZES = {"h": 28, "c": 32}
REFERENCE_S = 60.0
BLOCK_S = 5e-3  # of calls that are timed together
START_S = 3.0  # of a process that imports torch: part of what a timer may take
PROCESSES = 3  # of pyperf, in each of which it warms up
VALUES = 5  # of pyperf, per process


def call_of(name):
    """A call of the operator on one thread, ready to be timed."""
    torch.set_num_threads(1)
    kind, _, implementation = name.partition(":")
    operator = find_operator(kind)
    told = operator.arguments((SIZES["h"], SIZES["h"]), AttentionOptions(implementation=implementation))
    module = resolve(operator.factory)(SIZES["c"], **told).eval()
    x = torch.randn(1, SIZES["c"], SIZES["h"], SIZES["h"], generator=torch.Generator().manual_seed(0))

    def call():
        with torch.no_grad():
            return module(x)

    return call


def plain_loop(name, seconds):
    """Seconds of each call, one after another."""
    call, samples = call_of(name), []
    until = time.perf_counter() + seconds
    while (start := time.perf_counter()) < until:
        call()
        samples.append(time.perf_counter() - start)
    return samples


def autorange(name, seconds):
    """The median of torch's own timer."""
    timer = Timer("call()", globals={"call": call_of(name)}, num_threads=1)
    return timer.blocked_autorange(min_run_time=seconds - START_S).median


def by_kaoprof(seconds):
    """The quiet time of each operator, from one run of the command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        sizes = [text for name, size in SIZES.items() for text in (f"--{name}", str(size))]
        names, budget = ",".join(OPERATORS), f"{seconds * len(OPERATORS) / 2}s"  # the other half starts processes
        command = ["compare", "--operators", names, *sizes, "--threads", "1", "--budget", budget, "-o", str(path)]
        subprocess.run([sys.executable, "-m", "kaoprof", *command], check=True, capture_output=True)
        return {row.case.name: quiet_s(row.latency) for row in load_records(path)[-1].rows}


def by_itself(kind, name, seconds):
    """What this script prints of one timer and operator in a process of its own."""
    command = [sys.executable, __file__, "--alone", kind, name, str(seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def by_pyperf(name, seconds):
    """The mean of pyperf's values, its own headline, from as many processes as fit."""
    each_s = max((seconds / (PROCESSES + 1) - START_S) / (VALUES + 1), 0.05)  # one more calibrates
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.json"
        setup = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from bench_timers import call_of"
        subprocess.run(
            [sys.executable, "-m", "pyperf", "timeit", "--quiet", "-p", str(PROCESSES), "-n", str(VALUES), "-w", "1",
             "--min-time", str(each_s), "--inherit-environ", "PYTHONPATH", "-o", str(path),
             "-s", f"{setup}; call = call_of({name!r})", "call()"],
            check=True, capture_output=True,
        )  # fmt: skip
        import pyperf

        return pyperf.Benchmark.load(str(path)).mean()


def fastest_blocks(samples):
    """Seconds of a call in the fastest hundredth of blocks of consecutive calls: what no timer of blocks can beat."""
    calls = math.ceil(BLOCK_S / statistics.median(samples))
    blocks = sorted(statistics.fmean(samples[begin : begin + calls]) for begin in range(0, len(samples), calls))
    return blocks[len(blocks) // 100]


def measured(path, ask):
    """What was measured once, from its file or by asking."""
    if not path.exists():
        begun = time.monotonic()
        answer = ask()
        path.write_text(json.dumps({"answer": answer, "seconds": time.monotonic() - begun}), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def one_run(folder, number, seconds):
    """Every timer once; its estimates by operator, and the seconds that it took for all of them."""
    ours = measured(folder / f"kaoprof{number:02}.json", lambda: by_kaoprof(seconds))
    answers = {"kaoprof": (ours["answer"], ours["seconds"])}
    for timer, ask in (("pyperf", by_pyperf), ("autorange", partial(by_itself, "autorange"))):
        files = {name: folder / f"{timer}{number:02}{name.replace(':', '-')}.json" for name in OPERATORS}
        each = {name: measured(path, partial(ask, name, seconds)) for name, path in files.items()}
        estimates = {name: told["answer"] for name, told in each.items()}
        answers[timer] = (estimates, sum(told["seconds"] for told in each.values()))
    return answers


def reference(folder, part, name):
    """Half of the plain loop: samples, in a process of its own."""
    path = folder / f"reference{part}{name.replace(':', '-')}.json"
    return measured(path, lambda: by_itself("loop", name, REFERENCE_S / 2))["answer"]


def main():
    """Measures what is missing, and compares."""
    if sys.argv[1:2] == ["--alone"]:
        kind, name, seconds = sys.argv[2:5]
        print(json.dumps({"loop": plain_loop, "autorange": autorange}[kind](name, float(seconds))))
        return
    parser = argparse.ArgumentParser(description="How well do three timers repeat?")
    parser.add_argument("folder", type=Path)
    parser.add_argument("runs", type=int)
    parser.add_argument("--seconds", type=float, default=10.0, help="of one timer, for each operator")
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    before = {name: reference(told.folder, 0, name) for name in OPERATORS}
    runs = [one_run(told.folder, number, told.seconds) for number in range(told.runs)]
    loops = {name: before[name] + reference(told.folder, 1, name) for name in OPERATORS}
    for name in OPERATORS:
        quiet, typical = fastest_blocks(loops[name]), statistics.median(loops[name])
        print(f"{name}: 60 s of a plain loop: quiet {quiet * 1e6:.1f} us, typical {typical * 1e6:.1f} us")
        for timer in runs[0]:
            values = [run[timer][0][name] for run in runs]
            true = quiet if timer == "kaoprof" else typical
            errors = [abs(value / true - 1) for value in values]
            seconds = statistics.median(run[timer][1] for run in runs)
            middle, spread = statistics.median(values) * 1e6, max(values) / min(values)
            print(
                f"  {timer:10} median {middle:8.1f} us  spread {spread:.3f}x  "
                f"error {statistics.median(errors):.1%} in the median, {max(errors):.1%} at most  "
                f"{seconds:.0f} s for both operators"
            )


if __name__ == "__main__":
    main()

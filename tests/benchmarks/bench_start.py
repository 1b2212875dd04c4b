"""How long the light commands take as whole processes, above the interpreter itself.

Run: python tests/benchmarks/bench_start.py
Rounds are interleaved, as kaoprof does it for operators: a busy machine slows all alike.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 15
COMMANDS = {
    "interpreter": ["-c", "pass"],
    "kaoprof --help": ["-m", "kaoprof", "--help"],
    "kaoprof compare --analytic": ["-m", "kaoprof", "compare", "--h", "56", "--c", "64", "--analytic"],
    "kaoprof compare --analytic csv": ["-m", "kaoprof", "compare", "--h", "56", "--analytic", "--format", "csv"],
}


def main():
    """Prints each command's median and its excess over the interpreter."""
    samples = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            samples[name].append(time.perf_counter() - start)
    interpreter = statistics.median(samples["interpreter"])
    for name, seconds in samples.items():
        median = statistics.median(seconds)
        print(f"{name:32} {median * 1e3:6.0f} ms   {(median - interpreter) * 1e3:+6.0f} ms above the interpreter")


if __name__ == "__main__":
    main()

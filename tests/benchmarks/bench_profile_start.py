"""How long a whole network takes to analyse on paper, against tools that run it: all of them as whole processes.

Run: python tests/benchmarks/bench_profile_start.py [ROUNDS]
Each of the others gets the same network, ready-made, in the shortest script that its documentation suggests; what it
imports of kaoprof are the layers alone. All read compiled bytecode, as installed packages do. Each has one
thread: on a busy machine several would wait for each other. Rounds are interleaved and their order turns. The goal: 10
times faster than the fastest of the others.
"""

import importlib.util
import os
import pickle
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kaoprof
from kaoprof.networks import build_network
from kaoprof.specs import load_spec

ROUNDS = 7
GOAL = 10.0  # times faster than the fastest of the others
NETWORK = "kanet-qkv"
KAOPROF = "kaoprof profile --analytic"
PACKAGE = str(Path(kaoprof.__file__).parent)
LOAD = (  # the package's own __init__ is passed by: its imports are no affair of the others
    "import pickle, sys, types; package = types.ModuleType('kaoprof'); package.__path__ = [sys.argv[2]]; "
    "sys.modules['kaoprof'] = package; import torch; network = pickle.load(open(sys.argv[1], 'rb')); "
)
OTHERS = {  # each prints its figure for the multiply-adds
    "fvcore": "from fvcore.nn import FlopCountAnalysis; "
    "print(FlopCountAnalysis(network, torch.zeros(1, 3, 224, 224)).total())",
    "torchinfo": "import torchinfo; "
    "print(torchinfo.summary(network, input_size=(1, 3, 224, 224), verbose=0).total_mult_adds)",
    "ptflops": "import ptflops; print(ptflops.get_model_complexity_info(network, (3, 224, 224), as_strings=False, "
    "print_per_layer_stat=False)[0])",
}
FLOORS = {"python -c pass": ["-c", "pass"], "python -c 'import torch'": ["-c", "import torch"]}


def commands(file):
    """What to run: kaoprof, the others that are installed, and what no tool, and none on torch, can be faster than."""
    found = {KAOPROF: ["-m", "kaoprof", "profile", NETWORK, "--analytic"]}
    for name, code in OTHERS.items():
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not installed, left out (pip install {name})")
        else:
            found[name] = ["-c", LOAD + code, file, PACKAGE]
    return found | FLOORS


def macs_of(name, text):
    """The figure that a tool printed, in millions; None for the floors."""
    if name == KAOPROF:
        return float(re.search(r"^total .* (\d+\.\d+) M\b", text, re.MULTILINE)[1])
    return float(text.split()[-1]) / 1e6 if text else None


def timed(chosen, rounds, environment):
    """Seconds of each command in each round, and what each counted; a first round, which compiles, is left out."""
    samples, macs = {name: [] for name in chosen}, {}
    names = list(chosen)
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.perf_counter()
            done = subprocess.run([sys.executable, *chosen[name]], capture_output=True, text=True, check=True,
                                  env=environment)  # fmt: skip
            if number:
                samples[name].append(time.perf_counter() - start)
            macs[name] = macs_of(name, done.stdout)
    return samples, macs


def main():
    """Prints each tool's median, how often kaoprof's time fits into it, and its count; exits with 1 below the goal."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="kaoprof-bench-") as folder:
        file = Path(folder) / "network.pickle"
        file.write_bytes(pickle.dumps(build_network(load_spec(NETWORK)).eval()))
        environment = os.environ | {"PYTHONPYCACHEPREFIX": str(Path(folder) / "bytecode"), "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        chosen = commands(str(file))
        samples, macs = timed(chosen, rounds, environment)
    print(f"{NETWORK}, whole processes: medians of {rounds} interleaved rounds, and of the rounds' own ratios")
    ratios = {name: statistics.median(map(float.__truediv__, samples[name], samples[KAOPROF])) for name in chosen}
    for name, seconds in samples.items():
        counted = "" if macs[name] is None else f"{macs[name]:10.2f} M"
        print(f"{name:28}{statistics.median(seconds) * 1e3:8,.0f} ms{ratios[name]:8.2f}x{counted}")
    others = [name for name in OTHERS if name in chosen]
    if not others:
        return 0
    fastest = min(others, key=ratios.__getitem__)
    print(f"fastest of the others: {fastest}, {ratios[fastest]:.1f} times kaoprof's time (goal: {GOAL:.0f})")
    return 0 if ratios[fastest] >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())

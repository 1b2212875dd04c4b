"""How long counting takes beside torch's own counter, paired in one run: a 12-layer encoder in process, and a `Linear`
as a whole process; and how it grows with the number of modules. Run: python tests/benchmarks/bench_count.py.
"""

import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import kaoprof
from kaoprof.tape.recording import Call, record

ROUNDS = 9
SCRIPT = """
import torch
from torch.utils.flop_counter import FlopCounterMode
with torch.device("meta"):
    module, x = torch.nn.Linear(8, 16), torch.randn(4, 8)
with FlopCounterMode(display=False) as counter:
    module(x)
print(counter.get_total_flops())
"""
LINEAR = ["profile", "torch.nn:Linear", "--arg", "8", "--arg", "16", "--input", "4,8", "--allow-import", "--no-measure"]


def encoder():
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    return nn.TransformerEncoder(layer, 12, enable_nested_tensor=False).eval()


def seconds(action):
    start = time.process_time()
    action()
    return time.process_time() - start


def child_seconds(command):
    """Processor time of a command and all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def paired(title, actions, measure, rounds):
    """Medians of interleaved rounds, and their ratios to the first."""
    for action in actions.values():
        measure(action)
    samples = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            samples[name].append(measure(action))
    first = statistics.median(next(iter(samples.values())))
    for name, values in samples.items():
        median = statistics.median(values)
        print(f"{title}: {name:34} {median * 1e3:9.1f} ms  {median / first:5.2f} x")


def main():
    """Prints medians of processor time."""
    torch.set_num_threads(1)
    with torch.device("meta"):
        on_meta, x_meta = encoder(), torch.randn(2, 32, 64)
    real, x = encoder(), torch.randn(2, 32, 64)

    def torchs():
        with torch.no_grad(), FlopCounterMode(display=False):
            on_meta(x_meta)

    paired(
        "encoder of 12 layers",
        {
            "FlopCounterMode on meta": torchs,
            "recorded by kaoprof": lambda: record(Call(real, (x,))),
            "kaoprof.count, peak included": lambda: kaoprof.count(real, x),
        },
        seconds,
        ROUNDS,
    )
    paired(
        "Linear, whole process",
        {
            "script with FlopCounterMode": [sys.executable, "-c", SCRIPT],
            "kaoprof profile --no-measure": [sys.executable, "-m", "kaoprof", *LINEAR],
        },
        child_seconds,
        3,
    )
    for modules in (300, 1000, 5000):
        net, row = nn.Sequential(*(nn.Linear(4, 4) for _ in range(modules))), torch.randn(1, 4)
        print(f"{modules} modules: {seconds(lambda: kaoprof.count(net, row)):.2f} s")  # noqa: B023 - called at once


if __name__ == "__main__":
    main()

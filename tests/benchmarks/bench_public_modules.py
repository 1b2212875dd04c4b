"""Our KAO_QKV against the public module of kronecker-attention-pytorch: same weights, same work, same output.

Run: python tests/benchmarks/bench_public_modules.py [ROUNDS]
after: pip install -c constraints.txt kronecker-attention-pytorch (no test needs it)
Prints the ratio of latencies and of the peaks that the CPU's allocator saw, theirs over ours, forward and training;
exits with 1 where ours is slower, or the outputs differ.

What their module (version 0.0.6) computes, and how the work is made the same:
- Four projections, on any number of channels per head. Ours get `projection="qkvo"`; theirs get heads that divide the
  channels, so that both multiply c x c matrices. The weights are copied.
- No 1/sqrt(d): ours get `scale="none"`.
- A bias on the output projection. It acts on the averages, before the outer sum, so that every position receives it
  twice; the paper has none. It is taken away, and what is left is the paper's KAO_QKV.
- Two spatial axes only.

The process keeps the memory that it frees (glibc's tunables). By default glibc gives large blocks back, and fetching
them again costs more than these operators do; whether it does so depends on what ran before, so that the same pair of
steps was seen at 0.5x and at 1.9x.
"""

import importlib.util
import os
import random
import sys
import time

import torch

from kaoprof.bench.meters import CpuMeters
from kaoprof.operators import KroneckerAttentionQKV
from kaoprof.stats.medians import estimate

PACKAGE = "kronecker_attention_pytorch"
ROUNDS = 40
SAMPLE_S = 0.004  # seconds of one sample: short calls are repeated
TOLERANCE = 1e-5
KEPT_BYTES = 2**40  # of freed memory, before any is given back: more than there is
KEEPING = f"glibc.malloc.trim_threshold={KEPT_BYTES}:glibc.malloc.mmap_max=0"
CASES = (  # (b, c, h, w), heads
    ((1, 8, 14, 14), 1), ((8, 8, 14, 14), 1), ((8, 8, 56, 56), 1), ((8, 64, 28, 28), 2), ((8, 64, 56, 56), 2),
    ((1, 64, 128, 128), 2), ((2, 256, 28, 28), 8), ((8, 64, 128, 128), 2), ((1, 32, 512, 512), 1),
)  # fmt: skip


def pair(channels, heads):
    """Theirs and ours, with the same weights."""
    theirs_class = importlib.import_module(PACKAGE).KroneckerSelfAttention
    theirs = theirs_class(dim=channels, heads=heads, dim_heads=channels // heads)
    theirs.to_out.bias = None
    ours = KroneckerAttentionQKV(channels, heads=heads, projection="qkvo", scale="none")
    matrices = [*theirs.to_qkv.weight[..., 0].chunk(3), theirs.to_out.weight[..., 0]]
    names = ("query", "key", "value", "output")
    ours.load_state_dict({f"attention.{name}.weight": matrix for name, matrix in zip(names, matrices, strict=True)})
    return theirs, ours


def forward_step(module, x):
    """One forward pass without gradients."""

    def step():
        with torch.no_grad():
            return module(x)

    return step


def training_step(module, x):
    """One forward and backward pass; gradients start at None."""
    x, ones = x.clone().requires_grad_(), torch.ones_like(x)

    def step():
        module.zero_grad(set_to_none=True)
        x.grad = None
        output = module(x)
        output.backward(ones)
        return output

    return step


def paired_seconds(theirs, ours, rounds):
    """Their seconds and ours, from rounds that hold both in random order."""
    for step in (theirs, ours) * 3:
        step()
    start = time.perf_counter()
    theirs()
    repeats = max(1, round(SAMPLE_S / (time.perf_counter() - start)))
    pairs = []
    for _ in range(rounds):
        seconds = {}
        for step in random.sample((theirs, ours), 2):
            step()
            start = time.perf_counter()
            for _ in range(repeats):
                step()
            seconds[step] = time.perf_counter() - start
        pairs.append((seconds[theirs], seconds[ours]))
    return pairs


def paired_ratio(theirs, ours, rounds):
    """Their seconds over ours."""
    return estimate([of_theirs / of_ours for of_theirs, of_ours in paired_seconds(theirs, ours, rounds)])


def keep_freed_memory():
    """Starts this process anew with the allocator that keeps what is freed, unless it has it."""
    if os.environ.get("GLIBC_TUNABLES") != KEEPING:  # read when a process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"GLIBC_TUNABLES": KEEPING})  # noqa: S606 - itself


def compare(size, heads, rounds):
    """Prints a line for each mode; whether the outputs agree and ours is not slower."""
    x = torch.randn(size)
    theirs, ours = pair(size[1], heads)
    with torch.no_grad():
        difference = float((theirs(x) - ours(x)).abs().max())
    well = difference <= TOLERANCE
    for mode, step_of in (("forward", forward_step), ("train", training_step)):
        steps = [step_of(module, x) for module in (theirs, ours)]
        peaks = [CpuMeters().peak(step)["allocated"] for step in steps]  # first: no gradient is there to free
        latency = paired_ratio(*steps, rounds)
        slower = latency.high < 1
        well = well and not slower
        interval = f"[{latency.low:.2f}, {latency.high:.2f}]"
        print(f"{' x '.join(map(str, size)):20}{heads:3}  {mode:8}{latency.value:6.2f}x {interval:16}"
              f"{peaks[0] / peaks[1]:6.2f}x   {difference:.0e}{'  SLOWER' if slower else ''}")  # fmt: skip
    return well


def main():
    """Prints the table; 1 if ours is slower anywhere or computes something else."""
    if importlib.util.find_spec(PACKAGE) is None:
        print(f"{PACKAGE}: not installed, nothing to compare with (pip install -c constraints.txt {PACKAGE})")
        return 0
    keep_freed_memory()
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    torch.set_flush_denormal(True)
    print(f"theirs over ours, {torch.get_num_threads()} threads; medians of {rounds} interleaved rounds")
    print(f"{'b x c x h x w':20}heads mode    latency                   peak   difference")
    well = [compare(size, heads, rounds) for size, heads in CASES]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())

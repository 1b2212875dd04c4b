"""How long derivations take in a warm process: operators and a KANet. Run: python tests/benchmarks/bench_explain.py."""

import itertools
import statistics
import time

from kaoprof.catalog import OPERATORS
from kaoprof.dims import IMPLEMENTATIONS, MODES, AttentionOptions
from kaoprof.explaining.derivation import derive
from kaoprof.explaining.peak_formula import derive_peak
from kaoprof.explaining.run import ExplainRequest, explain
from kaoprof.explaining.target import operator_target, workload_target
from kaoprof.networks import network_workload
from kaoprof.specs import load_spec


def seconds_of(action):
    """Seconds that one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main():
    """Prints medians and maxima in seconds."""
    derive(operator_target("kao_qkv", AttentionOptions()))  # the first use of fake tensors imports the compiler stack
    targets = [
        operator_target(
            name, AttentionOptions(heads=2, projection="qkvo", implementation=implementation), ndim=ndim, mode=mode
        )
        for name, ndim, implementation, mode in itertools.product(OPERATORS, (1, 2, 3), IMPLEMENTATIONS, MODES)
    ]
    for title, action in (
        ("MACs, FLOPs, params", derive),
        ("peak", lambda target: derive_peak(target, device="cpu", threads=2)),
    ):
        samples = [seconds_of(lambda target=target, action=action: action(target)) for target in targets]
        print(f"{title}: median {statistics.median(samples):.2f} s, at most {max(samples):.2f} s")
    kanet = workload_target(network_workload(load_spec("kanet-qkv")))
    print(f"KANet, derivation: {seconds_of(lambda: derive(kanet)):.1f} s")
    print(f"KANet, explain: {seconds_of(lambda: explain(ExplainRequest(target='kanet-qkv'))):.1f} s")


if __name__ == "__main__":
    main()

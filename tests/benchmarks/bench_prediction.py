"""How near the predicted peak is to what the CPU's allocator sees: every operator and shipped model, forward and train.

Run: python tests/benchmarks/bench_prediction.py [fp32,bf16]
The prediction comes from a dry run that allocates nothing; the other figure from the allocator's own events while the
step really ran. Exits with 1 where they differ by more than the goal.
"""

import sys

import torch

from kaoprof.build import build_inputs, build_module, operator_workload, step_of
from kaoprof.catalog import OPERATORS
from kaoprof.count.live_bytes import predict_peak_bytes
from kaoprof.dims import MODES, AttentionOptions, Dims
from kaoprof.measure.meters import CpuMeters
from kaoprof.networks import network_workload
from kaoprof.specs import load_spec, shipped_specs

GOAL = 0.02  # of what was measured
DTYPES = ("fp32", "bf16")
SIZES = (Dims(b=2, c=64, spatial=(56, 56)), Dims(b=2, c=32, spatial=(8, 14, 14)))
MIB = 2**20


def cases(dtypes):
    """`(title, workload)` for everything that is compared."""
    for name, operator in OPERATORS.items():
        for implementation in operator.implementations:
            options = AttentionOptions(implementation=implementation)
            for dims in SIZES:
                for dtype in dtypes:
                    for mode in MODES:
                        title = f"{name} {implementation} {dims}"
                        yield title, operator_workload(name, dims, options, dtype=dtype, mode=mode, seed=0)
    for model in (spec.name for spec in shipped_specs() if spec.kind == "model"):
        for mode in MODES:
            yield model, network_workload(load_spec(model), mode=mode)


def peaks(workload):
    """Bytes predicted and measured, of the first step that ever runs: no gradient is there that it could free."""
    predicted = predict_peak_bytes(workload, device="cpu", threads=torch.get_num_threads())
    module, inputs = build_module(workload, device="cpu"), build_inputs(workload, device="cpu")
    return predicted, CpuMeters().peak(step_of(workload, module, inputs))["allocated"]


def main():
    """Prints the table; 1 if an error is above the goal."""
    dtypes = sys.argv[1].split(",") if len(sys.argv) > 1 else DTYPES
    print(f"MiB above what was resident; {torch.get_num_threads()} threads")
    print(f"{'':42}{'dtype':6}{'mode':8}{'predicted':>10}{'measured':>10}{'error':>9}")
    above = 0
    for title, workload in cases(dtypes):
        predicted, measured = peaks(workload)
        error = predicted / measured - 1
        above += abs(error) > GOAL
        print(f"{title:42}{workload.inputs[0].dtype:6}{workload.mode:8}{predicted / MIB:10.3f}{measured / MIB:10.3f}"
              f"{error:+9.2%}{'  above the goal' if abs(error) > GOAL else ''}")  # fmt: skip
    print(f"{above} above {GOAL:.0%}" if above else f"all within {GOAL:.0%}")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())

"""How near the predicted peak is to what the CPU's allocator sees: every operator and shipped model, forward and train.

Run: python tests/benchmarks/bench_prediction.py [fp32,bf16]
The prediction comes from a recorded run that allocates nothing; the other figure from the allocator's own events while
the step really ran. Fused attention is forced to each backend that a CPU has. Exits with 1 where they differ by more
than the goal.
"""

import sys

import torch
from msgspec.structs import replace

from kaoprof.bench.meters import CpuMeters
from kaoprof.catalog import OPERATORS, operator_workload
from kaoprof.dims import MODES, AttentionOptions, Dims
from kaoprof.networks import network_workload
from kaoprof.specs import load_spec, shipped_specs
from kaoprof.tape.models import record_workload
from kaoprof.tape.prediction import predicted
from kaoprof.workload.attention_backend import forced_attention
from kaoprof.workload.building import build_inputs, build_module, step_of

GOAL = 0.02  # of what was measured
DTYPES = ("fp32", "bf16")
BACKENDS = {"matmul": ("auto",), "sdpa": ("flash", "math")}  # by implementation
SIZES = (Dims(b=2, c=64, spatial=(56, 56)), Dims(b=2, c=32, spatial=(8, 14, 14)))
MIB = 2**20


def cases(dtypes):
    """`(title, backend, workload)` for everything that is compared."""
    for dtype in dtypes:
        for mode in MODES:
            for name, operator in OPERATORS.items():
                for implementation in operator.implementations:
                    options = AttentionOptions(implementation=implementation)
                    for dims in SIZES:
                        workload = operator_workload(name, dims, options, dtype=dtype, mode=mode, seed=0)
                        for backend in BACKENDS[implementation]:
                            yield f"{name} {implementation} {dims}", backend, workload
            for document in (load_spec(spec.name) for spec in shipped_specs() if spec.kind == "model"):
                yield document.spec.name, "auto", network_workload(document, dtype=dtype, mode=mode)
                for backend in BACKENDS["sdpa"] if document.spec.attention else ():
                    fused = network_workload(with_fused_attention(document), dtype=dtype, mode=mode)
                    yield f"{document.spec.name} sdpa", backend, fused


def with_fused_attention(document):
    """The model, each of whose attentions goes through torch's fused one."""
    attention = replace(document.spec.attention, implementation="sdpa")
    return replace(document, spec=replace(document.spec, attention=attention))


def peaks(workload, backend):
    """Bytes predicted and measured of the first step that ever runs (no gradient is there that it could free), and
    what the prediction may leave out.
    """
    dry = predicted(record_workload(workload), device="cpu", threads=torch.get_num_threads(), sdpa=backend)
    with forced_attention(backend):
        module, inputs = build_module(workload, device="cpu"), build_inputs(workload, device="cpu")
        return dry.peak_bytes, CpuMeters().peak(step_of(workload, module, inputs))["allocated"], dry.unmodelled


def main():
    """Prints the table; 1 if an error is above the goal."""
    dtypes = sys.argv[1].split(",") if len(sys.argv) > 1 else DTYPES
    print(f"MiB above what was resident; {torch.get_num_threads()} threads")
    print(f"{'':42}{'dtype':6}{'mode':8}{'backend':8}{'predicted':>10}{'measured':>10}{'error':>9}")
    above = 0
    for title, backend, workload in cases(dtypes):
        start = f"{title:42}{workload.inputs[0].dtype:6}{workload.mode:8}{backend:8}"
        try:
            predicted, measured, unmodelled = peaks(workload, backend)
        except NotImplementedError as error:
            print(f"{start}{error}")
            continue
        error = predicted / measured - 1
        above += abs(error) > GOAL
        notes = ["above the goal"] * (abs(error) > GOAL) + [f"unmodelled: {', '.join(unmodelled)}"] * bool(unmodelled)
        print(f"{start}{predicted / MIB:10.3f}{measured / MIB:10.3f}{error:+9.2%}  {'; '.join(notes)}".rstrip())
    print(f"{above} above {GOAL:.0%}" if above else f"all within {GOAL:.0%}")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())

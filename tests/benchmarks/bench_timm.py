"""Counts the 77 timm models of timm_models.csv in one process, and holds MACs and parameters against it, to the digit.

Needs timm 1.0.31, torchvision 0.29.1 and torch 2.14.1:

    python tests/benchmarks/bench_timm.py [NAME ...]
"""

import csv
import sys
import time
from pathlib import Path

from kaoprof.tape.layers import count_layers
from kaoprof.tape.models import record_workload
from kaoprof.tape.peak import predict_peak
from kaoprof.workload.workload import TensorSpec, Workload

MODELS = Path(__file__).with_name("timm_models.csv")


def workload_of(name, size):
    image = TensorSpec(shape=(1, 3, size, size), dtype="fp32")
    return Workload(factory="timm:create_model", args=(name,), inputs=(image,), input_grad=False)


def main(names):
    started, wrong, models = time.process_time(), 0, 0
    for row in csv.DictReader(MODELS.open()):
        if names and row["name"] not in names:
            continue
        before = time.process_time()
        models += 1
        try:
            tape = record_workload(workload_of(row["name"], int(row["size"]))).tape
        except Exception as error:  # noqa: BLE001 - the other models are counted all the same
            print(f"FAILED {row['name']}: {type(error).__name__}: {error}", flush=True)
            wrong += 1
            continue
        counted_s = time.process_time() - before
        layers = count_layers(tape).values()
        macs, params = sum(layer.macs for layer in layers), sum(layer.params for layer in layers)
        uncounted = sorted({name for layer in layers for name in layer.uncounted})
        peak = predict_peak(tape, device="cpu", threads=1)
        right = (macs, params) == (int(row["macs"]), int(row["params"]))
        wrong += not right
        print(
            f"{'ok    ' if right else 'WRONG '} {row['name']:36} {tape.recorded} MACs {macs:,} params {params:,} "
            f"peak {peak.peak_bytes:,} {counted_s:.2f} s, all {time.process_time() - before:.2f} s {uncounted or ''}"
            + ("" if right else f" expected {row['macs']} {row['params']}"),
            flush=True,
        )
    print(f"{models - wrong} of {models} right, {time.process_time() - started:.1f} s of processor time")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The peak that follows from a tape is that of a dry run of its own, which the allocator's events have confirmed."""

import pytest
import torch
from representatives import mostly_slow
from torch import nn

from kaoprof.bench.meters import CpuMeters
from kaoprof.catalog import OPERATORS, operator_workload
from kaoprof.dims import MODES, AttentionOptions, Dims
from kaoprof.memory.live_bytes import predict_peak_bytes
from kaoprof.networks import network_workload
from kaoprof.specs import load_spec
from kaoprof.tape.models import record_workload
from kaoprof.tape.peak import predict_peak
from kaoprof.tape.prediction import predicted
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.workload import TensorSpec, Workload

THREADS = 2
NETWORKS = ["kao-qkv-56", *(pytest.param(name, marks=pytest.mark.slow) for name in ("kanet-qkv", "attnnet-pool"))]


def by_tape(workload):
    return predict_peak(record_workload(workload).tape, device="cpu", threads=THREADS)


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_networks_peak_follows_from_its_tape(name, mode):
    workload = network_workload(load_spec(name), mode=mode)
    assert by_tape(workload).peak_bytes == predict_peak_bytes(workload, device="cpu", threads=THREADS)


@pytest.mark.parametrize(
    ("operator", "mode", "device"),
    mostly_slow([(name, mode, device) for name in OPERATORS for mode in MODES for device in ("cpu", "cuda")]),
)
def test_an_operators_peak_follows_from_its_tape(operator, mode, device):
    dims = Dims(b=2, c=8, spatial=(12, 10))
    workload = operator_workload(
        operator, dims, AttentionOptions(heads=2, projection="qkvo"), mode=mode, dtype="fp32", seed=0
    )
    peak = predicted(record_workload(workload), device=device, threads=THREADS)
    assert peak.peak_bytes == predict_peak_bytes(workload, device=device, threads=THREADS)


def test_a_layers_peak_is_what_is_alive_while_it_runs():
    tape = record_workload(network_workload(load_spec("mobilenetv2"))).tape
    peak = predict_peak(tape, device="cpu", threads=THREADS)
    assert peak.peaks[""] == peak.peak_bytes == max(peak.peaks.values())
    assert set(peak.peaks) == {path for path, facts in tape.layers.items() if facts.called}
    stem = 32 * 112 * 112 * 4
    assert peak.peaks["layers.0"] >= 2 * stem  # what the convolution and its norm answer


class Masked(nn.Module):
    """Makes a mask whose values are known, and what follows from it and the input, whose values are not."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 300)

    def forward(self, x):
        mask = torch.ones(300, 300, dtype=torch.bool, device=x.device)
        added = mask.to(x.dtype)
        return (self.linear(x)[:, None] + added).sum() + added[0, 0]


def test_what_is_real_lives_on_though_what_follows_from_it_has_no_data():
    workload = Workload(factory=f"{__name__}:Masked", inputs=(TensorSpec(shape=(1, 8), dtype="fp32"),))
    module, inputs = build_module(workload, device="cpu"), build_inputs(workload, device="cpu")
    measured = CpuMeters().peak(step_of(workload, module, inputs))["allocated"]
    assert by_tape(workload).peak_bytes == pytest.approx(measured, abs=64)
    assert measured > 300 * 300 * (1 + 4 + 4)

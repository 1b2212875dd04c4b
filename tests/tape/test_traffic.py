"""What a tape says of traffic, and of who holds the peak: beside what a traced real run and the peak itself say."""

import pytest
import torch
from torch import nn

from kaoprof.bench.traffic import trace
from kaoprof.profiling.taking import take_census
from kaoprof.tape.models import record_workload
from kaoprof.tape.peak import held_at_peak, predict_peak
from kaoprof.tape.traffic import traffic_of
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.workload import TensorSpec, Workload


class Small(nn.Module):
    """Looks up, moves, computes in place, and views."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.linear = nn.Linear(16, 32)
        self.norm = nn.LayerNorm(32)

    def forward(self, tokens):
        h = self.linear(self.embedding(tokens)).relu_()
        return self.norm(h.view(-1, 32)).sum(0).expand(4, 32) + 1


WORKLOAD = Workload(factory=f"{__name__}:Small", inputs=(TensorSpec(shape=(3, 7), dtype="int64", high=50),))


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_launches_and_bytes_are_those_of_a_real_run(mode):
    workload = Workload(factory=WORKLOAD.factory, inputs=WORKLOAD.inputs, mode=mode, input_grad=False)
    module, inputs = build_module(workload, device="cpu"), build_inputs(workload, device="cpu")
    with torch.set_grad_enabled(mode == "train"):
        real = trace(step_of(workload, module, inputs), module, inputs, trained=mode == "train")
    traffic = traffic_of(record_workload(workload).tape)
    if mode == "forward":
        assert (traffic.operations.total(), traffic.moved_bytes.total()) == (real.operations, real.moved_bytes)
    else:  # without data the engine copies a gradient that is written into by another way
        assert traffic.operations.total() == pytest.approx(real.operations, abs=2)
        assert traffic.moved_bytes.total() == pytest.approx(real.moved_bytes, abs=5376 + 8064)


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_what_modules_hold_at_the_peak_is_the_peak(mode):
    workload = Workload(factory=WORKLOAD.factory, inputs=WORKLOAD.inputs, mode=mode, input_grad=False)
    tape = record_workload(workload).tape
    peak = predict_peak(tape, device="cpu", threads=1)
    held = held_at_peak(tape, peak)
    assert sum(held.values()) == peak.peak_bytes
    assert held["linear"] >= 3 * 7 * 32 * 4


def test_a_census_shares_them_out_among_layers():
    census = take_census(WORKLOAD, None, device="cpu", threads=1)
    layers = {layer.layer: layer for layer in census.layers}
    whole, leaves = layers[""], [layer for layer in census.layers if layer.leaf]
    assert whole.held_bytes == whole.peak_bytes
    for name in ("held_bytes", "operations", "moved_bytes"):
        assert sum(getattr(layer, name) for layer in leaves) == getattr(whole, name) > 0
    assert layers["linear"].operations == 1
    assert layers["linear"].moved_bytes == 4 * (3 * 7 * 16 + 16 * 32 + 32 + 3 * 7 * 32)

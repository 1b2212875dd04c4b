"""Copies that kernels make of tensors that lie otherwise than they want, against the allocator's events."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kaoprof.bench.meters import CpuMeters
from kaoprof.dims import MODES
from kaoprof.memory.kernels.onednn import multiplies_in_blocks
from kaoprof.memory.live_bytes import predict_peak_bytes
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.workload import TensorSpec, Workload

OPERATIONS = {
    "softmax": lambda h: h.softmax(-1),
    "log_softmax": lambda h: h.log_softmax(-1),
    "gelu": F.gelu,
    "gelu by tanh": lambda h: F.gelu(h, approximate="tanh"),
    "layer_norm": lambda h: F.layer_norm(h, h.shape[-1:]),
    "batch_norm": lambda h: F.batch_norm(h, None, None, training=True),
    "mean": lambda h: h * h.mean(-1, keepdim=True),
    "maximum": lambda h: h - h.amax(-1, keepdim=True),  # its gradient counts who is the maximum
}


class Changed(nn.Module):
    def __init__(self, operation, transposed):
        super().__init__()
        self.operation, self.transposed = OPERATIONS[operation], transposed

    def forward(self, x):
        doubled = 2 * x
        return self.operation(doubled.transpose(1, 2) if self.transposed else doubled)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("mode", MODES)
def test_what_a_kernel_copies_is_predicted(operation, transposed, dtype, mode):
    if dtype == "bf16" and not multiplies_in_blocks(torch.bfloat16):
        pytest.skip("bfloat16 goes another way on this processor")
    workload = Workload(
        factory=f"{__name__}:Changed",
        args=(operation, transposed),
        inputs=(TensorSpec(shape=(4, 70, 96), dtype=dtype),),
        mode=mode,
    )
    predicted = predict_peak_bytes(workload, device="cpu", threads=torch.get_num_threads())
    module, inputs = build_module(workload, device="cpu"), build_inputs(workload, device="cpu")
    measured = CpuMeters().peak(step_of(workload, module, inputs))["allocated"]
    assert predicted == pytest.approx(measured, rel=0.01)

"""Copies that kernels make of tensors that lie otherwise than they want, against the allocator's events."""

import itertools

import pytest
from representatives import mostly_slow
from torch import nn
from torch.nn import functional as F

from kaoprof.dims import MODES
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


@pytest.mark.parametrize(
    ("operation", "transposed", "dtype", "mode"),
    mostly_slow(list(itertools.product(OPERATIONS, [False, True], ["fp32", "fp16", "bf16"], MODES)), together=2),
)
def test_what_a_kernel_copies_is_predicted(operation, transposed, dtype, mode, check_peak):
    factory, inputs = f"{__name__}:Changed", (TensorSpec(shape=(4, 70, 96), dtype=dtype),)
    check_peak(Workload(factory=factory, args=(operation, transposed), inputs=inputs, mode=mode), rel=0.01)

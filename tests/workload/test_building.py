"""One step of training starts backward at every tensor of the answer, however the answer is nested."""

import pytest
import torch
from torch import nn

from kaoprof.errors import UsageError
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.workload import TensorSpec, Workload


class Nested(nn.Module):
    """Its answer is 2 w x, 3 w x twice under two names, and something without gradients."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x):
        double, triple = 2 * self.weight * x, 3 * self.weight * x
        return {"pair": (double, [triple, triple.detach()]), "again": triple, "none": None}


class Counting(nn.Module):
    def forward(self, x):
        return (x.detach() > 0).sum()


def workload(cls, mode="train"):
    return Workload(factory=f"{__name__}:{cls.__name__}", inputs=(TensorSpec(shape=(5,), dtype="fp32"),), mode=mode)


def step(cls, mode="train"):
    described = workload(cls, mode)
    module, inputs = build_module(described, device="cpu"), build_inputs(described, device="cpu")
    step_of(described, module, inputs)()
    return module, inputs


def test_training_reaches_every_tensor_of_a_nested_answer_once():
    module, (x,) = step(Nested)
    assert torch.equal(x.grad, torch.full((5,), 2.0 + 3.0))  # w = 1; the triple is named twice and counts once
    assert torch.isclose(module.weight.grad, 5 * x.detach().sum())


def test_an_answer_without_gradients_cannot_train():
    with pytest.raises(UsageError, match="nothing to train"):
        step(Counting)


def test_forward_needs_no_gradients():
    _, (x,) = step(Counting, mode="forward")
    assert x.grad is None

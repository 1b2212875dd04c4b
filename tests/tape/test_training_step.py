"""The memory of a training step: by hand, and as the allocator sees it."""

import pytest
import torch
from msgspec.structs import replace
from torch import nn

from kaoprof.bench.meters import CpuMeters
from kaoprof.counting.installed_rules import load_installed_rules
from kaoprof.errors import UsageError
from kaoprof.networks import code_workload, network_workload
from kaoprof.networks.code_documents import code_document
from kaoprof.specs import load_spec
from kaoprof.tape.models import record_workload
from kaoprof.tape.training_step import training_step
from kaoprof.workload.building import build_inputs, build_module, step_of
from kaoprof.workload.optimizers import make_optimizer, parse_optimizer
from kaoprof.workload.registries import named_model  # noqa: F401 - opened before memory is measured


class Adapted(nn.Module):
    """A frozen linear layer with a trained product of low rank beside it."""

    def __init__(self, width, rank):
        super().__init__()
        self.base = nn.Linear(width, width).requires_grad_(False)
        self.down, self.up = nn.Linear(width, rank, bias=False), nn.Linear(rank, width, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


class Encoder(nn.Module):
    """A small vision transformer; with a rank, one whose base is frozen and whose products are adapted."""

    def __init__(self, width=48, depth=3, rank=0):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8).requires_grad_(not rank)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True).requires_grad_(not rank)
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.adapters = nn.ModuleList(Adapted(width, rank) for _ in range(depth) if rank)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).mT
        for layer in self.layers.layers:
            tokens = layer(tokens)
        for adapter in self.adapters:
            tokens = tokens + adapter(tokens)
        return self.head(tokens.mean(1))


def workload_of(factory, inputs, optimizer, made):
    workload = code_workload(code_document(factory, inputs, [], made), allow_import=True, mode="train")
    return replace(workload, optimizer=optimizer)


def predicted(workload):
    load_installed_rules()
    return training_step(workload, record_workload(workload), device="cpu", threads=1, sdpa="auto")


def measured(workload):
    """What the allocator sees of two steps, above the parameters and the input."""
    torch.set_num_threads(1)
    module = build_module(workload, device="cpu")
    step = step_of(workload, module, build_inputs(workload, device="cpu"))

    def steps():
        step()
        return step()

    return CpuMeters().peak(steps)["allocated"]


@pytest.mark.parametrize(
    ("optimizer", "states"),
    [("sgd", 0), ("sgd:momentum=0.9", 1), ("adam", 2), ("adamw:amsgrad=true", 3)],
)
def test_a_linear_layer_by_hand(optimizer, states):
    width, rows = 64, 2
    step = predicted(
        workload_of("torch.nn:Linear", [(rows, width)], optimizer, {"in_features": width, "out_features": width})
    )
    weights = 4 * (width * width + width)
    assert step.parameters == step.gradients == weights
    assert step.optimizer_states == states * weights  # without counters of steps, 4 bytes for each parameter
    assert step.activations == 4 * rows * width  # the answer
    assert step.fullest_pass == ("optimizer" if states > 1 else "backward")
    assert step.total == sum(step.parts.values())


@pytest.mark.parametrize(
    ("optimizer", "rank"),
    [
        ("adamw", 4),
        pytest.param("sgd:momentum=0.9", 0, marks=pytest.mark.slow),
        pytest.param("adamw", 0, marks=pytest.mark.slow),
        pytest.param("adamw:foreach=true", 0, marks=pytest.mark.slow),
        pytest.param("adamw:foreach=true", 4, marks=pytest.mark.slow),
    ],
)
def test_the_parts_sum_to_what_the_allocator_measures(optimizer, rank):
    workload = workload_of(f"{__name__}:Encoder", [(2, 3, 32, 32)], optimizer, {"rank": rank})
    step = predicted(workload)
    assert step.above_parameters == pytest.approx(measured(workload), rel=0.02)


def test_frozen_parameters_have_neither_gradients_nor_states():
    width, rank = 64, 2
    step = predicted(
        workload_of(f"{__name__}:Adapted", [(500, width)], "adamw:foreach=true", {"width": width, "rank": rank})
    )
    trained = 4 * 2 * width * rank
    assert step.parameters == 4 * (width * width + width) + trained
    assert step.optimizer_states == 2 * trained
    assert step.gradients <= trained


@pytest.mark.slow
def test_a_kanets_step_is_predicted_within_two_percent():
    workload = replace(network_workload(load_spec("kanet-qkv"), mode="train"), optimizer="adamw")
    assert predicted(workload).above_parameters == pytest.approx(measured(workload), rel=0.02)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adamm", "did you mean 'adam'?"),
        ("sgd:momentun=0.9", "did you mean 'momentum'?"),
        ("sgd:momentum=much", "write for example momentum=0.9"),
        ("adamw:foreach=1", "write for example foreach=true"),
    ],
)
def test_another_optimizer_is_one_sentence(text, message):
    with pytest.raises(UsageError) as raised:
        parse_optimizer(text)
    assert message in str(raised.value)


def test_nothing_to_step_is_one_sentence():
    with pytest.raises(UsageError, match="all are frozen"):
        make_optimizer("sgd", nn.Linear(2, 2).requires_grad_(False))
    with pytest.raises(UsageError, match=r"adam: .*momentum"):
        make_optimizer("adam:momentum=0.9", nn.Linear(2, 2))

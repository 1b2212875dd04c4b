"""`kaoprof.count` in somebody's own process: right, readable, and without a trace."""

import random

import pytest
import torch
from torch import nn

import kaoprof


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 36, 5)
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        self.last = x
        return self.head(torch.dropout(self.norm(self.conv(x)).flatten(1), 0.5, self.training))


MACS = 2 * (36 * 8 * 27 + 8 * 36 * 5)
PARAMS = 8 * 28 + 16 + (8 * 36 + 1) * 5


def test_a_model_in_hand_is_counted_by_layer():
    counts = kaoprof.count(Net().eval(), torch.randn(2, 3, 8, 8))
    assert (counts.macs, counts.params, counts.uncounted) == (MACS, PARAMS, {})
    assert {layer.layer: layer.macs for layer in counts.layers if layer.macs} == {
        "": MACS, "conv": 2 * 36 * 8 * 27, "head": 2 * 8 * 36 * 5
    }  # fmt: skip
    assert len(repr(counts)) < 500
    assert ["total", "Net", "2x5", "1.69", "k", "18.4", "k"] in [line.split()[:7] for line in str(counts).splitlines()]
    assert "The call: in all 18.43 k MACs, 39.75 k FLOPs." in str(counts)


def test_the_predicted_peak_is_what_is_alive_at_once():
    counts = kaoprof.count(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8)), torch.randn(4, 8))
    assert counts.peak_bytes == 2 * 4 * 16 * 4  # the first one's output, and what is made of it


def state_of_process():
    return (
        torch.get_rng_state().tolist(), random.getstate(), torch.is_grad_enabled(), torch.get_default_dtype(),
        torch.backends.mha.get_fastpath_enabled(), torch.get_num_threads(), torch.compile, nn.Module.__call__,
        nn.Module.register_parameter,
    )  # fmt: skip


@pytest.mark.parametrize("training", [False, True])
def test_nothing_of_the_callers_is_changed(training):
    net, x = Net().train(training), torch.randn(2, 3, 8, 8)
    net.head.weight.grad = gradient = torch.ones_like(net.head.weight)
    held = {name: (tensor, tensor.clone(), tensor._version) for name, tensor in net.state_dict(keep_vars=True).items()}
    attributes, process, before = (
        {key: dict(vars(part)) for key, part in net.named_modules()},
        state_of_process(),
        x.clone(),
    )
    kaoprof.count(net, x)
    assert state_of_process() == process
    for name, tensor in net.state_dict(keep_vars=True).items():
        same, values, version = held[name]
        assert tensor is same
        assert torch.equal(tensor, values)
        assert tensor._version == version, name
    assert net.head.weight.grad is gradient
    assert net.seen == []
    assert torch.equal(x, before)
    for key, part in net.named_modules():
        assert vars(part).keys() == attributes[key].keys()
        assert all(vars(part)[name] is value for name, value in attributes[key].items())


def test_a_failing_model_is_left_as_it_was_and_says_why():
    class Fails(Net):
        def forward(self, x):
            super().forward(x)
            raise RuntimeError("on purpose")

    net, x = Fails(), torch.randn(2, 3, 8, 8)
    process = state_of_process()
    with pytest.raises(RuntimeError, match="on purpose"):
        kaoprof.count(net, x)
    assert state_of_process() == process
    assert net.seen == []


def test_functions_and_methods_are_counted_and_keywords_are_theirs():
    def product(a, *, b):
        return a @ b

    assert kaoprof.count(product, torch.randn(3, 4), b=torch.randn(4, 5)).macs == 3 * 4 * 5
    net = Net().eval()
    assert kaoprof.count(net.forward, torch.randn(2, 3, 8, 8)).macs == MACS


def test_what_values_decide_is_said():
    def routed(x):
        return x @ x if x.sum() > 0 else x

    counts = kaoprof.count(routed, torch.ones(4, 4))
    assert (counts.macs, counts.recorded) == (64, "real")
    assert counts.value_reads == 1
    assert "values of its input decided" in str(counts)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, when its compiler is imported
def test_a_compiled_model_is_counted_as_it_was_written():
    assert kaoprof.count(torch.compile(Net().eval()), torch.randn(2, 3, 8, 8)).macs == MACS


def test_a_model_that_calls_modules_in_threads_is_refused():
    from concurrent.futures import ThreadPoolExecutor

    class Threaded(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(self.fc, x).result()

    with pytest.raises(kaoprof.KaoprofError, match="Linear is called in another thread"):
        kaoprof.count(Threaded(), torch.randn(2, 4))


def test_a_failed_prediction_leaves_the_count(monkeypatch):
    def broken(*_, **__):
        raise ArithmeticError("no model")

    monkeypatch.setattr("kaoprof.tape.peak.scratch_bytes", broken)
    counts = kaoprof.count(nn.Linear(3, 4), torch.randn(2, 3))
    assert (counts.macs, counts.peak_bytes, counts.peak_unknown) == (24, None, "ArithmeticError: no model")


def test_tied_weights_count_once():
    net = nn.ModuleDict({"embed": nn.Embedding(20, 8), "out": nn.Linear(8, 20, bias=False)})
    net["out"].weight = net["embed"].weight
    counts = kaoprof.count(lambda i: net["out"](net["embed"](i)), torch.randint(20, (4, 3)))
    assert counts.macs == 4 * 3 * 8 * 20
    assert kaoprof.count(net["embed"], torch.randint(20, (4, 3))).params == 160

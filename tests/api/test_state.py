"""No public function changes anything of the caller's process or model, whatever a model's own code does meanwhile."""

import inspect
import os
import random
import signal
import sys
import warnings

import numpy as np
import process_state as state
import pytest
import torch
from msgspec.structs import replace
from samples import measured_record
from torch import nn

import kaoprof
from kaoprof.records.measured import dumps

QUICK = kaoprof.Options(samples=2, budget_s=0.05, threads=1, device="cpu")
ANALYTIC = replace(QUICK, analytic=True)
COUNTED_ONLY = kaoprof.ModelOptions(measured=False)
X = torch.randn(2, 3, 8, 8)


class Net(nn.Module):
    """Has all that a model may have: buffers that change, dropout, attributes, a hook, gradients, training mode."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)
        self.calls, self.last = [], None
        self.register_buffer("step", torch.zeros(1))

    def forward(self, x):
        self.calls.append(x.shape)
        self.last = x
        self.step += 1
        return self.head(nn.functional.dropout(self.norm(self.conv(x)), 0.5, self.training).mean((2, 3)))


class Meddler(Net):
    """Changes whatever a process lets it change."""

    def forward(self, x):
        torch.manual_seed(1), random.seed(1), np.random.seed(1)  # noqa: NPY002 - as people do
        torch.set_num_threads(1 + torch.get_num_threads() % 2)
        torch.set_grad_enabled(not torch.is_grad_enabled())
        torch.set_float32_matmul_precision("medium")
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
        torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
        torch.backends.cuda.enable_flash_sdp(enabled=False)
        os.environ["MEDDLED"] = "1"
        os.environ.pop("HOME", None)
        os.chdir("/")
        sys.path.insert(0, "/nowhere")
        sys.setrecursionlimit(sys.getrecursionlimit() + 10)
        warnings.simplefilter("always")
        signal.signal(signal.SIGUSR1, lambda *_: None)
        return super().forward(x)


def prepared(kind=Net):
    net = kind().train()
    net.head.register_forward_hook(lambda *_: None)
    for weight in net.parameters():
        weight.grad = torch.ones_like(weight)
    return net


def block(_):
    with kaoprof.count() as counts:
        pass
    return counts


ON_MODELS = {
    "count": lambda net: kaoprof.count(net, X),
    "count a function": lambda net: kaoprof.count(lambda x: net(x).sum(), X),
    "count an empty block": block,
    "profile": lambda net: kaoprof.profile(net, X, options=QUICK),
    "profile in training": lambda net: kaoprof.profile(net, X, mode="train", options=QUICK),
    "profile a function": lambda net: kaoprof.profile(lambda x: net(x).sum(), X, options=QUICK),
    "profile without measuring": lambda net: kaoprof.profile(net, X, measured=False),
}
REQUEST = kaoprof.FitRequest(axis="h", sizes={"c": 4}, options=QUICK)
ON_REQUESTS = {
    "compare": lambda _: kaoprof.compare(h=3, c=4, operators="kao_qkv:matmul", options=QUICK),
    "profile": lambda _: kaoprof.profile("kanet-qkv", options=QUICK, overrides=kaoprof.ModelOptions(size=(32, 32))),
    "explain": lambda _: kaoprof.explain("kao_qkv", sizes={"b": 2, "c": 8, "h": 4, "w": 5}),
    "sweep": lambda _: kaoprof.sweep(h=[3, 4], c=4, operators="kao_qkv:matmul", options=QUICK),
    "sweep_models": lambda _: kaoprof.sweep_models("kanet-qkv", size=32, measured=False, options=QUICK),
    "fit": lambda _: kaoprof.fit(REQUEST, "memory", 2**20, ["kao_qkv:matmul"]),
    "cross": lambda _: kaoprof.cross(REQUEST, "nonlocal:matmul,kao_qkv:matmul"),
    "reproduce": lambda folder: kaoprof.reproduce(run=folder / "run.json"),
    "report": lambda folder: kaoprof.report(folder / "run.json", to=[folder / "run.svg", folder / "run.html"]),
    "diff": lambda folder: kaoprof.diff(folder / "run.json", replace(measured_record(), created="later")),
    "load_runs": lambda folder: kaoprof.load_runs(folder / "run.json"),
    "plan_sweep": lambda _: kaoprof.plan_sweep(spatial=[(3,)], c=4),
    "rule": lambda _: kaoprof.rule("aten::nothing_of_that_name")(lambda *_, **__: 0),
}


@pytest.fixture(autouse=True)
def quick(quick_measuring, monkeypatch):  # noqa: ARG001 - it is there for what it does
    monkeypatch.setattr("kaoprof.counting.rules.REGISTERED", {})
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)


def checked(act, net=None):
    """Acts, and compares all of the process, and of a model, with what was before."""
    torch.manual_seed(7), random.seed(7), np.random.seed(7)  # noqa: NPY002 - the state that must stay
    process, model = state.of_process(), state.of_model(net) if net else {}
    act()
    assert state.changed(process, state.of_process()) == {}
    assert state.changed(model, state.of_model(net) if net else {}) == {}


@pytest.mark.parametrize("name", ON_MODELS)
def test_a_model_in_hand_and_the_process_stay_as_they_are(name):
    net = prepared()
    x = X.clone()
    checked(lambda: ON_MODELS[name](net), net)
    assert torch.equal(X, x)
    assert X.grad is None


@pytest.mark.parametrize("name", ["count", "count a function", "profile without measuring", "profile"])
def test_a_model_that_changes_the_process_changes_nothing(name):
    net = prepared(Meddler)
    checked(lambda: ON_MODELS[name](net), net)


SEVERAL_PROCESSES = {"sweep_models"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SEVERAL_PROCESSES else ()) for name in ON_REQUESTS]
)
def test_requests_leave_the_process_as_it_is(name, tmp_path):
    (tmp_path / "run.json").write_text(dumps(measured_record()))
    checked(lambda: ON_REQUESTS[name](tmp_path))


def test_what_a_result_does_leaves_the_process_as_it_is(tmp_path):
    record = measured_record()

    def act():
        str(record), repr(record), record._repr_html_()
        for suffix in ("json", "csv", "md", "png"):
            record.save(tmp_path / f"x.{suffix}")

    checked(act)


def test_failures_leave_everything_as_it_is():
    class Fails(Meddler):
        def forward(self, x):
            super().forward(x)
            raise RuntimeError("on purpose")

    net = prepared(Fails)

    def act():
        for name in ("count", "profile", "count a function"):
            with pytest.raises(RuntimeError, match="on purpose"):
                ON_MODELS[name](net)

    checked(act, net)


def test_every_public_function_is_among_them():
    functions = {name for name in kaoprof.__all__ if inspect.isfunction(getattr(kaoprof, name))}
    assert functions == {name for name in (*ON_MODELS, *ON_REQUESTS) if name in kaoprof.__all__}


def test_the_comparison_sees_what_changes():
    before = state.of_process()
    torch.manual_seed(8)
    os.environ["SEEN"] = "1"
    try:
        assert state.changed(before, state.of_process()).keys() == {"torch generator", "environment"}
    finally:
        del os.environ["SEEN"]
    net = prepared()
    model = state.of_model(net)
    net(X)
    assert {"step tensor", " calls", "norm.running_mean tensor"} <= state.changed(model, state.of_model(net)).keys()

"""What people get wrong from Python: one sentence with the mend, and never a traceback from inside of kaoprof."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import kaoprof
from kaoprof.errors import KaoprofError
from kaoprof.tape.slips import diagnosis

X = torch.randn(2, 3, 8, 8)
ANALYTIC = kaoprof.Options(analytic=True)
REQUEST = kaoprof.FitRequest(axis="h", sizes={"c": 4})


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x, mask=None):
        return self.conv(x) if mask is None else self.conv(x) * mask


net = Net()
SLIPS = {
    "a class": (lambda: kaoprof.count(Net, X), r"class, not a model \(make one: kaoprof.count\(Net\(\.\.\.\), x"),
    "a class, profiled": (lambda: kaoprof.profile(Net, X), "Net is a class, not a model"),
    "an array": (lambda: kaoprof.count(net, np.zeros((2, 3, 8, 8))), r"numpy ndarray is no tensor \(torch.from_numpy"),
    "a shape": (lambda: kaoprof.profile(net, (2, 3, 8, 8)), r"is a shape, not a tensor \(torch.randn\(2, 3, 8, 8\)\)"),
    "no input": (lambda: kaoprof.count(net), r"missing a required argument: 'x' \(it takes \(x, mask=None\)\)"),
    "another rank": (lambda: kaoprof.count(net, torch.randn(2, 8)), r"Net cannot take an input of 2 x 8: Expected 3D"),
    "other channels": (lambda: kaoprof.profile(net, torch.randn(2, 4, 8, 8)), "cannot take an input of 2 x 4 x 8 x 8"),
    "another dtype": (lambda: kaoprof.count(net, X.double()), r"in torch.float32 and its input is torch.float64"),
    "whole numbers": (lambda: kaoprof.count(net, X.long()), r"and its input is torch.int64 \(x.float\(\)\)"),
    "only shapes": (lambda: kaoprof.profile(nn.Linear(3, 2, device="meta"), X), r"cannot run \(measured=False"),
    "a list": (lambda: kaoprof.count(net, [X]), "Net cannot be called with list"),
    "a mapping": (lambda: kaoprof.count(net, {"x": X}), r"mapping of tensors as one input \(unpack it"),
    "the input first": (lambda: kaoprof.count(X, net), r"a Tensor cannot be called \(the model comes first"),
    "a spec, counted": (lambda: kaoprof.count("kanet-qkv"), r"kaoprof.profile\('kanet-qkv'\) takes the name of a spec"),
    "a spec with an input": (lambda: kaoprof.profile("kanet-qkv", X), "a spec takes no inputs"),
    "a spec misspelt": (lambda: kaoprof.profile("kanet-qk"), "did you mean 'kanet-qkv'"),
    "several models": (lambda: kaoprof.profile([net, net], X), "a list cannot be called"),
    "an option as keyword": (lambda: kaoprof.profile(net, X, samples=3), r"options=kaoprof.Options\(samples="),
    "an override as keyword": (
        lambda: kaoprof.profile("kanet-qkv", batch=3), r"takes no 'batch' \(overrides=kaoprof.ModelOptions\(batch="
    ),
    "overrides by another name": (
        lambda: kaoprof.profile("kanet-qkv", model=kaoprof.ModelOptions()), r"no 'model' \(overrides=.*, not model=\)"
    ),
    "a keyword misspelt": (lambda: kaoprof.profile(net, X, msk=3), "neither the model nor profile takes 'msk'.*'mask'"),
    "a mode misspelt": (lambda: kaoprof.profile(net, X, mode="training"), "did you mean 'train'"),
    "options as a mapping": (lambda: kaoprof.profile(net, X, options={}), "must be kaoprof.Options, not a dict"),
    "likewise": (lambda: kaoprof.compare(h=3, options={"samples": 3}), "must be kaoprof.Options, not a dict"),
    "samples as a text": (lambda: kaoprof.Options(samples="10"), "samples: '10' is no whole number"),
    "torch's device": (lambda: kaoprof.Options(device=torch.device("cpu")), "is no text, such as 'cuda:0'"),
    "a device of others": (
        lambda: kaoprof.profile(net, X, options=kaoprof.Options(device="cuda")), r"is on cpu, not on cuda \(model.to\("
    ),
    "an option of others": (
        lambda: kaoprof.profile(net, X, options=kaoprof.Options(compile=True)), r"pass torch.compile\(model\)"
    ),
    "overrides of a model": (
        lambda: kaoprof.profile(net, X, overrides=kaoprof.ModelOptions(batch=2)), "is for specs: a model in hand is as"
    ),
    "an instance for a factory": (lambda: kaoprof.profile(net, X, isolate=True), "a function that makes the model"),
    "a nameless factory": (lambda: kaoprof.profile(lambda: net, X, isolate=True), "define it with a name, in a module"),
    "an operator misspelt": (lambda: kaoprof.compare(h=3, operators="kao_qv"), "did you mean 'kao_qkv'"),
    "a module for an operator": (lambda: kaoprof.compare(h=3, operators=[net]), r"a Net is no operator's name"),
    "a size as a text": (lambda: kaoprof.compare(h="14"), "'14' is not a whole number, nor a list of them"),
    "half a pixel": (lambda: kaoprof.compare(h=14.0), "14.0 is not a whole number, nor a list of them"),
    "torch's dtype": (lambda: kaoprof.compare(h=4, dtype=torch.float16), r"float16 is no text \(one of: fp64, fp32"),
    "a model, explained": (lambda: kaoprof.explain(net), "takes no Net .*it is made at many sizes"),
    "a wish misspelt": (lambda: kaoprof.explain("kao_qkv", ndims=3), "has no 'ndims' .*'ndim'"),
    "no request": (lambda: kaoprof.fit("kao_qkv", "memory", 1), r"takes a request, not a str \(kaoprof.FitRequest"),
    "another budget": (lambda: kaoprof.fit(REQUEST, "mem", 1), "did you mean 'memory'"),
    "one operator": (lambda: kaoprof.cross(REQUEST, "kao_qkv"), "needs two operators, not 1"),
    "no run": (kaoprof.report, "no run is named"),
    "a number for a run": (lambda: kaoprof.report(3), "a int is no run"),
    "a file that is not there": (lambda: kaoprof.report("nothere.json"), "there is no such file"),
    "another run to judge": (lambda: kaoprof.reproduce(run=3), "a int is no run"),
    "a journal of JSON": (lambda: kaoprof.sweep(h=3, journal="x.json"), r"end its name in .jsonl"),
    "a suffix of others": (lambda: kaoprof.compare(h=3, options=ANALYTIC).save("x.xyz"), "no format is known for"),
    "no such folder": (lambda: kaoprof.compare(h=3, options=ANALYTIC).save("/nowhere/x.json"), "not written"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_gets_one_sentence(slip):
    act, says = SLIPS[slip]
    with pytest.raises(KaoprofError) as failure:
        act()
    text = str(failure.value)
    assert re.search(says, text), text
    assert "\n" not in text
    assert len(text) < 400


def test_a_model_on_another_device_than_its_input_is_told():
    failed = RuntimeError("Expected all tensors to be on the same device")
    what, mend = diagnosis(net, [X.to("meta")], {}, failed)  # there is no other device here that could run it
    assert (what, mend) == ("the model is on cpu and its input on meta", "move one: x.to('cpu')")


def test_what_is_no_slip_is_taken():
    names = [row.case.operator for row in kaoprof.compare(h=3, c=4, operators="kao_qkv, kao_kv", options=ANALYTIC).rows]
    assert set(names) == {"kao_qkv", "kao_kv"}
    assert kaoprof.fit(REQUEST, "macs", "1M", "kao_qkv").rows == kaoprof.fit(REQUEST, "macs", 1e6, ["kao_qkv"]).rows
    assert kaoprof.count(nn.Linear(8, 2, device="meta"), torch.ones(3, 8, device="meta")).macs == 48


def test_what_the_model_itself_raises_is_handed_on():
    class Fails(nn.Module):
        def forward(self, x):
            raise LookupError(f"on purpose, {x.ndim}")

    with pytest.raises(LookupError, match="on purpose, 4"):
        kaoprof.count(Fails(), X)

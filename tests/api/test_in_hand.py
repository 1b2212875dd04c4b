"""`kaoprof.profile(net, x)`: a model in hand, counted and measured in this process, as it is."""

import pytest
import torch
from torch import nn

import kaoprof
from kaoprof.records.profile import ProfileRecord
from kaoprof.records.reading import load_records

pytestmark = pytest.mark.usefixtures("quick_measuring")
QUICK = kaoprof.Options(samples=6, budget_s=0.2, threads=1, device="cpu")
X = torch.randn(4, 3, 8, 8)
MACS = 36 * 8 * 27 + 8 * 36 * 5  # of a sample


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8 * 36, 5)

    def forward(self, x, scale=None, *, bias=0.0):
        y = self.head(self.drop(self.conv(x)).flatten(1)) + bias
        return {"logits": y if scale is None else y * scale, "extra": [x.sum()]}


def profiled(net, *inputs, **keywords):
    return kaoprof.profile(net, *inputs, options=QUICK, **keywords)


def test_a_model_in_hand_is_counted_and_measured(tmp_path):
    record = profiled(Net().eval(), X)
    (model,) = record.models
    assert (model.model, model.batch, model.status, model.training) == ("Net", 4, "ok", False)
    assert (model.total.macs_counted, model.total.macs_batch) == (MACS, 4 * MACS)
    assert len(model.latency.samples_s) == 6
    assert model.total.peak_bytes_measured == model.total.peak_bytes_predicted
    layers = {row.layer: row for row in model.layers}
    assert {name: row.macs_batch for name, row in layers.items() if row.macs_batch} == {
        "": 4 * MACS, "conv": 4 * 36 * 8 * 27, "head": 4 * 8 * 36 * 5
    }  # fmt: skip
    assert all(layers[name].latency_share is not None for name in ("conv", "drop", "head"))
    assert layers["conv"].peak_bytes_measured == layers["conv"].peak_bytes_predicted >= 4 * 8 * 36 * 4
    assert record.protocol.in_process
    assert not record.environment.denormals_flushed
    assert "in the caller's own process" in " ".join(str(record).split())
    record.save(tmp_path / "x.json")
    (again,) = load_records(tmp_path / "x.json")
    assert again == record


def test_keywords_are_the_models_and_those_that_collide_go_through_a_lambda():
    net = Net().eval()
    scale = torch.randn(5)
    assert profiled(net, X, scale=scale, bias=1.0, measured=False).models[0].input_shapes == ((4, 3, 8, 8), (5,))

    def moded(x, *, mode):
        return x @ x.mT if mode == "wide" else x

    assert profiled(lambda x: moded(x, mode="wide"), X).models[0].total.macs_batch == 4 * 3 * 8 * 8 * 8


def test_a_function_shows_the_models_that_it_calls():
    first, second = Net().eval(), nn.Linear(5, 7)
    (model,) = profiled(lambda x: second(first(x)["logits"]).relu(), X).models
    layers = {row.layer: row for row in model.layers}
    assert layers["Net"].macs_batch == 4 * MACS
    assert layers["Linear"].macs_batch == 4 * 35
    assert layers["Net.conv"].latency_share is not None
    assert (model.status, model.model) == ("ok", "function")


def test_training_takes_gradients_and_leaves_those_that_were():
    net = Net()
    for weight in net.parameters():
        weight.grad = torch.full_like(weight, 3.0)
    with torch.no_grad():  # the caller's business
        record = profiled(net, X, mode="train")
    (model,) = record.models
    assert model.total.macs_batch == 4 * (2 * 36 * 8 * 27 + 3 * 8 * 36 * 5)  # the input needs no gradient
    assert {name: count.macs for name, count in model.passes.items()} == {
        "forward": 4 * MACS, "backward": 4 * (36 * 8 * 27 + 2 * 8 * 36 * 5)
    }  # fmt: skip
    assert (model.status, model.latency is not None, model.total.latency_share) == ("ok", True, None)
    assert all(bool((weight.grad == 3.0).all()) for weight in net.parameters())
    assert profiled(net, X, mode="train", input_grad=True, measured=False).models[0].total.macs_batch == 3 * 4 * MACS


def test_the_mode_that_the_model_is_in_is_said_where_it_matters():
    assert "The model was in training mode" in str(profiled(Net(), X, measured=False))
    assert "training mode" not in str(profiled(Net().eval(), X, measured=False))
    assert "training mode" not in str(profiled(nn.Linear(8, 2), X, measured=False))
    assert "was in evaluation mode" in str(profiled(Net().eval(), X, mode="train", measured=False))
    assert profiled(Net(), X).models[0].total.macs_counted == MACS


def test_a_model_that_fails_on_real_tensors_is_a_row():
    class Fails(nn.Module):
        def forward(self, x):
            if type(x) is torch.Tensor and not torch.is_grad_enabled() and torch.jit.is_scripting() is False:
                self.seen = getattr(self, "seen", 0) + 1
            return x.relu()

    assert profiled(Fails(), X).models[0].status == "ok"

    class OnlyDry(nn.Module):
        def forward(self, x):
            if type(x) is torch.Tensor:
                raise ValueError("only dry")
            return x.relu()

    (model,) = profiled(OnlyDry(), X).models
    assert (model.status, model.detail) == ("error", "ValueError: only dry")
    assert model.total.macs_counted == 0


def test_the_batch_lies_where_it_is_said():
    lstm = nn.LSTM(8, 16)
    x = torch.randn(7, 3, 8)
    record = profiled(lstm, x, batch_axis=1, measured=False)
    assert record.models[0].batch == 3
    whole = profiled(lstm, x, batch_axis=None, measured=False).models[0]
    assert (whole.batch, whole.total.macs_counted) == (None, record.models[0].total.macs_batch)
    assert record.models[0].total.macs_batch == 3 * record.models[0].total.macs_counted == 3 * 7 * 4 * 16 * (8 + 16)


def test_other_dtypes_and_inputs_of_any_kind_are_measured():
    embed = nn.Embedding(10, 8).to(torch.bfloat16)
    record = profiled(embed, torch.randint(10, (2, 3)))
    assert (record.dtype, record.models[0].status) == ("bf16", "ok")
    bytes_ = torch.ones(2, 3, dtype=torch.uint8)
    assert (
        profiled(lambda pair: pair["a"][0].float() @ pair["b"].T, {"a": [bytes_], "b": torch.ones(4, 3)})
        .models[0]
        .status
        == "ok"
    )


def test_inputs_that_a_model_writes_to_stay():
    x = torch.ones(3, 4)
    profiled(lambda x: x.add_(1).mul_(2), x)
    assert torch.equal(x, torch.ones(3, 4))


@pytest.mark.parametrize("spec", ["kao-qkv-56", pytest.param("kanet-qkv", marks=pytest.mark.slow)])
def test_macs_are_the_same_in_every_command(spec):
    by_name = kaoprof.profile(spec, measured=False, overrides=kaoprof.ModelOptions(size=(32, 32), batch=2))
    from kaoprof.networks import network_workload, override
    from kaoprof.specs import load_spec
    from kaoprof.workload.building import build_inputs, build_module

    workload = network_workload(override(load_spec(spec), size=(32, 32), batch=2))
    net, inputs = build_module(workload, device="cpu"), build_inputs(workload, device="cpu")
    in_hand = profiled(net, *inputs, measured=False)
    with kaoprof.count() as counts, torch.no_grad():
        net(*inputs)
    macs = by_name.models[0].total.macs_batch
    assert macs == 2 * by_name.models[0].total.macs_analytic
    assert {in_hand.models[0].total.macs_batch, kaoprof.count(net, *inputs).macs, counts.macs} == {macs}


@pytest.mark.slow
def test_macs_of_an_operator_are_the_same_in_every_command():
    from kaoprof.catalog import find_operator
    from kaoprof.operators.kronecker import KroneckerAttentionQKV

    sizes = {"b": 2, "c": 8, "h": 6, "w": 6}
    counted_only = kaoprof.Options(samples=1, budget_s=0.05, device="cpu", threads=1)
    arguments = {"h": 6, "c": 8, "batch": 2, "operators": "kao_qkv:matmul", "options": counted_only}
    compared, swept = kaoprof.compare(**arguments).rows[0], kaoprof.sweep(**arguments).rows[0]
    explained = kaoprof.explain("kao_qkv", sizes=sizes).counted["macs"]
    net, x = KroneckerAttentionQKV(8), torch.randn(2, 8, 6, 6)
    request = kaoprof.FitRequest(axis="b", sizes={"c": 8, "h": 6, "w": 6})
    fitted = kaoprof.fit(request, "macs", explained, "kao_qkv").rows[0]
    assert find_operator("kao_qkv").factory.endswith("KroneckerAttentionQKV")
    figures = {
        2 * compared.counted.macs, 2 * compared.analytic.macs, 2 * swept.counted.macs, explained,
        kaoprof.count(net, x).macs, profiled(net, x, measured=False).models[0].total.macs_batch, fitted.needed,
    }  # fmt: skip
    assert len(figures) == 1, figures


def make_net():
    return Net().eval()


@pytest.mark.slow
def test_isolated_it_is_built_and_measured_elsewhere():
    record = kaoprof.profile(make_net, X, isolate=True, options=QUICK)
    assert isinstance(record, ProfileRecord)
    (model,) = record.models
    assert (model.status, model.total.macs_counted, record.protocol.in_process) == ("ok", MACS, False)

"""Whole models from specs: totals, agreement layer by layer, memory, and that nothing is left behind."""

import json
import shutil
from pathlib import Path

import profile_samples
import pytest
import torch
from msgspec.structs import replace
from somebodys import Block
from torch import nn

from kaoprof.cli.app import run
from kaoprof.errors import UsageError
from kaoprof.findings.models import fullest_layer, layer_disagreements, layer_limits, model_standings, profile_warnings
from kaoprof.networks.code_documents import code_document
from kaoprof.profiling.run import ModelOptions, profile
from kaoprof.records.options import Options
from kaoprof.records.profile import OWN
from kaoprof.reporting.repeat import profile_commands
from kaoprof.specs import parse_spec

TOTALS = {  # arXiv:2007.08442: MACs, weights without batch norm, batch norm's
    "mobilenetv2": (300_774_272, 3_470_760, 34_112),
    "attnnet": (365_374_304, 3_449_448, 29_824),
    "attnnet-pool": (300_248_480, 3_449_448, 29_824),
    "kanet-kv": (288_413_728, 3_449_448, 29_824),
    "kanet-qkv": (281_119_392, 3_449_448, 29_824),
}
SMALL = """
schema: 1
name: small
input: {channels: 3, size: [32, 32]}
attention: {type: kao_qkv}
layers:
  - {type: conv, out: 16, kernel: 3, stride: 2}
  - {type: attn_skip, expand: 4, out: 16}
  - {type: base_skip, expand: 4, out: 32, stride: 2}
  - {type: global_avg_pool}
  - {type: linear, out: 10}
"""
QUICK = Options(budget_s=0.5, samples=2, threads=1)
pytestmark = pytest.mark.usefixtures("quick_measuring")


@pytest.fixture
def importable(monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)  # where a user would be


@pytest.mark.parametrize("name", TOTALS)
def test_the_papers_totals_come_out_to_the_digit(name):
    total = profile([name], options=Options(analytic=True)).models[0].total
    assert (total.macs_analytic, total.params, total.params_norm) == TOTALS[name]
    assert total.macs_counted is None


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("kanet-qkv", "forward"),
        ("kao-qkv-video", "train"),
        pytest.param("kanet-qkv", "train", marks=pytest.mark.slow),
        pytest.param("kanet-audio", "forward", marks=pytest.mark.slow),
        pytest.param("kanet-audio", "train", marks=pytest.mark.slow),
        pytest.param("kao-qkv-video", "forward", marks=pytest.mark.slow),
    ],
)
def test_every_layer_agrees_and_the_leaves_add_up(name, mode):
    model = profile([name], model=ModelOptions(measured=False, mode=mode)).models[0]
    assert model.status == "ok"
    for row in model.layers:
        assert row.macs_analytic == row.macs_counted, row.layer
        assert layer_disagreements(row) == ()
        assert not row.uncounted
    leaves = [row for row in model.layers if row.leaf]
    assert sum(row.macs_counted for row in leaves) == model.total.macs_counted
    assert sum(row.flops_all for row in leaves) == model.total.flops_all
    assert sum(row.params + row.params_norm for row in leaves) == model.total.params + model.total.params_norm
    assert max(row.peak_bytes_predicted for row in model.layers) == model.total.peak_bytes_predicted


def test_a_model_is_measured_and_its_layers_share_the_time_and_hold_the_peak():
    document = parse_spec(SMALL, file="small.yaml")
    model = profile([document], model=ModelOptions(size=(64,)), options=QUICK).models[0]
    assert model.status == "ok"
    assert model.input_shapes == ((1, 3, 64, 64),)
    assert model.total.peak_bytes_measured == pytest.approx(model.total.peak_bytes_predicted, rel=0.02)
    assert sum(row.latency_share for row in model.layers if row.leaf) == pytest.approx(1)
    fullest = fullest_layer(model)
    assert fullest.peak_bytes_measured == pytest.approx(model.total.peak_bytes_measured, rel=0.01)
    assert len(model.latency.samples_s) == 2


def test_a_model_and_its_layers_have_floors():
    record = profile([parse_spec(SMALL, file="small.yaml")], options=QUICK)
    (model,) = record.models
    total, by_name = model.total, {row.layer: row for row in model.layers}
    assert total.compulsory_bytes == 4 * (3 * 32 * 32 + 10 + total.params + total.params_norm)
    linear = by_name["layers.4"]
    assert linear.compulsory_bytes == 4 * (32 + 32 * 10 + 10 + 10)
    assert linear.traffic.operations == 1
    assert sum(row.traffic.operations for row in model.layers if row.depth == 1) <= total.traffic.operations
    limits = layer_limits(record, model, total)
    assert limits.times_floor > 1
    assert limits.demand.seconds >= limits.floor.seconds
    assert layer_limits(record, model, linear).floor.compute_s == pytest.approx(
        2 * 32 * 10 / record.protocol.ceilings.products["fp32"]
    )


def test_a_training_step_must_move_the_gradients_too():
    (model,) = profile(["kao-qkv-56"], model=ModelOptions(size=(28,), mode="train"), options=QUICK).models
    c, n = model.input_shapes[0][1], 28 * 28
    assert model.total.compulsory_bytes == 2 * 4 * (2 * c * n + model.total.params)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
def test_a_compiled_model_stands_beside_the_eager_one_with_its_counts():
    options = replace(QUICK, compile=True)
    record = profile(["kao-qkv-56"], model=ModelOptions(size=(28,)), options=options)
    eager, compiled = record.models
    assert (eager.variant, compiled.variant) == ("eager", "compile")
    assert compiled.model == "kao-qkv-56+compile"
    assert compiled.status == "ok"
    assert compiled.total.macs_counted == eager.total.macs_counted
    assert compiled.total.compulsory_bytes == eager.total.compulsory_bytes
    assert compiled.latency.rounds == eager.latency.rounds
    assert compiled.compile_s > 0
    assert compiled.graph_breaks == 0
    assert compiled.deviation.largest == pytest.approx(0, abs=1e-5)
    assert eager.compile_s is None
    assert "--compile" in profile_commands(record)[0]
    assert "+compile" not in profile_commands(record)[0]


def test_what_cannot_be_counted_is_named_once_however_it_is_run():
    document = code_document("torch.nn:Bilinear", [(2, 3)])
    record = profile([document], model=ModelOptions(allow_import=True), options=replace(QUICK, compile=True))
    assert [model.status for model in record.models] == ["error"]


@pytest.mark.slow
def test_the_peak_of_a_kanet_is_predicted_within_two_percent():
    model = profile(["kanet-qkv"], options=QUICK).models[0]
    assert model.total.peak_bytes_predicted == pytest.approx(model.total.peak_bytes_measured, rel=0.02)


def test_the_peak_of_code_is_predicted_with_its_backward_pass():
    document = code_document("torch.nn:Linear", [(8, 500)])
    spec = replace(document.spec, args=(500, 400))
    settings = ModelOptions(mode="train", allow_import=True)
    model = profile([replace(document, spec=spec)], model=settings, options=QUICK).models[0]
    assert model.total.peak_bytes_measured > 4 * (500 * 400 + 8 * 400)
    assert model.total.peak_bytes_predicted == pytest.approx(model.total.peak_bytes_measured, rel=0.001)


def test_models_side_by_side_are_measured_in_the_same_rounds():
    record = profile(["kao-qkv-56", "nonlocal-56"], model=ModelOptions(size=(28,)), options=QUICK)
    first, second = record.models
    assert first.latency.rounds == second.latency.rounds
    itself, other = model_standings(record)
    assert itself.speedup.value == itself.macs_ratio == itself.memory_ratio == 1
    assert other.macs_ratio < 1


def test_memory_is_compared_as_measured_else_as_predicted_and_never_with_what_did_not_run():
    first, other = profile_samples.model("first", 0.01), profile_samples.model("other", 0.01)
    half = replace(other.total, peak_bytes_measured=None, peak_bytes_predicted=other.total.peak_bytes_predicted // 2)
    heavier = replace(first.total, peak_bytes_measured=first.total.peak_bytes_predicted * 7)
    first, other = replace(first, layers=(heavier,)), replace(other, layers=(half,))
    unsupported = replace(other, status="unsupported")
    standings = model_standings(profile_samples.record(first, other, unsupported))
    assert [standing.memory_ratio for standing in standings] == [1, 2, None]


@pytest.mark.usefixtures("importable")
def test_somebodys_own_module_is_told_apart():
    document = code_document("somebodys:Block", [(2, 3, 8, 8)])
    model = profile([document], model=ModelOptions(allow_import=True), options=QUICK).models[0]
    assert model.status == "ok", model.detail
    rows = {row.layer: row for row in model.layers}
    assert set(rows) == {"", "conv", "norm", "unused", OWN}  # what holds weights is shown, called or not
    assert rows["conv"].macs_counted == 8 * 8 * 8 * 3 * 9
    assert rows[OWN].macs_counted == 8 * 8 * 8 * 8  # the product in its own forward
    assert rows[""].macs_counted == rows["conv"].macs_counted + rows[OWN].macs_counted
    assert rows["norm"].params_norm == 16
    assert rows["conv"].output_shape == (2, 8, 8, 8)
    assert rows["conv"].macs_analytic is None


@pytest.mark.usefixtures("importable")
def test_a_module_that_fails_is_a_row():
    document = code_document("somebodys:Broken", [(2, 3)])
    model = profile([document], model=ModelOptions(allow_import=True), options=QUICK).models[0]
    assert model.status == "error"
    assert model.detail == "cannot be counted: ValueError: this part is broken"
    assert model.input_shapes == ((2, 3),)


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Exits", "ended with code 3"),
        ("ExitsPolitely", "SystemExit: enough"),
        ("Unspeakable", "SilentError: no message"),
        ("Elsewhere", "Linear is called in another thread"),
    ],
)
def test_whatever_code_does_to_its_process_is_a_row(name, why):
    document = code_document(f"somebodys:{name}", [(2, 3)])
    settings = ModelOptions(allow_import=True, measured=False)
    record = profile([document, "kao-qkv-56"], model=settings, options=QUICK)
    broken, whole = record.models
    assert broken.status == "error"
    assert why in broken.detail
    assert whole.status == "ok"


@pytest.mark.slow
@pytest.mark.usefixtures("importable")
def test_code_that_hangs_is_stopped(monkeypatch):
    monkeypatch.setattr("kaoprof.measuring.session.FIRST_CALL_GRACE_S", 0.5)
    document = code_document("somebodys:Hangs", [(2, 3)])
    options = Options(timeout_s=0.5, threads=1)
    (model,) = profile([document], model=ModelOptions(allow_import=True, measured=False), options=options).models
    assert "no answer within 1.00 s" in model.detail


@pytest.mark.usefixtures("importable")
def test_code_that_prints_leaves_the_output_alone(capfd):
    arguments = ["profile", "somebodys:Prints", "--input", "2,3", "--allow-import", "--samples", "1", "--threads", "1"]
    assert run([*arguments, "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["models"][0]["status"] == "ok"


@pytest.mark.usefixtures("importable")
def test_profiling_leaves_torch_and_the_users_class_alone():
    kinds = (nn.Module, torch.Tensor, Block)
    state = torch.random.get_rng_state()
    before = [dict(vars(kind)) for kind in kinds]
    document = code_document("somebodys:Block", [(2, 3, 8, 8)])
    broken = code_document("somebodys:Broken", [(2, 3)])
    profile([document, broken], model=ModelOptions(allow_import=True, measured=False))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32
    assert torch.backends.mha.get_fastpath_enabled()
    assert nn.modules.module._global_forward_hooks == {}
    assert [dict(vars(kind)) for kind in kinds] == before


@pytest.mark.usefixtures("importable")
def test_code_is_not_imported_without_permission():
    document = code_document("somebodys:Block", [(2, 3, 8, 8)])
    with pytest.raises(UsageError, match="--allow-import"):
        profile([document])


def test_code_is_made_with_arguments():
    document = code_document("torch.nn:Linear", [(3, 8)], [8, 5], {"bias": False})
    (model,) = profile([document], model=ModelOptions(allow_import=True, measured=False)).models
    assert (model.total.params, model.total.macs_counted) == (40, 40)


def test_what_allocates_nothing_is_predicted_right():
    total = replace(profile_samples.model("view", 0.01).total, peak_bytes_predicted=0, peak_bytes_measured=0)
    model = replace(profile_samples.model("view", 0.01), layers=(total,))
    assert not any("predicted peak" in warning for warning in profile_warnings(profile_samples.record(model)))


def test_a_wrong_prediction_is_named():
    record = profile(["kao-qkv-56"], model=ModelOptions(size=(14,)), options=QUICK)
    model = record.models[0]
    wrong = replace(model.total, peak_bytes_measured=model.total.peak_bytes_predicted * 2)
    record = replace(record, models=(replace(model, layers=(wrong, *model.layers[1:])),), environment=None)
    assert any("predicted peak is off by -50.0 %" in warning for warning in profile_warnings(record))


@pytest.mark.usefixtures("importable")
def test_a_peak_that_leaves_something_out_says_what():
    document = code_document("somebodys:Reader", [(50, 4, 32)])
    record = profile([document], model=ModelOptions(allow_import=True, measured=False))
    (model,), (warning,) = record.models, profile_warnings(record)
    assert warning == f"{model.model}: the predicted peak may be too low, not modelled: LSTM by oneDNN"
    measured = replace(model.total, peak_bytes_measured=model.total.peak_bytes_predicted * 5)
    (warning,) = profile_warnings(replace(record, models=(replace(model, layers=(measured,)),)))
    assert warning.endswith("off by -80.0 % (not modelled: LSTM by oneDNN)")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no-such-model"], 2, "neither a file nor the name of a shipped spec"),
        (["kanet-qvk"], 2, "did you mean"),
        (["kanet-qkv", "--attention", "kao_qv"], 2, "did you mean 'kao_qkv'?"),
        (["kanet-qkv", "--batch", "0"], 2, "batch: must be between 1 and"),
        (["kanet-qkv", "--size", "8,1x2x3"], 2, "3 sizes for 2 spatial axes (write 2, such as 224x224"),
        (["kanet-qkv", "--mode", "trian"], 2, "did you mean 'train'?"),
        (["paper-grid"], 2, "grid spec has no layers"),
        (["os:system", "--input", "1,3"], 2, "--allow-import"),
        (["os:system"], 2, "--allow-import"),
    ],
)
def test_bad_requests_are_one_clear_line(arguments, code, message, capsys):
    assert run(["profile", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err

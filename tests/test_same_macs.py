"""MACs mean the same everywhere: of one sample; `macs_batch` of the call."""

import csv
import io
import json

import pytest
import torch
from torch import nn

import kaoprof
from kaoprof.cli.app import run
from kaoprof.comparing.cases import cases_of
from kaoprof.comparing.census import count
from kaoprof.comparing.run import workload_of

B, C, H = 3, 8, 10
MACS = C * C * 2 * H + 2 * (2 * H) ** 2 * C  # of kao_qkv on one sample: the values' projection, then two products
SIZES = ["--h", f"{H}", "--c", f"{C}", "--batch", f"{B}", "--operators", "kao_qkv:matmul", "--analytic"]
SPEC = f"""\
schema: 1
name: kao
input: {{channels: {C}, size: [{H}, {H}], batch: {B}}}
operator: {{type: kao_qkv}}
"""
ENCODER = {"d_model": 8, "nhead": 2, "dim_feedforward": 20, "batch_first": True}
WORDS = 7
ENCODER_MACS = 4 * WORDS * 8 * 8 + 2 * WORDS**2 * 8 + 2 * WORDS * 8 * 20

pytestmark = pytest.mark.usefixtures("quick_measuring")


def lines_of(arguments, capsys):
    assert run([*arguments, "--format", "csv"]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def explained(arguments, capsys):
    lines = lines_of(["explain", *arguments], capsys)
    (line,) = [line for line in lines if (line["part"], line["quantity"]) == ("total", "macs")]
    return int(line["per_sample"]), int(line["value"])


def profiled(arguments, capsys):
    total = lines_of(["profile", *arguments, "--no-measure"], capsys)[-1]
    return int(total["macs_counted"]), int(total["macs_batch"])


def test_of_an_operator(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kao.yaml").write_text(SPEC)
    for command in ("compare", "sweep"):
        (row,) = lines_of([command, *SIZES], capsys)
        assert (row["macs_analytic"], row["macs_batch"]) == (str(MACS), str(B * MACS))
    (case,) = cases_of([(H, H)], c=C, batch=B, operators=["kao_qkv:matmul"], heads=1, projection="value", scale="sqrt",
                       dtype="fp32", mode="forward", device="cpu")  # fmt: skip
    assert count(workload_of(case, 0), device="cpu", threads=1).macs == B * MACS
    assert profiled(["kao.yaml"], capsys) == (MACS, B * MACS)
    assert explained(["kao_qkv", "--at", f"b={B},c={C},h={H},w={H}"], capsys) == (MACS, B * MACS)
    limit = ["--macs", f"{B * MACS}", "--c", f"{C}", "--batch", f"{B}", "--operators", "kao_qkv"]
    (row,) = lines_of(["fit", *limit], capsys)  # a limit is one of the call
    assert (row["largest"], row["needed"]) == (f"{H}", str(B * MACS))


@pytest.mark.slow
def test_of_somebodys_model(capsys):
    module = ["torch.nn:TransformerEncoderLayer", "--allow-import"]
    made = [word for name, value in ENCODER.items() for word in ("--kwarg", f"{name}={json.dumps(value)}")]
    assert profiled([*module, *made, "--input", f"{B},{WORDS},8"], capsys) == (ENCODER_MACS, B * ENCODER_MACS)
    sizes = ["--input", "b,n,8", "--at", f"b={B},n={WORDS}"]
    assert explained([*module, *made, *sizes], capsys) == (ENCODER_MACS, B * ENCODER_MACS)
    counts = kaoprof.count(nn.TransformerEncoderLayer(**ENCODER), torch.ones(B, WORDS, 8))
    assert counts.macs == B * ENCODER_MACS  # of the call, as it says


def test_the_axis_of_samples_can_be_said_or_denied(capsys):
    linear = ["torch.nn:Linear", "--arg", "8", "--arg", "5", "--input", "7,3,8", "--allow-import"]
    macs = 7 * 3 * 8 * 5
    for axis, of_a_sample, batch in (("auto", macs // 7, "7"), ("1", macs // 3, "3"), ("none", macs, "")):
        total = lines_of(["profile", *linear, "--batch-axis", axis, "--no-measure"], capsys)[-1]
        assert (total["macs_counted"], total["macs_batch"], total["batch"]) == (str(of_a_sample), str(macs), batch)

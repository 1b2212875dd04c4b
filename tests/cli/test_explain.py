"""`kaoprof explain` as a user meets it: operators, specs, code, wrong uses, files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import kaoprof
from kaoprof.cli.app import run
from kaoprof.explaining import closed_form_check
from kaoprof.reporting.formats.mathematics import pretty

PACKAGE = Path(kaoprof.__file__).parent
ENCODER = ["torch.nn:TransformerEncoderLayer", "--allow-import", "--input", "b,n,c", "--at", "b=2,n=17,c=8",
           "--arg", "c", "--arg", "2", "--kwarg", "dim_feedforward=4*c", "--kwarg", "batch_first=true"]  # fmt: skip
ATTENTION = ["torch.nn:MultiheadAttention", "--allow-import", *["--input", "b,n,c"] * 3, "--at", "b=2,n=17,c=8",
             "--arg", "c", "--arg", "2", "--kwarg", "batch_first=true"]  # fmt: skip
MINE = """
import torch
from torch import nn

class Strided(nn.Sequential):
    def __init__(self, channels):
        super().__init__(nn.Conv2d(channels, 4, 3, stride=2, padding=1, bias=False), nn.Conv2d(4, 8, 1, bias=False))

class Choosing(nn.Module):
    def forward(self, x):
        return x @ x.mT if x.sum() > 0 else x
"""


def explained(arguments, capsys):
    code = run(["explain", *arguments, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def texts_of(explanation):
    return {formula["quantity"]: formula["text"] for formula in explanation["formulas"]}


def test_the_papers_operator_on_screen(capsys):
    assert run(["explain", "nonlocal", "--at", "b=8,c=8,h=14,w=14", "--strict"]) == 0
    captured = capsys.readouterr()
    (macs,) = [line.split() for line in captured.out.splitlines() if line.startswith("MACs per sample")]
    assert " ".join(macs).startswith("MACs per sample c h w (c + 2 h w)")
    assert macs[-2:] == ["627.20", "k"]  # as in `compare`, and in the paper
    assert "Proof: formula = what torch's own operations give, at all sizes" in captured.out
    assert "at 5 random sizes" in captured.out
    assert "1 MAC = 2 FLOPs" in captured.out
    assert captured.err.startswith("next: kaoprof fit --memory 24GiB --operators nonlocal")
    assert max(map(len, captured.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "macs"),
    [
        pytest.param(["kao_qkv", "--ndim", "3", "--projection", "none"], "2 b c (h + t + w)^2", marks=pytest.mark.slow),
        pytest.param(
            ["kao_kv", "--mode", "train", "--implementation", "sdpa"],
            "3 b c (c + 2 h w) (h + w)",
            marks=pytest.mark.slow,
        ),
        (["nonlocal", "--ndim", "1", "--projection", "qkv", "--heads", "2"], "b c n (3 c + 2 n)"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_operators_are_proven(arguments, macs, capsys):
    code, explanation = explained([*arguments, "--strict"], capsys)
    assert code == 0
    assert explanation["proof_status"] == "formula = derivation"
    assert texts_of(explanation)["macs"] == macs


@pytest.mark.slow
def test_a_transformer_encoder_layer(capsys):
    code, explanation = explained(ENCODER, capsys)
    assert code == 0
    assert texts_of(explanation)["macs"] == "2 b c n (6 c + n)"  # 12 c^2 n in six transformations, 2 n^2 c in attention
    assert {part["name"]: part["macs"] for part in explanation["blocks"]}["linear1"] == "4 b c^2 n"
    assert explanation["kind"] == "explain"


@pytest.mark.slow
def test_multihead_attention_training_answers_a_pair(capsys):
    code, explanation = explained([*ATTENTION, "--mode", "train", "--input-grad"], capsys)
    assert code == 0
    assert texts_of(explanation)["macs"] == "6 b c n (2 c + n)"  # three times the forward's 2 b c n (2 c + n)
    code, explanation = explained([*ATTENTION, "--mode", "train"], capsys)
    assert code == 0
    assert texts_of(explanation)["macs"] == "3 b c n (3 c + 2 n)"  # 3 c less: the input's gradient


STRIDED = ["explain", "strided_code:Strided", "--input", "b,c,h,w", "--at", "b=2,c=3,h=9,w=12", "--arg", "c"]


def is_explained(text):
    """3 x 3 x c x 4 and 4 x 8 for each of the halves, rounded up."""
    return pretty("4 (9 c + 8) ceiling(h/2) ceiling(w/2)") in " ".join(text.split())


@pytest.mark.slow
@pytest.mark.usefixtures("quick_measuring")
def test_code_beside_the_user_is_found_only_if_allowed(tmp_path, monkeypatch, capsys):
    (tmp_path / "strided_code.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    assert run(STRIDED) == 2
    assert "if you trust it, add --allow-import" in capsys.readouterr().err
    assert "strided_code" not in sys.modules
    assert run([*STRIDED, "--allow-import"]) == 0
    assert "strided_code" not in sys.modules, "it ran in a process of its own"
    assert is_explained(capsys.readouterr().out)


@pytest.mark.slow
def test_code_beside_the_user_is_found_by_a_process_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "strided_code.py").write_text(MINE)
    arguments = [sys.executable, "-c", "import sys; sys.path.pop(0); from kaoprof.cli.app import main; main()"]
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE.parent))
    done = subprocess.run(
        [*arguments, *STRIDED, "--allow-import"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert is_explained(done.stdout)


@pytest.mark.usefixtures("quick_measuring")
def test_what_depends_on_data_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "choosing_code.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    arguments = ["choosing_code:Choosing", "--allow-import", "--input", "b,n,n", "--at", "b=2,n=5"]
    assert run(["explain", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "what it does depends on data" in captured.err


@pytest.mark.usefixtures("quick_measuring")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["torch.nn:ReLU"], 2, "if you trust it, add --allow-import"),
        (["torch.nn:ReLU", "--allow-import"], 2, 'needs the shape of its input (for example --input "b,c,h,w"'),
        (["torch.nn:Conv2d", "--allow-import", "--input", "b,c", "--at", "b=2,c=4", "--arg", "c", "--arg", "4",
          "--arg", "3"], 1, "does not run"),
        (["torch.nn:ReLU", "--allow-import", "--input", "b,c"], 2, "no size is given for b, c"),
        (["torch.nn:Relu", "--allow-import", "--input", "b", "--at", "b=2"], 2, "cannot find 'torch.nn:Relu'"),
        (["torch.nn:ReLU", "--allow-import", "--input", "b;c", "--at", "b=2"], 2, "'b;c' is not a size"),
        (["torch.nn:ReLU", "--allow-import", "--input", "b", "--at", "b=two"], 2, "'b=two' is not a named size"),
        (["torch.nn:ReLU", "--allow-import", "--input", "b", "--at", "b=2", "--kwarg", "x"], 2, "no keyword argument"),
        (["kao_qv"], 2, "did you mean 'kao_qkv'"),
        (["torch.nn.MultiheadAttention"], 2, "(code is written torch.nn:MultiheadAttention)"),
        (["missing.yaml"], 2, "; code is written package.module:Class)"),
        (["kao_qkv", "--at", "q=3"], 2, "kao_qkv has no size 'q'"),
        (["kao_qkv", "--at", "h=0"], 2, "h: must be at least 1"),
        (["kao_qkv", "--ndim", "4"], 2, "ndim: must be 1, 2 or 3"),
        (["kao_qkv", "--input", "b,c"], 2, "takes no input pattern"),
        (["kao_qkv", "--projection", "values"], 2, "did you mean 'value'?"),
        (["kao_qkv", "--device", "tpu"], 2, "unknown device 'tpu'"),
        (["kao_qkv", "--threads", "0"], 2, "threads: must be at least 1"),
        (["kao_qkv", "--heads", "3", "--at", "c=8"], 2, "8 channels cannot be split into 3 heads"),
        (["kao_qkv", "--format", "pdf"], 2, "unknown format 'pdf'"),
        (["kao_qkv", "-o", "cost.pdf"], 2, "a record of explain has no picture"),
        (["kao_qkv", "-o", "/no/such/folder/cost.tex"], 1, "there is no folder"),
        (["paper-grid"], 2, "has no layers"),
        ([], 2, "Missing argument 'TARGET'"),
    ],
)  # fmt: skip
def test_a_wrong_use_is_one_clear_line(arguments, code, message, capsys):
    assert run(["explain", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("kaoprof: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_every_output_is_written(tmp_path, capsys):
    paths = [tmp_path / f"cost.{suffix}" for suffix in ("tex", "json", "md")]
    outputs = [argument for path in paths for argument in ("-o", str(path))]
    assert run(["explain", "kao_qkv", *outputs]) == 0
    assert all(f"wrote {path}" in capsys.readouterr().err for path in paths[:1])
    assert r"\begin{tabular}" in paths[0].read_text()
    assert json.loads(paths[1].read_text())["proof_status"] == "formula = derivation"
    assert paths[2].read_text().startswith("**kao\\_qkv, forward")
    assert run(["explain", "kao_qkv", "-o", str(paths[0])]) == 2
    assert "--force overwrites it" in capsys.readouterr().err


def test_under_strict_a_wrong_closed_form_exits_with_1(monkeypatch, capsys):
    from msgspec.structs import replace

    right = closed_form_check.closed_form

    def wrong(*arguments):
        cost = right(*arguments)
        return replace(cost, macs=cost.macs + 1)

    monkeypatch.setattr(closed_form_check, "closed_form", wrong)
    assert run(["explain", "nonlocal", "--projection", "none"]) == 0
    captured = capsys.readouterr()
    assert "derived - formula = -b" in " ".join(captured.out.split())
    assert "warning: NO PROOF of MACs" in captured.err
    assert run(["explain", "nonlocal", "--projection", "none", "--strict"]) == 1


def test_lines_in_a_pipe_end_where_their_text_ends(capsys):
    assert run(["explain", "nonlocal"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line != line.rstrip()] == []

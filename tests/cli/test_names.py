"""Models by the names that people know, on the command line alone; packages that are not installed are left out."""

import csv
import io
import json

import pytest
import torch
from modelzoo import Tiny

from kaoprof.cli.app import run

pytestmark = pytest.mark.usefixtures("quick_measuring")
TINY_MACS = 6 * 10 * 4 * 3 * 9 + 4 * 9  # a convolution over 6 x 10 positions, then nine classes


def total_of(arguments, capsys):
    assert run(["profile", *arguments, "--allow-import", "--no-measure", "--format", "csv"]) == 0
    captured = capsys.readouterr()
    total = list(csv.DictReader(io.StringIO(captured.out)))[-1]
    assert total["status"] == "ok", total["detail"]
    return total


def test_a_listed_model_needs_no_input(capsys):
    total = total_of(["modelzoo:tiny_net"], capsys)
    assert (total["model"], int(total["macs_counted"]), total["batch"]) == ("tiny_net", TINY_MACS, "1")
    total = total_of(["modelzoo:tiny_net", "--batch", "3", "--kwarg", "classes=5"], capsys)
    assert (int(total["macs_counted"]), total["batch"]) == (TINY_MACS - 4 * 4, "3")


def test_inputs_are_typed_by_keyword_nested_and_with_values(capsys):
    words = ["--input", "2,7:int64:100", "--input", "mask=2,7:ones", "--input", "scale=0.5"]
    assert int(total_of(["modelzoo:Words", *words], capsys)["macs_counted"]) == 7 * 8 * 5
    nested = ["--input", '{pair: ["2,7", "2,5:ones"]}', "--input", "double=true"]
    assert int(total_of(["modelzoo:Pair", *nested], capsys)["macs_counted"]) == 7 * 5
    mapping = ["--kwarg", 'settings={"width": 7, "bias": false}', "--input", "2,7"]
    assert total_of(["modelzoo:Configured", *mapping], capsys)["params"] == "35"


@pytest.mark.slow
def test_an_exported_program_brings_its_input(tmp_path, capsys):
    program = torch.export.export(Tiny(9).eval(), (torch.ones(2, 3, 6, 10),))
    torch.export.save(program, tmp_path / "tiny.pt2")
    total = total_of([str(tmp_path / "tiny.pt2")], capsys)
    assert (total["model"], int(total["macs_batch"])) == ("tiny", 2 * TINY_MACS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["modelzoo:tiny_nett"], "did you mean 'tiny_net'?"),
        (["modelzoo:net"], "is a model, and a factory is wanted"),
        (["torch.nn:Identity"], "needs the shape of its input"),
        (["bert-base-uncased"], "one of transformers the folder of its config.json: nothing is downloaded"),
        (["google/vit-base"], "one of transformers the folder of its config.json: nothing is downloaded"),
        (["modelzoo:Tiny", "--kwarg", "classes={5", "--input", "1,3,6,6"], "is no mapping"),
        (["kanet-qkv", "--optimizer", "adamm"], "did you mean 'adam'?"),
        (["kanet-qkv", "--batch-axis", "first"], "unknown batch-axis 'first'"),
    ],
)
def test_a_slip_is_one_sentence_with_its_mend(arguments, message, capsys):
    assert run(["profile", *arguments, "--allow-import", "--no-measure"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_what_a_layer_takes_is_told_beside_its_error(capsys):
    assert run(["profile", "modelzoo:tiny_net", "--input", "1,4,6,6", "--allow-import", "--no-measure"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "conv (Conv2d) takes b x 3 x h x w, and was given 1 x 4 x 6 x 6" in shown


@pytest.mark.slow
def test_a_step_with_an_optimizer_is_measured_and_split(capsys):
    arguments = ["profile", "kao-qkv-56", "--size", "14", "--optimizer", "sgd:momentum=0.9", "--samples", "2"]
    assert run([*arguments, "--threads", "1", "--format", "csv"]) == 0
    total = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))[-1]
    parts = [int(total[f"{name}_bytes"]) for name in ("gradients", "optimizer_states", "activations", "temporaries")]
    assert total["optimizer"] == "sgd:momentum=0.9"
    assert total["optimizer_states_bytes"] == total["parameters_bytes"] == str(4 * 64 * 64)
    assert sum(parts) == int(total["peak_bytes_predicted"])
    assert int(total["peak_bytes_measured"]) == pytest.approx(sum(parts), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("timm:vit_base_patch16_224", 17_563_828_224),
        ("timm:resnet18", 1_814_073_344),
        ("torchvision:swin_t", 4_490_566_656),
        ("torchvision:resnet50", 4_089_184_256),
    ],
)
def test_of_timm_and_torchvision(name, macs, capsys):
    pytest.importorskip(name.partition(":")[0])
    assert int(total_of([name], capsys)["macs_counted"]) == macs


BERT = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "num_hidden_layers": 2}
LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2, "hidden_size": 64,
    "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000,
    "dtype": "bfloat16",
}  # fmt: skip
N = 128  # words that a text has unless somebody says so


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "macs"),
    [
        (BERT, 2 * (12 * N * 768**2 + 2 * N**2 * 768) + 768**2 + 2 * 768),  # layers, pooler, two classes
        (LLAMA, 2 * (N * 64 * (2 * 64 + 2 * 32 + 3 * 96) + 2 * N**2 * 64) + N * 64 * 1000),  # layers, then all words
    ],
)
def test_of_a_config_of_transformers(config, macs, tmp_path, capsys):
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert int(total_of([str(tmp_path)], capsys)["macs_counted"]) == macs

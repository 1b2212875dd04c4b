"""What somebody who writes a first spec gets wrong, and the one line that `kaoprof check` answers."""

import re
from pathlib import Path

import pytest

from kaoprof.catalog import OPERATORS
from kaoprof.cli.app import run
from kaoprof.networks import check_spec
from kaoprof.networks.totals import totals_of
from kaoprof.specs import parse_spec

GUIDE = Path(__file__).parents[2] / "kaoprof" / "guide" / "specs.md"
TEN_LINES = """\
schema: 1
name: my-net
input: {channels: 3, size: [64, 64]}
attention: {type: kao_qkv}  # or nonlocal, nonlocal_pool, kao_kv
layers:
  - {type: conv, out: 16, kernel: 3, stride: 2}
  - {type: attn_skip, expand: 4, out: 16, repeat: 2}
  - {type: base_skip, expand: 4, out: 32, stride: 2}
  - {type: global_avg_pool}
  - {type: linear, out: 10}
"""
ALL_OPERATORS = ", ".join(OPERATORS)
MISTAKES = {  # what is written, what stood there, where and what is wrong, what to do
    "torch's layer name": (
        "type: Conv2d",
        "type: conv",
        "6 layers[0].type: unknown layer type 'Conv2d'",
        "did you mean 'conv'?",
    ),
    "torch's keys": (
        "out_channels: 16, kernel",
        "out: 16, kernel",
        "6 layers[0].out_channels: unknown key 'out_channels'",
        "did you mean 'out'?",
    ),
    "torch's activation name": (
        "kernel: 3, activation: ReLU",
        "kernel: 3",
        "6 layers[0].activation: unknown value 'ReLU'",
        "did you mean 'relu'?",
    ),
    "an activation as a layer": (
        "{type: relu}",
        "{type: global_avg_pool}",
        "9 layers[3].type: unknown layer type 'relu'",
        "write {type: activation, function: relu}",
    ),
    "a bare layer": (
        "- global_avg_pool",
        "- {type: global_avg_pool}",
        "9 layers[3]: must be a mapping, not text 'global_avg_pool'",
        "write {type: global_avg_pool}, with the keys that it needs",
    ),
    "one size for both": (
        "size: 64",
        "size: [64, 64]",
        "3 input.size: must be a list, not 64",
        "spatial sizes: [n], [h, w] or [t, h, w], such as [224, 224]",
    ),
    "the input as a list": (
        "input: [3, 64, 64]",
        "input: {channels: 3, size: [64, 64]}",
        "3 input: must be a mapping, not a list",
        "what goes in, such as {channels: 3, size: [224, 224]}",
    ),
    "layer for layers": (
        "layer:",
        "layers:",
        "5 layer: unknown key 'layer'",
        "did you mean 'layers'?",
    ),
    "no space after a colon": (
        "stride:2}",
        "stride: 2}",
        "6 layers[0].stride:2: unknown key 'stride:2'",
        "write a space after the colon, as in stride: 2",
    ),
    "an operator in capitals": (
        "KAO_QKV",
        "kao_qkv",
        "4 attention.type: unknown operator 'KAO_QKV'",
        "did you mean 'kao_qkv'?",
    ),
    "an unknown operator": (
        "softmax",
        "kao_qkv",
        "4 attention.type: unknown operator 'softmax'",
        f"one of: {ALL_OPERATORS}",
    ),
    "attention without its key": (
        "attention: kao_qkv",
        "attention: {type: kao_qkv}",
        "4 attention: must be a mapping, not text 'kao_qkv'",
        "the operator of attention layers that name none, such as {type: kao_qkv}",
    ),
    "linear on a map": (
        "",
        "  - {type: global_avg_pool}\n",
        "9 layers[3]: linear needs flat channels, not a map of 32 x 16 x 16",
        "put flatten or global_avg_pool before it, or use conv with kernel: 1",
    ),
    "a name with spaces": (
        "name: my net",
        "name: my-net",
        "2 name: text 'my net' is not a name",
        "letters, digits and . _ - without spaces, such as my-model",
    ),
    "a forgotten brace": (
        "- type: conv,",
        "- {type: conv,",
        "6: not valid YAML: a `key: value` stands where none can",
        "write {key: value, key: value}, or one on each line, indented alike",
    ),
    "a tab": (
        "\t- {type: conv",
        "  - {type: conv",
        "6: not valid YAML: nothing can begin with the character here",
        "indent with spaces, not tabs",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_typical_mistake_is_answered_with_its_cure(mistake, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    written, right, wrong, cure = MISTAKES[mistake]
    assert right in TEN_LINES
    Path("net.yaml").write_text(TEN_LINES.replace(right, written, 1))
    assert run(["check", "net.yaml"]) == 2
    assert capsys.readouterr().err == f"kaoprof: net.yaml:{wrong} ({cure})\n"


def test_the_ten_lines_are_a_spec_and_cost_what_a_reader_can_add_up():
    assert TEN_LINES.count("\n") == 10
    conv = 32 * 32 * 16 * 27
    expand, depthwise, reduce = 32 * 32 * 16 * 48, 32 * 32 * 9 * 48, 32 * 32 * 64 * 16
    kao = 2 * 64 * 64 * 16 + 64 * 16 * 16  # 32 + 32 averages of 16 channels
    base = 32 * 32 * 16 * 48 + 16 * 16 * 9 * 64 + 16 * 16 * 64 * 32
    total = conv + 2 * (expand + depthwise + kao + reduce) + base + 32 * 10
    assert totals_of(parse_spec(TEN_LINES, file="net.yaml")).macs == total == 6_750_528


def test_the_guides_specs_are_valid():
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for block in blocks:
        check_spec(parse_spec(block, file="specs.md"))
    assert not blocks or TEN_LINES in blocks

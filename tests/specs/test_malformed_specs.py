"""Malformed specs: each ends in one SpecError that names file, line and key, and says what to write instead."""

import sys
import time

import pytest

from kaoprof.errors import SpecError
from kaoprof.networks import check_spec
from kaoprof.specs import load_spec, parse_spec

MODEL = """\
schema: 1
name: small
input: {channels: 3, size: [32, 24], batch: 2}
attention: {type: kao_qkv, heads: 2}
layers:
  - {type: conv, out: 8, kernel: 3, stride: 2}
  - {type: attn_skip, expand: 6, out: 8}
  - type: block
    name: low
    layers:
      - {type: base, expand: 6, out: 16, stride: 2}
  - type: concat
    branches:
      - []
      - [{type: conv, out: 4, kernel: 1}]
  - {type: global_avg_pool}
  - {type: linear, out: 10}
"""

GRID = """\
schema: 1
name: sizes
grid: {h: [14, 28], c: 8, batch: 8}
operators: [kao_kv, nonlocal]
"""

CODE = """\
schema: 1
name: code
module: "some.module:factory"
inputs:
  - {shape: [1, 3, 8, 8], dtype: fp32}
"""


def edited(old, new, base=MODEL):
    assert base.count(old) >= 1, f"{old!r} is not in the spec that is to be broken"
    return base.replace(old, new, 1)


MALFORMED = {  # text, line, part of the message, part of the hint
    "missing key": (edited("kernel: 3, ", ""), 6, "key 'kernel' is missing", "window size"),
    "missing input": (edited("input:", "#"), 1, "key 'input' is missing", "add input"),
    "missing name": (edited("name: small", ""), 1, "key 'name' is missing", "add name"),
    "missing schema": (edited("schema: 1", ""), 2, "key 'schema' is missing", "version"),
    "missing layer type": (edited("type: linear, ", ""), 17, "key 'type' is missing", "type: conv"),
    "unknown schema": (edited("schema: 1", "schema: 7"), 1, "unknown schema version 7", "schema: 1"),
    "unknown key": (edited("stride: 2}", "strid: 2}"), 6, "unknown key 'strid'", "did you mean 'stride'"),
    "unknown top key": (edited("attention:", "atention:"), 4, "unknown key 'atention'", "did you mean 'attention'"),
    "unknown layer": (edited("attn_skip", "atn_skip"), 7, "unknown layer type 'atn_skip'", "did you mean 'attn_skip'"),
    "activation as layer": (edited("{type: global_avg_pool}", "{type: relu6}"), 16, "'relu6'", "function: relu6"),
    "unknown operator": (edited("kao_qkv", "kao_qvk"), 4, "unknown operator 'kao_qvk'", "did you mean 'kao_qkv'"),
    "no operator": (edited("attention:", "#"), 7, "no operator", "kao_qkv"),
    "unknown projection": (edited("heads: 2", "projection: valu"), 4, "unknown value 'valu'", "did you mean 'value'"),
    "unknown norm": (edited("stride: 2", "norm: layer"), 6, "unknown value 'layer'", "batch_norm"),
    "text for a number": (edited("out: 8", "out: eight"), 6, "must be a whole number, not text 'eight'", "output"),
    "decimal for a number": (edited("out: 8", "out: 8.5"), 6, "must be a whole number, not 8.5", "output channels"),
    "truth for a number": (edited("out: 8", "out: true"), 6, "must be a whole number, not true", "output channels"),
    "null for a number": (edited("out: 8", "out: null"), 6, "must be a whole number, not null", "output channels"),
    "list for a number": (edited("out: 8", "out: [8]"), 6, "must be a whole number, not a list", "output channels"),
    "mapping for a list": (edited("branches:\n      - []", "branches: {a: 1}\n    x:"), 13, "must be a list", "lists"),
    "number for a layer": (edited("{type: linear, out: 10}", "5"), 17, "must be a mapping, not 5", "write a layer"),
    "number for a name": (edited("name: small", "name: 5"), 2, "must be text, not 5", "letters"),
    "name with blanks": (edited("name: small", "name: a b"), 2, "text 'a b' is not a name", "letters"),
    "negative size": (edited("[32, 24]", "[32, -24]"), 3, "must be at least 1, not -24", "1"),
    "size zero": (edited("out: 8", "out: 0"), 6, "must be at least 1, not 0", "output channels"),
    "absurd size": (edited("out: 8", "out: 12345678"), 6, "must be at most 1,048,576", "output channels"),
    "absurd digits": (edited("out: 8", "out: " + "9" * 5000), 6, "absurdly large", "digits"),
    "absurd input": (edited("[32, 24]", "[1048576, 1048576]"), 3, "is absurd", "smaller"),
    "absurd repeat": (edited("name: low", "repeat: 1001"), 9, "must be at most 1,000", "how many"),
    "absurd layers": (
        edited("name: low\n    layers:\n      - {", "repeat: 1000\n    layers:\n      - {repeat: 1000, "),
        11,
        "more than 10,000 layers",
        "repeat less",
    ),
    "absurd map": (
        edited("{type: global_avg_pool}", "{type: upsample, scale: 1024}\n  - {type: upsample, scale: 1024}")
        .replace("[32, 24]", "[32768, 32768]")
        .replace("batch: 2", "batch: 1"),
        16,
        "absurdly large",
        "smaller",
    ),
    "four axes": (edited("[32, 24]", "[8, 8, 8, 8]"), 3, "at most 3 entries, not 4", "[t, h, w]"),
    "no axes": (edited("[32, 24]", "[]"), 3, "at least 1 entry, not 0", "[h, w]"),
    "no layers": (MODEL[: MODEL.index("  - {type: conv")].replace("layers:", "layers: []"), 5, "at least 1", "layers"),
    "stride empties": (
        edited("{type: conv, out: 8, kernel: 3, stride: 2}", "{type: conv, out: 8, kernel: 40, padding: 0}"),
        6,
        "nothing is left of a map of 32 x 24",
        "smaller kernel",
    ),
    "pool empties": (
        edited("{type: global_avg_pool}", "{type: max_pool, kernel: 9}"),
        16,
        "nothing is left of a map of 8 x 6",
        "smaller kernel",
    ),
    "kernel of three axes": (edited("kernel: 3", "kernel: [3, 3, 3]"), 6, "3 numbers for 2 spatial axes", "or 2"),
    "groups": (edited("stride: 2}", "groups: 3, stride: 2}"), 6, "3 groups do not divide 8 output", "divisor of 8"),
    "heads": (edited("heads: 2", "heads: 3"), 7, "8 channels cannot be split into 3 heads", "divisor of 8"),
    "own heads": (edited("expand: 6, out: 8", "expand: 6, out: 8, heads: 5"), 7, "into 5 heads", "divisor of 8"),
    "attn without path 1": (edited("expand: 6, out: 8", "expand: 1, out: 8"), 7, "must be at least 2", "expansion"),
    "residual of other channels": (
        edited("type: block\n    name: low", "type: residual"),
        8,
        "8 x 16 x 12 and 16 x 8 x 6 cannot be added",
        "same channels",
    ),
    "concat of other sizes": (
        edited("out: 4, kernel: 1", "out: 4, kernel: 1, stride: 2"),
        15,
        "cannot stand side by side",
        "only the channels may differ",
    ),
    "one branch": (edited("      - []\n", ""), 13, "at least 2 entries, not 1", "same input"),
    "linear on a map": (edited("  - {type: global_avg_pool}\n", ""), 16, "not a map of 20 x 8 x 6", "global_avg_pool"),
    "conv after flatten": (edited("{type: linear,", "{type: conv, kernel: 1,"), 17, "no spatial axes", "flatten"),
    "unknown block": (edited("- []", "- [{type: reuse, block: lo}]"), 14, "is called 'lo'", "did you mean 'low'"),
    "block before its name": (
        edited("{type: conv, out: 8, kernel: 3, stride: 2}", "{type: upsample, like: low}"),
        6,
        "no earlier block is called 'low'",
        "name",
    ),
    "block name twice": (
        edited("{type: global_avg_pool}", "{type: block, name: low, layers: [{type: dropout}]}"),
        16,
        "block name 'low' stands twice",
        "line 9",
    ),
    "upsample of nothing": (edited("global_avg_pool", "upsample"), 16, "none of scale, size and like", "exactly one"),
    "upsample of two": (
        edited("global_avg_pool", "upsample, scale: 2, like: low"),
        16,
        "scale and like",
        "exactly one",
    ),
    "dropout of 1": (edited("global_avg_pool", "dropout, p: 1"), 16, "must be below 1, not 1", "probability"),
    "pool padding": (edited("global_avg_pool", "avg_pool, padding: 2"), 16, "more padding than half", "kernel // 2"),
    "duplicate key": (edited("name: small", "name: small\nname: large"), 3, "key 'name' stands twice", "line 2"),
    "duplicate inner key": (edited("out: 8", "out: 8, out: 8"), 6, "key 'out' stands twice", "line 6"),
    "NaN": (edited("out: 8", "out: .nan"), 6, "'.nan' is not a number", "finite"),
    "infinity": (edited("out: 8", "out: -.inf"), 6, "'-.inf' is not a number", "finite"),
    "overflow": (edited("out: 8", "out: 1e999"), 6, "'1e999' is not a number", "finite"),
    "python tag": (edited("out: 8", "out: !!python/object/apply:os.getcwd []"), 6, "tag", "without tags"),
    "python object": (edited("name: small", "name: !!python/object:os.system {}"), 2, "tag", "without tags"),
    "own tag": (edited("out: 8", "out: !count 8"), 6, "tag '!count' is not allowed", "without tags"),
    "tab": (edited("  - {type: linear", "\t- {type: linear"), 17, "not valid YAML", "spaces, not tabs"),
    "open bracket": (edited("[32, 24]", "[32, 24"), 3, "not valid YAML", "brackets"),
    "stray quote": (edited("name: small", 'name: "small'), 18, "not valid YAML", "quotes"),
    "control character": (edited("name: small", 'name: "\\e[31m"'), 2, "control character", "printable"),
    "merge key": (edited("heads: 2", "<<: {heads: 2}"), 4, "merge keys", "write the keys out"),
    "key that is a list": (edited("heads: 2", "? [a] : 2"), 4, "a key must be plain text", "key: value"),
    "unknown alias": (edited("out: 8", "out: *eight"), 6, "alias *eight names nothing", "define &eight"),
    "alias of itself": (edited("branches:", "branches: &self [*self]\n    x:"), 13, "names nothing before", "define"),
    "two documents": (MODEL + "---\nschema: 1\n", 18, "a second document", "split"),
    "empty": ("# nothing\n", 1, "the file is empty", "kaoprof init"),
    "a list": ("- schema: 1\n", 1, "a mapping of keys", "schema: 1"),
    "a word": ("kanet\n", 1, "a mapping of keys", "schema: 1"),
    "no kind": ("schema: 1\nname: x\n", 1, "does not say what it describes", "layers"),
    "two kinds": (MODEL + "grid: {h: 4, c: 4}\n", 18, "has layers and grid", "comparison"),
    "too deep": ("schema: 1\nname: x\nlayers: " + "[" * 40 + "]" * 40 + "\n", 3, "nested more than 32 deep", "flatten"),
    "very deep": ("schema: " + "[" * 100_000, 1, "nested more than 32 deep", "flatten"),
    "grid operator": (edited("nonlocal", "nonlocl", GRID), 4, "unknown operator 'nonlocl'", "did you mean 'nonlocal'"),
    "grid without a size": (edited("h: [14, 28], ", "", GRID), 3, "no spatial size", "give n, or h"),
    "grid of n and h": (edited("c: 8", "n: 9, c: 8", GRID), 3, "n stands beside h", "give n, or h"),
    "grid without h": (edited("h: [14", "t: [14", GRID), 3, "t without h", "add h"),
    "grid of heads": (edited("c: 8", "c: 8, heads: [2, 3]", GRID), 3, "into 3 heads", "divisor of 8"),
    "grid too large": (
        edited("[14, 28]", str([7] * 900), GRID).replace("c: 8", f"c: {[8] * 120}"),
        3,
        "too many",
        "at",
    ),
    "grid dtype": (GRID + "dtype: float32\n", 5, "unknown value 'float32'", "fp32"),
    "module without a colon": (edited("module:factory", "module", CODE), 3, "does not name code", "package.module:f"),
    "module of a command": (edited("some.module", "a; import os", CODE), 3, "does not name code", "package.module:f"),
    "input without a tensor": (edited("{shape: [1, 3, 8, 8], dtype: fp32}", "5", CODE), 4, "no tensor", "shape"),
    "input shape": (edited("[1, 3, 8, 8]", "[1, 3, 8, -8]", CODE), 5, "must be at least 1, not -8", "1"),
    "input dtype": (edited("fp32", "fp23", CODE), 5, "unknown value 'fp23'", "did you mean 'fp32'"),
    "inputs as one tensor": (
        CODE[: CODE.index("inputs")] + "inputs: {shape: [1]}\n",
        4,
        "a list or a mapping",
        "in a list",
    ),
}


@pytest.mark.parametrize(("text", "line", "message", "hint"), MALFORMED.values(), ids=MALFORMED.keys())
def test_each_malformed_spec_is_one_error_with_line_and_hint(text, line, message, hint):
    with pytest.raises(SpecError) as caught:
        check_spec(parse_spec(text, file="my.yaml"))
    error = caught.value
    assert error.exit_code == 2
    assert message in error.message
    assert hint in error.hint
    assert error.where.split(" ")[0] == f"my.yaml:{line}"
    assert len(str(error)) < 500, "an error is one line that a terminal can show"
    assert "\n" not in str(error)


def test_there_are_at_least_fifty_of_them():
    assert len(MALFORMED) >= 50
    for base in (MODEL, GRID, CODE):
        check_spec(parse_spec(base, file="my.yaml"))


MOST_CALLS = 10  # of functions, for a character: what grows faster than the text soon takes hundreds
HANGS_S = 120.0  # of processor time, where reading takes less than one


def refusal_of(text):
    """The error that a text gives, whose work must be in proportion to it."""
    calls = 0

    def count(_frame, event, _function):
        nonlocal calls
        calls += event in ("call", "c_call")
        if calls > MOST_CALLS * len(text) and event == "call":
            raise AssertionError(f"{calls} calls for {len(text)} characters")

    started, before = time.process_time(), sys.getprofile()
    sys.setprofile(count)
    try:
        with pytest.raises(SpecError) as caught:
            parse_spec(text, file="large.yaml")
    finally:
        sys.setprofile(before)
    assert time.process_time() - started < HANGS_S
    return caught.value


BOMB = "schema: 1\nname: bomb\nlayers:\n" + "".join(
    f"  - &l{level} [{', '.join([f'*l{level - 1}'] * 10 if level else ['1'] * 10)}]\n" for level in range(20)
)
QUADRATIC = "schema: 1\nname: &n " + "x" * 1000 + "\nlayers: [" + ", ".join(["*n"] * 200_000) + "]\n"
REPEATED_LISTS = "schema: 1\nname: x\na: &a [" + "1, " * 20_000 + "1]\nlayers: [*a, *a, *a]\n"


@pytest.mark.parametrize("bomb", [BOMB, QUADRATIC, REPEATED_LISTS], ids=["exponential", "quadratic", "lists"])
def test_an_alias_bomb_is_refused_with_little_work(bomb):
    error = refusal_of(bomb)
    assert "more than 50,000 values, aliases expanded" in error.message
    assert error.hint


MEGABYTES = {
    "brackets": "[",
    "question marks": "? ",
    "dashes": "- ",
    "tags": "!",
    "keys": "".join(f"k{index}: 1\n" for index in range(80_000)),
    "items": "a:\n" + " - 1\n" * 200_000,
    "flow items": "[" + "a," * 500_000,
    "a long key": '{"' + "k" * 1_000_000 + '": 1}',
    "a long layer type": MODEL.replace("attn_skip", "x" * 1_000_000),
    "a long key of a layer": MODEL.replace("expand", "x" * 1_000_000),
    "a long operator": MODEL.replace("kao_qkv", "x" * 1_000_000),
    "a long reference": MODEL.replace("- []", "- [{type: reuse, block: " + "x" * 1_000_000 + "}]"),
}


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(pattern, id=name, marks=[pytest.mark.slow] * (name in ("items", "flow items")))
        for name, pattern in MEGABYTES.items()
    ],
)
def test_a_megabyte_of_anything_is_one_short_error_with_work_in_proportion(pattern):
    error = refusal_of((pattern * (2**20 // len(pattern)) if len(pattern) < 5 else pattern)[: 2**20])
    assert len(str(error)) < 600
    assert error.hint


def test_no_code_runs_for_a_python_tag(tmp_path):
    witness = tmp_path / "witness"
    path = tmp_path / "evil.yaml"
    path.write_text(f'schema: 1\nname: !!python/object/apply:os.mkdir ["{witness}"]\n')
    with pytest.raises(SpecError, match="is not allowed"):
        load_spec(path)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff", "not a text file"),
        ("schema: 1\nname: käse\n".encode("latin-1"), "not a text file"),
        (MODEL.encode("utf-16"), "not a text file"),
        (b"schema: 1\x00\n", "not valid YAML"),
        (b"# " + b"x" * 2**20, "larger than"),
    ],
    ids=["binary", "latin-1", "utf-16", "nul", "large"],
)
def test_what_is_no_text_is_refused(tmp_path, content, message):
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=message) as caught:
        load_spec(path)
    assert caught.value.hint
    assert str(path) in caught.value.where


def test_a_directory_a_missing_file_and_an_unknown_name_are_told_apart(tmp_path):
    with pytest.raises(SpecError, match="is a directory") as directory:
        load_spec(tmp_path)
    with pytest.raises(SpecError, match="no such file") as missing:
        load_spec(tmp_path / "missing.yaml")
    with pytest.raises(SpecError, match="neither a file nor the name of a shipped spec") as unknown:
        load_spec("kanet-qvk")
    assert "name one .yaml file" in directory.value.hint
    assert "kaoprof list" in missing.value.hint
    assert unknown.value.hint == "did you mean 'kanet-qkv'?"


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(MODEL, encoding="utf-8-sig")
    assert load_spec(path).spec == parse_spec(MODEL, file="x").spec

"""`kaoprof check`, `list`, `schema` and `init` as a user meets them."""

import json
import subprocess
import sys

import pytest

from kaoprof.catalog import OPERATORS
from kaoprof.cli.app import run
from kaoprof.networks import check_spec
from kaoprof.specs import load_spec, parse_spec, starter_spec
from kaoprof.specs.shelf import shelf

SMALL = """\
schema: 1
name: small
input: {channels: 3, size: [8, 12], batch: 2}
layers:
  - {type: attention, operator: kao_qkv, projection: none}
  - {type: conv, out: 5, kernel: 3, activation: none}
"""
CODE = "{schema: 1, name: mine, module: 'no_such_package:build', inputs: [{shape: [1, 3, 8, 8]}]}"


def row_of(name, table):
    """The row that begins with `name`, its cells one space apart."""
    return next(" ".join(line.split()) for line in table.splitlines() if line.startswith(f"{name} "))


def test_check_prints_the_papers_totals(capsys):
    assert run(["check", "mobilenetv2", "attnnet", "attnnet-pool", "kanet-kv", "kanet-qkv"]) == 0
    table = capsys.readouterr().out
    macs = {name: row_of(name, table).split(" M ")[0] for name in ("attnnet", "attnnet-pool", "kanet-kv", "kanet-qkv")}
    assert macs == {
        "attnnet": "attnnet model 365.37",
        "attnnet-pool": "attnnet-pool model 300.25",
        "kanet-kv": "kanet-kv model 288.41",
        "kanet-qkv": "kanet-qkv model 281.12",
    }
    assert row_of("mobilenetv2", table) == "mobilenetv2 model 300.77 M 3.47 M 3.50 M 1x3x224x224"
    assert max(map(len, table.splitlines())) <= 80
    assert "1 MAC = 2 FLOPs" in table


def test_check_counts_one_sample_and_the_maps_of_the_batch(tmp_path, capsys):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    assert run(["check", str(path)]) == 0
    # S = 8 + 12 = 20: 2 x 20^2 x 3 MACs, and 8 x 12 outputs of 5 channels from 3 x 3 x 3 each
    macs = 2 * 20 * 20 * 3 + 8 * 12 * 5 * 27
    params, norm, map_bytes = 5 * 27, 2 * 5, 2 * 20 * 20 * 4
    assert (macs, params, params + norm, map_bytes) == (15360, 135, 145, 3200)
    assert row_of("small", capsys.readouterr().out) == "small model 15.36 k 135 145 3.12 KiB 2x3x8x12"


def test_check_shows_the_cells_of_a_grid_and_imports_no_code(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(CODE)
    assert run(["check", "paper-grid", str(path)]) == 0
    table = capsys.readouterr().out
    assert row_of("paper-grid", table) == "paper-grid grid 3 cells"
    assert row_of("mine", table) == "mine code names code, not analysed"
    assert "FLOPs" not in table


def test_check_looks_at_every_spec_and_names_all_that_is_wrong(tmp_path, capsys):
    bad, worse, good = (tmp_path / f"{name}.yaml" for name in ("bad", "worse", "good"))
    bad.write_text(SMALL.replace("out: 5", "oit: 5"))
    worse.write_text(SMALL.replace("kernel: 3", "kernel: 3, padding: 0, dilation: 9"))
    good.write_text(SMALL)
    assert run(["check", str(bad), str(worse), "kanet", str(good)]) == 2
    captured = capsys.readouterr()
    first, second, third = captured.err.splitlines()
    assert first == f"kaoprof: {bad}:6 layers[1].oit: unknown key 'oit' (did you mean 'out'?)"
    assert second.startswith(f"kaoprof: {worse}:6 layers[1].kernel: nothing is left of a map of 8 x 12 ")
    assert third == "kaoprof: kanet: neither a file nor the name of a shipped spec (did you mean 'kanet-kv'?)"
    assert row_of("small", captured.out).startswith("small model")


def test_check_without_a_good_spec_prints_nothing_on_stdout(tmp_path, capsys):
    assert run(["check", str(tmp_path), str(tmp_path / "none.yaml")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"kaoprof: {tmp_path}: is a directory, not a spec (name one .yaml file in it)",
        f"kaoprof: {tmp_path}/none.yaml: no such file (`kaoprof list` names the shipped specs)",
    ]


def test_list_wraps_when_piped_as_other_tables_do(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["list"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    _, operators = text.split("operators, for")
    begun = {line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith(" ")}
    assert set(shelf()) | set(OPERATORS) <= begun
    assert "O(h^2 c)" in operators
    assert "\x1b" not in text


def test_list_as_json_holds_kind_description_and_source(capsys):
    assert run(["list", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [spec["name"] for spec in listed["specs"]] == list(shelf())
    assert {spec["kind"] for spec in listed["specs"]} == {"model", "operator", "grid"}
    assert [(row["name"], row["order_time"], row["order_memory"]) for row in listed["operators"][:4]] == [
        ("nonlocal", "O(h^4 c)", "O(h^4)"),
        ("nonlocal_pool", "O(h^4 c)", "O(h^4)"),
        ("kao_kv", "O(h^3 c)", "O(h^3)"),
        ("kao_qkv", "O(h^2 c)", "O(h^2)"),
    ]
    assert all(row[key] for rows in listed.values() for row in rows for key in ("kind", "description", "source"))


def test_list_wraps_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["list"]) == 0
    table = capsys.readouterr().out
    assert "─" in table
    assert "kao_qkv" in table


def test_list_refuses_an_unknown_format(capsys):
    assert run(["list", "--format", "jsn"]) == 2
    assert capsys.readouterr().err == "kaoprof: --format: unknown format 'jsn' (did you mean 'json'?)\n"


def test_schema_is_json_with_the_operators_names(capsys):
    assert run(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["$defs"]["AttentionDefaults"]["properties"]["type"]["examples"] == list(OPERATORS)


def test_init_writes_a_spec_that_check_accepts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[0] == "wrote my-model.yaml"
    assert captured.err.splitlines()[1].startswith("next: kaoprof check my-model.yaml")
    assert (tmp_path / "my-model.yaml").read_text() == starter_spec()
    assert list(tmp_path.iterdir()) == [tmp_path / "my-model.yaml"]  # no half-written file beside it
    assert run(["check", "my-model.yaml"]) == 0


@pytest.mark.parametrize("stem", ["my-model-2", "true", "12", "nan", "1e3", "Ünïcode", "two words", "~"])
def test_init_names_the_spec_after_its_file_and_it_is_valid_whatever_the_name(stem, tmp_path):
    path = tmp_path / f"{stem}.yml"
    assert run(["init", str(path)]) == 0
    document = load_spec(path)
    check_spec(document)
    assert document.spec.name == (stem if stem.isascii() and stem.replace("-", "").isalnum() else "my-model")


def test_init_keeps_a_file_unless_forced(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    assert run(["init", str(path)]) == 2
    assert capsys.readouterr().err == f"kaoprof: {path}: exists already (--force overwrites it)\n"
    assert path.read_text() == "precious"
    assert run(["init", str(path), "--force"]) == 0
    assert parse_spec(path.read_text(), file="mine").spec.name == "mine"


@pytest.mark.parametrize(
    ("file", "code", "message"),
    [
        ("notes.txt", 2, "a spec is a YAML file (name it notes.yaml)"),
        ("no/such/folder.yaml", 1, "there is no folder no/such (create it first)"),
        ("folder.yaml", 1, "is a folder (name a file in it)"),
    ],
)
def test_init_says_why_it_cannot_write(file, code, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    assert run(["init", file]) == code
    assert capsys.readouterr().err == f"kaoprof: {file}: {message}\n"


def test_init_on_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    path = tmp_path / "mine.yaml"
    assert run(["init", str(path)]) == 1
    assert capsys.readouterr().err == f"kaoprof: {path}: not written: No space left on device\n"
    assert list(tmp_path.iterdir()) == []


def test_wrong_specs_show_no_traceback_in_a_process_of_their_own(tmp_path):
    path = tmp_path / "bomb.yaml"
    path.write_text("!!python/object/apply:os.system ['touch executed']")
    done = subprocess.run([sys.executable, "-m", "kaoprof", "check", str(path)], capture_output=True, text=True,
                          cwd=tmp_path, check=False)  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"kaoprof: {path}:1: tag ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]

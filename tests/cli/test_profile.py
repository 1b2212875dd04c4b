"""`kaoprof profile` as a user meets it."""

import csv
import io

import pytest

from kaoprof.cli.app import run


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_last_row_is_the_total_and_equals_the_sum_of_the_leaves(capsys):
    assert run(["profile", "kanet-qkv", "--analytic", "--format", "csv"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows[-1]["layer"] == "TOTAL"
    leaves = [row for row in rows[:-1] if row["leaf"] == "1"]
    for column in ("macs_analytic", "params", "params_norm", "flops_all"):
        assert int(rows[-1][column]) == sum(int(row[column]) for row in leaves)
    assert int(rows[-1]["macs_analytic"]) == 281_119_392
    assert int(rows[-1]["params"]) == 3_449_448
    assert rows[-1]["macs_counted"] == rows[-1]["latency_s"] == ""


def test_the_tree_is_folded_and_unfolded(capsys):
    assert run(["profile", "kanet-qkv", "--analytic", "-v"]) == 0
    folded = capsys.readouterr().out
    assert run(["profile", "kanet-qkv", "--analytic", "--depth", "3"]) == 0
    unfolded = capsys.readouterr().out
    assert "layers inside these are folded" in folded
    assert len(unfolded.splitlines()) > 2 * len(folded.splitlines())


def test_swapping_the_operator_changes_the_count(capsys):
    assert run(["profile", "kanet-qkv", "--analytic", "--attention", "kao_kv", "--format", "csv"]) == 0
    assert int(rows_of(capsys.readouterr().out)[-1]["macs_analytic"]) == 288_413_728


@pytest.mark.usefixtures("quick_measuring")
def test_every_format_is_written(tmp_path, capsys):
    paths = [tmp_path / f"run.{suffix}" for suffix in ("csv", "json", "md", "tex")]
    outputs = [argument for path in paths for argument in ("-o", str(path))]
    arguments = ["profile", "kao-qkv-56", "kao-kv-56", "--size", "14", "--samples", "2", "--threads", "1", *outputs]
    assert run(arguments) == 0
    assert "kao-kv-56" in capsys.readouterr().out
    rows = rows_of(paths[0].read_text())
    assert [row["layer"] for row in rows].count("TOTAL") == 2
    for row in rows:
        assert row["macs_analytic"] == row["macs_counted"] == row["macs_fvcore"]
    assert r"\toprule" in paths[3].read_text()


def test_counting_without_measuring_runs_nothing(capsys):
    assert run(["profile", "kanet-qkv", "--no-measure", "--format", "csv"]) == 0
    total = rows_of(capsys.readouterr().out)[-1]
    assert total["macs_counted"] == total["macs_fvcore"] == "281119392"
    assert int(total["peak_bytes_predicted"]) > 0
    assert total["peak_bytes_measured"] == total["latency_s"] == ""


NAMED = """\
schema: 1
name: named
input: {channels: 3, size: [8, 8]}
layers:
  - {type: block, name: stage1, layers: [{type: conv, out: 4, kernel: 3}]}
  - {type: block, layers: [{type: conv, out: 5, kernel: 3}]}
"""


def test_a_block_is_shown_by_its_name(tmp_path, capsys):
    path = tmp_path / "named.yaml"
    path.write_text(NAMED)
    assert run(["profile", str(path), "--analytic", "--format", "csv"]) == 0
    types = {row["layer"]: row["type"] for row in rows_of(capsys.readouterr().out)}
    assert (types["layers.0"], types["layers.1"]) == ("stage1", "block")

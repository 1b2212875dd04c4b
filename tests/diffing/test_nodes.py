"""Nodes that did the same cells: counts are equal or not, times differ surely or not, and the page says so."""

import pytest
from model_samples import swept_models
from msgspec.structs import replace
from ray_stations import slowed
from sweeps import swept_record

from kaoprof.cli.app import run
from kaoprof.diffing.nodes import nodes_beside
from kaoprof.records.measured import dumps
from kaoprof.reporting.kinds import is_sound_report, warnings_of
from kaoprof.reporting.reported import report


def on_node(name, factor=1.0, *, record=None, **environment):
    """A record as that node would have left it, slower by a factor."""
    record = record or swept_record()
    rows = record.rows if factor == 1 else [slowed(row, factor) if row.latency else row for row in record.rows]
    return replace(record, rows=tuple(rows), environment=replace(record.environment, node=name, **environment))


def test_a_slower_node_is_told_by_how_much():
    (other,) = nodes_beside([on_node("a"), on_node("b", 1.5)])
    assert other.ratio == pytest.approx(1.5)
    assert 1.2 < other.low < 1.5 < other.high < 1.9  # three operators teach little of how runs differ
    assert {row.verdict for row in other.rows if row.time} == {"SLOWER"}
    assert other.unequal == other.elsewhere == []


def test_nodes_that_are_alike_are_not_surely_different():
    (other,) = nodes_beside([on_node("a"), on_node("b", 1.004)])
    assert other.low < 1 < other.high


def test_counts_that_differ_are_named(tmp_path, capsys):
    first, other = on_node("a"), on_node("b", device_name="another one")
    wrong = replace(other.rows[0], counted=replace(other.rows[0].counted, macs=1))
    other = replace(other, rows=(wrong, *other.rows[1:]))
    made = report(first, other)
    assert not is_sound_report(made)
    assert "b counts otherwise than a: nonlocal:matmul at 2 x 8 x 16 x 16" in warnings_of(made)[0]
    assert "2 nodes: counts differ in 1 row" in str(made)
    assert "b: device_name" in str(made)
    assert "-> another one" in str(made)
    assert is_sound_report(report(first, on_node("b")))
    made.save(tmp_path / "both.json")
    assert run(["report", str(tmp_path / "both.json"), "--format", "csv"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.endswith(",run")
    assert [line.rpartition(",")[2] for line in lines] == ["both a"] * 30 + ["both b"] * 30


def test_every_format_says_it(tmp_path):
    for name, record in (("a", on_node("a")), ("b", on_node("b", 1.5))):
        (tmp_path / f"{name}.json").write_text(dumps(record))
    files = [tmp_path / "run.md", tmp_path / "run.html"]
    report(tmp_path / "a.json", tmp_path / "b.json", to=files, plots=())
    for file in files:
        text = file.read_text()
        assert "b takes" in text
        assert "the time of a" in text


def test_models_are_compared_likewise():
    records = [on_node(name, record=swept_models()) for name in "ab"]
    (other,) = nodes_beside(records)
    assert other.unequal == other.elsewhere == []
    assert other.ratio == 1.0
    assert "2 nodes: counts are equal" in str(report(*records))

"""Every kind of result in Python: printed, shown in a notebook, as a data frame, as a file."""

import csv
import io
import sys

import pytest
from every_kind import every_kind
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from samples import measured_record
from test_pages import read

import kaoprof
from kaoprof.errors import KaoprofError
from kaoprof.records.reading import KINDS, load_records
from kaoprof.reporting.kinds import report_of, written


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return every_kind(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_prints_as_its_table_and_is_short_otherwise(records, kind, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    record = records[kind]
    text, short = str(record), repr(record)
    assert len(short) < 500
    assert type(record).__name__ in short
    assert len(text.splitlines()) > 3
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_notebook_it_is_a_part_of_the_page(records, kind):
    html = records[kind]._repr_html_()
    reader = read(html)
    assert {"table", "style"} <= set(reader.tags)
    assert not {"html", "body", "script", "link", "img"} & set(reader.tags)
    assert html.startswith('<div class="kaoprof">')


@pytest.mark.parametrize("kind", KINDS)
def test_a_data_frame_holds_what_the_csv_holds(records, kind):
    pandas = pytest.importorskip("pandas")
    record = records[kind]
    frame = record.to_pandas()
    header, *lines = csv.reader(io.StringIO(written(report_of(record), "csv")))
    assert list(frame.columns) == header
    assert len(frame) == len(lines)
    known = frame.map(lambda value: value is not None and not pandas.isna(value))
    for name, column in zip(header, zip(*lines, strict=True), strict=True):
        assert [cell != "" for cell in column] == [
            has and value != "" for has, value in zip(known[name], frame[name], strict=True)
        ], name
        for cell, value, has in zip(column, frame[name], known[name], strict=True):
            if has and isinstance(value, float):
                assert float(cell) == value


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_saved_as_the_suffix_says_and_read_again(records, kind, tmp_path):
    record = records[kind]
    for suffix in ("json", "csv", "md"):
        record.save(tmp_path / f"x.{suffix}")
        record.save(str(tmp_path / f"x.{suffix}"))  # once more: a cell of a notebook is run again
    assert load_records(tmp_path / "x.json") == (record,)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv", "x.json", "x.md"]


def test_without_pandas_a_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(KaoprofError, match=r"a data frame needs pandas \(pip install pandas\)"):
        measured_record().to_pandas()


def test_warnings_stand_below_the_table():
    uncounted = replace(model("small", 0.01), value_reads=2)
    assert "warning   ! small: values of its input decided" in str(profile_record(uncounted))


def test_records_and_files_are_reported_and_compared_alike(tmp_path):
    pytest.importorskip("pandas")
    old, new = measured_record(), replace(measured_record(), created="2026-01-02T00:00:00+00:00")
    old.save(tmp_path / "old.json")
    both = kaoprof.report(tmp_path / "old.json", [new], to=tmp_path / "both.csv", only={"c": old.rows[0].case.c})
    assert [run.name for run in both.runs] == ["old", "compare"]
    assert set(both.to_pandas()["run"]) == {"old", "compare"}
    assert "old" in str(both)
    assert len(repr(both)) < 500
    assert (tmp_path / "both.csv").read_text().count("compare") == len(new.rows)
    changed = kaoprof.diff(tmp_path / "old.json", new)
    assert [row.verdict for row in changed.rows] == [row.verdict for row in kaoprof.diff(old, new).rows]
    assert (changed.old.path, changed.new.path) == (str(tmp_path / "old.json"), "the new record")
    with pytest.raises(KaoprofError, match="is compared with itself"):
        kaoprof.diff(old, old)


def test_a_grid_is_swept_with_a_journal_or_without(tmp_path):
    options = kaoprof.Options(analytic=True)
    loose = kaoprof.sweep(h=[3, 4], c=4, operators="kao_qkv", options=options)
    kept = kaoprof.sweep(h=[3, 4], c=4, operators="kao_qkv", options=options, journal=tmp_path / "grid.jsonl")
    assert loose.rows == kept.rows
    assert [row.case.spatial for row in kept.rows if row.case.implementation == "sdpa"] == [(3, 3), (4, 4)]
    assert kaoprof.load_runs(tmp_path / "grid.jsonl")[0].record.rows == kept.rows

"""Runs are read back from whatever holds them: one per record, and per environment of a journal."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from samples import measured_record
from sweeps import ENVIRONMENT, PROTOCOL, cell_at, plan_of

from kaoprof.errors import RecordError
from kaoprof.records.journal import Finished, Header, Launch
from kaoprof.records.measured import dumps
from kaoprof.records.profile import ProfileRecord
from kaoprof.records.reading import load_records, load_runs
from kaoprof.sweeping.journal_file import Journal

NEWER = replace(ENVIRONMENT, torch="2.14.0")


def journal_at(path, *entries, heights=(3, 5, 7)):
    with Journal(path, Header(version="0.1.0", created="then", plan=plan_of(heights))) as journal:
        for entry in entries:
            journal.append(entry)
    return path


def launch(environment=ENVIRONMENT, version="0.1.0", **rest):
    return Launch(version=version, created=f"on {version}", environment=environment, protocol=PROTOCOL, **rest)


def cell(h, spent_s=1.0):
    return Finished(rows=cell_at(h), spent_s=spent_s)


def heights(record):
    return [row.case.spatial[0] for row in record.rows[::3]]


def test_a_journal_is_a_record_with_its_rows_in_grid_order(tmp_path):
    path = journal_at(tmp_path / "run.jsonl", launch(), cell(7), cell(3, spent_s=2.5), cell(5))
    (run,) = load_runs([path])
    assert (run.path, run.name) == (path, "run")
    assert heights(run.record) == [3, 5, 7]
    assert run.record.kind == "sweep"
    assert run.record.environment == ENVIRONMENT
    assert run.record.protocol.spent_s == 4.5
    assert not run.record.interrupted
    assert load_records(path)[-1] == run.record


def test_missing_cells_make_it_interrupted(tmp_path):
    path = journal_at(tmp_path / "run.jsonl", launch(), cell(7))
    assert load_records(path)[-1].interrupted
    nothing = load_records(journal_at(tmp_path / "none.jsonl"))[-1]
    assert nothing.interrupted
    assert nothing.rows == ()


def test_a_load_that_differs_makes_no_other_environment_but_torch_does(tmp_path):
    busy = replace(ENVIRONMENT, load_before=7.0)
    entries = [launch(), cell(3), launch(busy), cell(5), launch(NEWER), cell(7)]
    old, new = load_runs([journal_at(tmp_path / "run.jsonl", *entries)])
    assert (old.name, new.name) == ("run #1", "run #2")
    assert (heights(old.record), heights(new.record)) == ([3, 5], [7])
    assert (old.record.environment, new.record.environment) == (ENVIRONMENT, NEWER)
    assert not old.record.interrupted
    assert load_records(old.path)[-1] == new.record


def test_another_version_of_kaoprof_is_another_run(tmp_path):
    path = journal_at(tmp_path / "run.jsonl", launch(), cell(3), launch(version="0.2.0"), cell(5), cell(7))
    assert [run.record.version for run in load_runs([path])] == ["0.1.0", "0.2.0"]


def test_a_cell_that_was_tried_again_counts_once_and_the_last_time(tmp_path):
    failed = tuple(replace(row, status="error", detail="once", latency=None) for row in cell_at(3))
    path = journal_at(tmp_path / "run.jsonl", launch(), Finished(rows=failed), cell(5), cell(7), launch(NEWER), cell(3))
    old, new = load_runs([path])
    assert (heights(old.record), heights(new.record)) == ([5, 7], [3])
    assert {row.status for row in new.record.rows} == {"ok"}


def test_rates_that_depend_on_the_dtype_are_not_mixed_up(tmp_path):
    slow = replace(PROTOCOL, throughput_flops=1e9)
    entries = [launch(), cell(3), Launch(version="0.1.0", created="x", environment=ENVIRONMENT, protocol=slow), cell(5)]
    assert load_records(journal_at(tmp_path / "run.jsonl", *entries))[-1].protocol.throughput_flops is None


def test_an_extended_plan_decides_what_is_missing(tmp_path):
    entries = [launch(), cell(3), cell(5), cell(7), launch(plan=plan_of((3, 5, 7, 9)))]
    assert load_records(journal_at(tmp_path / "run.jsonl", *entries))[-1].interrupted
    assert not load_records(journal_at(tmp_path / "more.jsonl", *entries, cell(9)))[-1].interrupted


def test_records_of_compare_and_profile_are_told_apart(tmp_path):
    compared, profiled = tmp_path / "compare.json", tmp_path / "profile.json"
    compared.write_text(dumps(measured_record()))
    profile = ProfileRecord(version="0.1.0", created="x", mode="forward", dtype="fp32", device=None, models=())
    profiled.write_text(dumps(profile))
    assert load_records(compared)[-1] == measured_record()
    assert load_records(profiled)[-1] == profile
    with pytest.raises(RecordError, match=r"profile\.json: is a record of `profile`"):
        load_runs([compared, profiled])


def test_runs_of_the_same_name_are_called_by_their_path(tmp_path):
    paths = [tmp_path / "old" / "run.json", tmp_path / "new" / "run.json", tmp_path / "third.json"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text(dumps(measured_record()))
    assert [run.name for run in load_runs(paths)] == [str(paths[0]), str(paths[1]), "third"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (dumps(measured_record()).encode()[:-40], "this record is cut off or damaged"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is neither a record nor a journal of kaoprof"),
        (b"operator,macs\nnonlocal,3\n", "is neither a record nor a journal of kaoprof"),
        (b"[1]", "not a kaoprof record"),
        (b"[" * 200_000, "is neither a record nor a journal of kaoprof"),
        (b'{"schema": 1, "kind": {}}', "a record of kind {} cannot be read back"),
        (b'{"schema": 9, "kind": "compare"}', "schema 9, but this kaoprof reads schema 1"),
        (b'{"schema": 1, "kind": "explain"}', "this record is damaged"),
        (b'{"schema": 1, "kind": "other"}', "a record of kind 'other' cannot be read back"),
        (b'{"schema": 1, "kind": "compare", "rows": 3}', "this record is damaged"),
        (b'{"schema":9,"kind":"sweep","plan":{}}\n', "schema 9, but this kaoprof reads schema 1"),
        (b'{"schema":1,"kind":"sweep","version":"0', "ends within its first line"),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(content, message, tmp_path):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(RecordError) as error:
        load_runs([path])
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [str, Path])
def test_one_file_need_not_stand_in_a_list(kind, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(dumps(measured_record()))
    assert load_runs(kind(path)) == load_runs([path])


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RecordError, match=r"none\.json: there is no such file"):
        load_runs([tmp_path / "none.json"])

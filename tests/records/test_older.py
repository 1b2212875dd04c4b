"""What earlier versions left behind is read, shown and gone on with: records of every kind, and a journal cut short.

`golden/older` holds what kaoprof wrote before records were rebuilt, and its CSV of it at that time.
"""

import csv
import io
from pathlib import Path

import pytest
from sweeps import FakeSession, fake_measuring

from kaoprof.cli.app import run
from kaoprof.records.journal_reading import read_journal
from kaoprof.records.reading import KINDS, load_named
from kaoprof.sweeping import workplace
from kaoprof.sweeping.run import Sweep

OLDER = Path(__file__).parents[1] / "golden" / "older"
WIDENED = {"latency_low_s", "latency_high_s", "speedup_low", "speedup_high"}  # now they hold from run to run
OF_QUIET_TIME = {"times_floor", "bound", "bound_reason", "samples_per_s"}  # which were of the median


def as_csv(capsys, path):
    assert run(["report", str(path), "--format", "csv"]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_there_is_one_of_every_kind():
    assert {record.kind for _, _, record in load_named(sorted(OLDER.glob("*.json*")))} == set(KINDS)


@pytest.mark.parametrize("written", sorted(OLDER.glob("*.csv")), ids=lambda path: path.stem)
def test_its_csv_is_what_it_was_but_for_intervals_that_were_too_narrow(capsys, written):
    before = list(csv.DictReader(io.StringIO(written.read_text())))
    now = as_csv(capsys, next(OLDER.glob(f"{written.stem}.json*")))
    assert list(now[0])[: len(before[0])] == list(before[0])  # columns are appended, never renamed
    for old, new in zip(before, now, strict=True):
        alike = [name for name in old if name not in WIDENED | OF_QUIET_TIME]
        assert {name: new[name] for name in alike} == {name: old[name] for name in alike}
        assert not old.get("times_floor") or float(new["times_floor"]) <= float(old["times_floor"])
        for name in WIDENED & {name for name in old if old[name]}:
            wider = float(new[name]) <= float(old[name]) if "low" in name else float(new[name]) >= float(old[name])
            assert wider, name


def test_an_older_journal_that_was_cut_short_is_gone_on_with(tmp_path, monkeypatch):
    path = tmp_path / "sweep.jsonl"
    lines = (OLDER / "sweep.jsonl").read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:100])  # a header, a launch, one cell; the next one was cut off
    contents = read_journal(path)
    session = FakeSession(environment=contents.launches[0].environment)
    fake_measuring(lambda name, value: monkeypatch.setattr(workplace, name, value), session)
    outcome = Sweep(plan=contents.plan, path=path).run()
    assert (outcome.done, outcome.total) == (3, 3)
    assert [label.split(" ", 1)[1] for label in session.measured] == ["1 x 8 x 5 x 5"] * 2 + ["1 x 8 x 7 x 7"] * 2
    assert path.read_bytes().startswith(b"".join(lines[:3]))

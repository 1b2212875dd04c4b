"""What services that watch figures are given: the names stay, the units are theirs, and only runs have such figures."""

import json

import pytest
from diffs import made_run
from every_kind import every_kind
from msgspec.structs import replace
from rendered import runs
from samples import measured_record

from kaoprof.cli.app import run
from kaoprof.records.measured import dumps
from kaoprof.reporting.kinds import TRACKED, Report, written
from kaoprof.stats.timings import quiet_time

GITHUB, BENCHER = "github-action-benchmark", "bencher"


def entries(record, name):
    return json.loads(written(Report(runs=runs(record)), name))


def test_a_row_has_its_latency_its_peak_and_its_macs():
    record = measured_record()
    row = next(row for row in record.rows if row.latency)
    time = quiet_time(row.latency)
    document = entries(record, BENCHER)
    (metrics,) = [value for name, value in document.items() if name.startswith(f"{row.case.name}, ")]
    assert metrics["latency"]["value"] == pytest.approx(time.value * 1e9)
    assert metrics["latency"]["lower_value"] == pytest.approx(time.low * 1e9)
    assert metrics["peak-memory"] == {"value": row.peak_bytes_measured}
    assert metrics["macs"] == {"value": row.counted.macs}
    listed = entries(record, GITHUB)
    assert {entry["unit"] for entry in listed} == {"ns", "bytes", "MACs"}
    assert len({entry["name"] for entry in listed}) == len(listed) == sum(map(len, document.values()))
    (latency,) = [entry for entry in listed if entry["name"].startswith(row.case.name) and entry["unit"] == "ns"]
    assert latency["value"] == metrics["latency"]["value"]
    assert latency["range"].startswith("95 %: ")


def test_names_stay_the_same_from_run_to_run():
    assert entries(made_run(0), BENCHER).keys() == entries(made_run(1), BENCHER).keys()


def test_what_is_not_known_is_no_figure():
    record = measured_record()
    rows = tuple(
        replace(row, latency=None, counted=None, peak_bytes_measured=None, analytic=None) for row in record.rows
    )
    assert entries(replace(record, rows=rows), BENCHER) == {}
    assert entries(replace(record, rows=rows), GITHUB) == []


def test_only_runs_have_figures_to_watch(tmp_path, capsys):
    for kind, record in every_kind(tmp_path).items():
        path = tmp_path / f"{kind}.json"
        path.write_text(dumps(record), encoding="utf-8")
        code = run(["report", str(path), "--format", GITHUB])
        captured = capsys.readouterr()
        if kind in TRACKED:
            assert code == 0
            assert {"name", "unit", "value"} <= json.loads(captured.out)[0].keys()
        else:
            assert (code, captured.out) == (2, "")
            assert f"a record of {kind} has no figures to watch" in captured.err


def test_no_file_has_their_suffix(tmp_path, capsys):
    assert run(["compare", "--h", "4", "--c", "8", "--analytic", "-o", str(tmp_path / "run.bencher")]) == 2
    assert "bencher, " not in capsys.readouterr().err

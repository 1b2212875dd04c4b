"""`kaoprof reproduce` as a user meets it; its tables in every format."""

import csv
import io
import json

import pytest
from msgspec.structs import replace
from rendered import on_screen, written
from samples import grid_record, measured_record

from kaoprof.cli.app import run
from kaoprof.records.measured import dumps
from kaoprof.records.options import Options
from kaoprof.reproducing import reproduce

ON_PAPER = Options(analytic=True)


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.json").write_text(dumps(grid_record()))
    return tmp_path / "run.json"


@pytest.mark.parametrize("width", [80, 140])
def test_a_run_that_was_judged_has_a_line_for_each_claim(width, check_golden):
    text = on_screen(reproduce(run=replace(grid_record(), kind="sweep"), options=ON_PAPER), width)
    claims = [line for line in text.splitlines() if line[:1].isdigit()]
    assert len(claims) == len({line.split()[0] for line in claims}) == 9
    assert max(map(len, text.splitlines())) <= width
    check_golden(f"reproduce-{width}.txt", text)


def test_on_paper_the_console_is_complete_at_80_columns(check_golden):
    check_golden("reproduce-analytic-80.txt", on_screen(reproduce(options=ON_PAPER)))


@pytest.mark.parametrize("name", ["csv", "md", "tex"])
def test_each_file_format(check_golden, sweep, name):
    from pathlib import Path

    record = reproduce(run=Path(sweep.name))
    check_golden(f"reproduce.{name}", written(replace(record, created="2026-01-02T03:04:05+00:00"), name))


def test_a_run_is_judged_without_measuring(sweep, capsys):
    assert run(["reproduce", "--from", str(sweep), "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    status = {claim["number"]: claim["status"] for claim in record["claims"]}
    assert status["1c"] == "confirmed"  # its times follow theory by construction
    assert record["run"] == str(sweep)
    assert record["environment"]["device_name"] == "A Processor"


def test_the_csv_holds_every_figure_and_every_claim(capsys):
    assert run(["reproduce", "--analytic", "--format", "csv"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [sum(line["part"] == part for line in lines) for part in ("operators", "networks", "claims")] == [12, 10, 9]


def test_files_are_written(sweep, tmp_path):
    assert run(["reproduce", "--from", str(sweep), "-o", "r.md", "-o", "r.tex", "-o", "r.json", "-o", "r.csv"]) == 0
    assert r"\begin{tabular}{@{}llp{" in (tmp_path / "r.tex").read_text()
    assert "| 1c | confirmed |" in (tmp_path / "r.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--from", "none.json"], 1, "no such file"),
        (["--from", "run.json", "--analytic"], 2, "--analytic: excludes --from"),
        (["--from", "run.json", "--seed", "0"], 2, "--seed: excludes --from"),
        (["--from", "run.json", "--device", "cpu", "--budget", "5s"], 2, "--device: excludes --from"),
        (["--budget", "0s"], 2, "more than zero"),
        (["--analytic", "-o", "r.svg"], 2, "a record of reproduction has no picture"),
    ],
)
def test_what_is_wrong_is_one_line(sweep, capsys, arguments, code, message):
    del sweep
    assert run(["reproduce", *arguments]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_run_without_rows_is_refused(sweep, capsys):
    sweep.write_text(dumps(replace(measured_record(), rows=())))
    assert run(["reproduce", "--from", str(sweep)]) == 1
    assert "holds no rows" in capsys.readouterr().err


def test_strict_fails_on_what_is_refuted(sweep):
    assert run(["reproduce", "--analytic", "--strict"]) == 0

    def steeper(row):  # what should grow most slowly grows fastest
        if row.latency is None or row.case.operator != "kao_qkv":
            return row
        samples = tuple(seconds * row.case.spatial[0] ** 3 for seconds in row.latency.samples_s)
        return replace(row, latency=replace(row.latency, samples_s=samples))

    sweep.write_text(dumps(replace(grid_record(), rows=tuple(map(steeper, grid_record().rows)))))
    assert run(["reproduce", "--from", str(sweep), "--strict"]) == 1

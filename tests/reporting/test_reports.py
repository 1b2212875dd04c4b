"""Runs at many sizes in every text format: golden files, and what must hold for several runs at once."""

import csv
import io
import json

import msgspec
import pytest
from msgspec.structs import replace
from rendered import on_screen, page_on_screen, printed, reported, runs
from rendered import written as written_record
from samples import analytic_record, grid_record, measured_record

from kaoprof.errors import UsageError
from kaoprof.records.compare import Record
from kaoprof.reporting.document import Medium
from kaoprof.reporting.kinds import written as written_report
from kaoprof.reporting.plots.chart import panel_of
from kaoprof.reporting.plots.terminal import plot_to_console
from kaoprof.reporting.tables.grid import grid_of, narrowed
from kaoprof.reporting.tables.grid_rows import page_of


def written(suffix, *records):
    return written_report(reported(*records), suffix)


def grid_on_screen(record):
    return page_on_screen(page_of(grid_of(runs(record)), Medium.SCREEN))


@pytest.mark.parametrize("suffix", ["md", "tex"])
def test_a_grid_as_a_file(check_golden, suffix):
    check_golden(f"report-grid.{suffix}", written(suffix, grid_record()))


def test_a_grid_on_a_terminal(check_golden):
    text = grid_on_screen(grid_record())
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    check_golden("report-grid-80.txt", text)


@pytest.mark.parametrize(("signs", "unicode"), [("braille", True), ("ascii", False)])
def test_a_plot_on_a_terminal(check_golden, signs, unicode):
    grid = grid_of(runs(grid_record()))
    text = printed(plot_to_console(panel_of(grid, grid.blocks[0], "latency"), grid.x_label, "", 80, unicode=unicode))
    assert max(map(len, text.splitlines())) <= 80
    assert unicode or text.isascii() or "µ" in text
    check_golden(f"report-plot-{signs}.txt", text)


def test_one_size_has_no_plot_on_a_terminal():
    grid = grid_of(runs(measured_record()))
    assert plot_to_console(panel_of(grid, grid.blocks[0], "latency"), "h", "", 80, unicode=True) is None


def test_what_compare_writes_is_what_report_writes():
    assert written("csv", measured_record()) == written_record(measured_record(), "csv")
    assert written("md", measured_record()) == written_record(measured_record(), "md")


def test_the_json_of_one_run_is_its_record():
    assert msgspec.json.decode(written("json", grid_record()), type=Record) == grid_record()


def test_the_json_of_several_runs_holds_each_by_name():
    document = json.loads(written("json", grid_record(), measured_record()))
    assert [(run["name"], len(run["record"]["rows"])) for run in document["runs"]] == [("run1", 16), ("run2", 4)]


def test_rows_of_several_runs_carry_their_run_and_environment():
    elsewhere = replace(
        measured_record(), environment=replace(measured_record().environment, device_name="B Processor")
    )
    rows = list(csv.DictReader(io.StringIO(written("csv", measured_record(), elsewhere))))
    assert [row["run"] for row in rows] == ["run1"] * 4 + ["run2"] * 4
    assert rows[0]["env"].startswith("A Processor")
    assert rows[7]["env"].startswith("B Processor")


def test_a_grid_runs_along_the_height_and_says_what_stays():
    grid = grid_of(runs(grid_record()))
    assert (grid.x, grid.x_label, grid.cells, len(grid.blocks)) == ("h", "h = w", 4, 1)
    assert grid.title == "batch=8, c=8, heads=1, fp32, forward, cpu, projection=value, scale=sqrt"


def test_what_else_varies_makes_blocks():
    record = grid_record()
    wider = tuple(replace(row, case=replace(row.case, c=64)) for row in record.rows)
    grid = grid_of(runs(replace(record, rows=record.rows + wider)))
    assert [block.label for block in grid.blocks] == ["c=8", "c=64"]
    assert [len(block.rows) for block in grid.blocks] == [16, 16]


def test_the_axis_can_be_chosen_and_must_be_there():
    record = grid_record()
    wider = tuple(replace(row, case=replace(row.case, c=64)) for row in record.rows)
    both = runs(replace(record, rows=record.rows + wider))
    assert len(grid_of(both, "c").blocks) == 4
    with pytest.raises(UsageError, match="did you mean 'batch'"):
        grid_of(both, "bach")


def test_a_width_of_its_own_is_a_block_of_its_own():
    record = grid_record()
    oblong = tuple(replace(row, case=replace(row.case, spatial=(row.case.spatial[0], 7))) for row in record.rows)
    grid = grid_of(runs(replace(record, rows=oblong)))
    assert (grid.x_label, grid.fixed["w"]) == ("h", 7)


def test_only_the_cells_that_were_asked_for():
    (run,) = runs(grid_record())
    assert len(narrowed(run, {"h": {"14", "28"}}).record.rows) == 8
    assert narrowed(run, {"batch": {"1"}}).record.rows == ()
    with pytest.raises(UsageError, match="did you mean 'dtype'"):
        narrowed(run, {"dtyp": {"fp32"}})


def test_an_analytic_grid_shows_maps_and_no_time():
    sizes = [
        replace(row, case=replace(row.case, spatial=(h, h))) for h in (7, 14, 28, 56) for row in analytic_record().rows
    ]
    text = written("tex", replace(analytic_record(), rows=tuple(sizes)))
    assert "MACs & Map & MACs & Map & MACs & Map" in text
    assert "Latency" not in text


def unsure(record):
    """The record with kao_qkv from a twentieth to five times the baseline's time, process by process: who knows?"""
    baseline = {row.case.spatial: row.latency for row in record.rows if row.case.name == "nonlocal:sdpa"}

    def scattered(row):
        if row.case.operator != "kao_qkv":
            return row
        times = zip(baseline[row.case.spatial].samples_s, (*(0.05, 5.0, 0.5) * 3, 0.05), strict=True)
        samples = tuple(seconds * factor for seconds, factor in times)
        return replace(row, latency=replace(row.latency, samples_s=samples, launches=(*(1, 2, 3) * 3, 1)))

    return replace(record, rows=tuple(map(scattered, record.rows)))


def test_a_speedup_that_may_be_a_loss_is_not_given_by_a_sweep():
    text = on_screen(replace(unsure(grid_record()), kind="sweep"))
    (row, *_) = [line for line in text.splitlines() if line.startswith("kao_qkv ")]
    assert row.rstrip().endswith(" ?")


@pytest.mark.parametrize("form", ["screen", "md", "tex"])
def test_a_speedup_that_may_be_a_loss_is_not_given(form):
    record = unsure(grid_record())
    if form == "screen":
        text, mark = grid_on_screen(record), "kao_qkv:"
    else:
        text, mark = written(form, record), "kao\\_qkv:" if form == "md" else "14 & "
    row = next(line for line in text.splitlines() if mark in line)
    assert row.rstrip(" |\\").endswith(" -")
    assert "contains 1 and is wider than the speedup" in " ".join(text.split())
    assert "contains 1" not in written("md", grid_record())


def test_what_growth_tables_have_in_common_is_told_once():
    record = grid_record()
    wider = tuple(replace(row, case=replace(row.case, c=64)) for row in record.rows)
    text = written("tex", replace(record, rows=record.rows + wider))
    assert text.count("Growth with h") == 2
    assert text.count("Exponents by regression") == 1


def test_digits_come_from_the_spread():
    """Ten samples of one process, from 30 ms on: 27 to 33 ms, so the unit's digit is the last."""
    assert r"30\,ms$^\dagger$" in written("tex", grid_record())

"""Reports of a sweep of models: what is shown, chosen, plotted and written."""

import csv
import io
import json
import re

import pytest
from model_samples import model_row, skipped, swept_models
from msgspec.structs import replace
from rendered import on_screen, runs
from test_pages import read

from kaoprof.cli.app import run
from kaoprof.errors import UsageError
from kaoprof.records.measured import dumps
from kaoprof.reporting import kinds
from kaoprof.reporting.plots.model_chart import panels_of
from kaoprof.reporting.plots.models_live import live_models
from kaoprof.reporting.reported import report_on
from kaoprof.reporting.tables.model_blocks import model_blocks


def reported(*records, x=None, quantities=None, **only):
    wanted = {name: frozenset(values.split(",")) for name, values in only.items()}
    return report_on(runs(*records), x=x, quantities=quantities, only=wanted)


def panels(*records, x=None, quantities=None, **only):
    report = reported(*records, x=x, quantities=quantities, **only)
    return panels_of(model_blocks(report.runs), x, quantities)


def crowd():
    """Twenty models on one input: of each 100 MACs more than the one before it, and nobody is faster than the 4th."""
    record = swept_models()
    row = model_row("small", 8, 1)
    rows = []
    for number in range(20):
        total = replace(row.profile.total, macs_counted=100 * (number + 1), macs_analytic=100 * (number + 1))
        latency = replace(row.profile.latency, samples_s=(1e-3 * (10 + 4 * abs(number - 3)),) * 10)
        ran = replace(row.profile, model=f"m{number}", layers=(total,), latency=latency)
        rows.append(replace(row, profile=ran, case=replace(row.case, model=f"spec{number}")))
    return replace(record, rows=tuple(rows))


@pytest.mark.parametrize("suffix", ["md", "tex", "csv"])
def test_a_sweep_of_models_in_a_file(suffix, check_golden):
    check_golden(f"models.{suffix}", kinds.written(reported(swept_models()), suffix))


def test_every_line_fits_a_terminal():
    assert max(map(len, on_screen(swept_models(), 80, verbose=True).splitlines())) <= 80


def test_the_columns_are_those_of_a_profile_with_size_and_throughput():
    rows = list(csv.DictReader(io.StringIO(kinds.written(reported(swept_models()), "csv"))))
    first, last = rows[0], rows[-1]
    assert (first["layer"], first["model"], first["size"], first["batch"], first["macs_counted"]) == (
        "TOTAL", "small", "8", "1", str(100 * 8 * 8),
    )  # fmt: skip
    assert float(first["samples_per_s"]) == pytest.approx(1 / float(first["quiet_s"]))
    assert (last["status"], last["latency_s"], last["samples_per_s"], last["peak_bytes_measured"]) == (
        "skipped", "", "", "",
    )  # fmt: skip
    assert int(last["peak_bytes_predicted"]) > 0


def test_only_some_rows():
    chosen = reported(swept_models(), model="small,heavy", size="8", batch="1").runs[0].record.rows
    assert [(row.profile.model, row.size, row.case.b) for row in chosen] == [("small", (8,), 1), ("heavy", (8,), 1)]
    assert len(reported(swept_models(), status="skipped").runs[0].record.rows) == 1
    assert [run.name for run in reported(swept_models(), crowd(), model="m3").runs] == ["run2"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"model": "smal"}, "no row has the model 'smal'.*did you mean 'small'"),
        ({"size": "9"}, "no row has the size '9'.*there is 16, 32, 8"),
        ({"h": "8"}, "'h' is nothing that models are chosen by"),
        ({"model": "small", "status": "skipped"}, "no row is like that"),
        ({"x": "sizes"}, "'sizes' is no axis of a sweep of models.*did you mean 'size'"),
        ({"quantities": ("latency", "map")}, "has no plot of map.*latency, memory, macs"),
        ({"quantities": ("roofline",)}, "has no plot of roofline"),
    ],
)
def test_what_is_not_there_is_said(asked, message):
    with pytest.raises(UsageError) as told:
        reported(swept_models(), **asked)
    assert re.search(message, str(told.value))


def test_by_default_latency_against_macs_batch_and_size():
    ((macs, batch, size),) = panels(swept_models())
    assert [(panel.axis, panel.quantity) for panel in (macs, batch, size)] == [
        ("macs", "latency"), ("batch", "latency"), ("size", "latency"),
    ]  # fmt: skip
    assert {spot.row.case.b for spot in macs.spots} == {1}  # the smallest batch
    assert [trace.model for trace in macs.traces] == ["small", "wide", "heavy"]
    assert [spot.x for spot in macs.traces[1].spots] == [300 * 8 * 8, 300 * 16 * 16, 300 * 32 * 32]
    assert [[spot.name for spot in front] for front in macs.fronts] == [["small", "wide"]] * 3
    assert {(trace.model, trace.size) for trace in batch.traces} >= {("small", "8"), ("heavy", "32")}
    lost = [spot for trace in batch.traces for spot in trace.spots if spot.lost]
    assert [(spot.name, spot.x, spot.value) for spot in lost] == [("heavy", 4, None)]


def test_what_is_plotted_can_be_chosen():
    ((memory,),) = panels(swept_models(), x="size", quantities=("memory",))
    assert [trace.exponent for trace in memory.traces] == pytest.approx([2.0, 2.0, 2.0])
    ((macs,),) = panels(swept_models(), quantities=("macs",), size="8,16,32")
    assert (macs.axis, macs.quantity) == ("size", "macs")
    with pytest.raises(UsageError, match="nothing that could be plotted so"):
        panels(swept_models(), x="macs", quantities=("macs",))
    unsized = replace(swept_models(), rows=tuple(map(skipped, swept_models().rows[:3])))
    ((peaks,),) = panels(unsized)
    assert (peaks.quantity, peaks.title) == ("memory", "predicted peak memory")


def test_several_runs_are_several_rows_of_panels():
    both = panels(swept_models(), swept_models())
    assert [row[1].label for row in both] == ["run1, fp32, forward", "run2, fp32, forward"]


def test_a_page_answers_first_and_its_plots_hold_their_data():
    text = kinds.written(reported(swept_models()), "html")
    page = read(text)
    places = [text.index(part) for part in ("class=answer", "<h2>Plots", "<h2>Table", "<h2>How it grows", "To sweep")]
    assert places == sorted(places)
    (data,) = [json.loads(value) for _, name, value in page.attributes if name == "data-plot"]
    macs, batch, size = data["panels"]
    assert (macs["x"], batch["x"], size["x"]) == ("MACs per sample", "batch", "side s of the input")
    curve = next(curve for curve in macs["curves"] if curve["name"] == "small")
    assert curve["marks"][0]["at"] == "6.40 k"
    assert "samples/s" in curve["marks"][0]["text"]
    assert sum(curve["keys"] == ["nobody beats these"] for curve in macs["curves"]) == 3
    assert "kaoprof sweep small wide heavy --size 8,16,32 --batch 1,4" in text


def test_without_plots_the_page_has_none():
    assert "data-plot" not in kinds.written(reported(swept_models(), quantities=()), "html").partition("<script>")[0]


def test_of_many_models_only_who_is_unbeaten_has_a_colour():
    (row,) = panels(crowd())
    (panel,) = live_models(row).panels
    groups = {curve.name: curve.keys for curve in panel.curves if curve.marks}
    assert {name for name, keys in groups.items() if keys == ("nobody beats these",)} == {"m0", "m1", "m2", "m3"}
    assert len(groups) == 20


@pytest.mark.parametrize("asked", [[], ["--x", "batch"], ["--plot", "latency,memory"], ["--width", "3.4in"]])
def test_a_picture_is_drawn(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.json").write_text(dumps(swept_models()))
    assert run(["report", "models.json", "--to", "x.png", *asked]) == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")

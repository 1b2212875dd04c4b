"""Plots: what they show is checked on their data and on their SVG, whose text is text."""

import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from msgspec.structs import replace
from profile_samples import code, model, trained
from profile_samples import record as profile_record
from samples import analytic_record, grid_record, measured_record

from kaoprof.records.measured import Ceilings, Copy, Traffic
from kaoprof.reporting.plots import crowd, style
from kaoprof.reporting.plots.bars import plot_layers
from kaoprof.reporting.plots.chart import panel_of, quantities_of
from kaoprof.reporting.plots.files import figures_of, inline_svg, to_pdf, to_png, to_svg
from kaoprof.reporting.tables.grid import NamedRun, grid_of

SVG = "{http://www.w3.org/2000/svg}"
OUTSIDE = re.compile(r"(?:https?:)?//")


def grid(record):
    return grid_of([NamedRun(name="run", record=record)])


def texts(svg):
    return ["".join(node.itertext()).strip() for node in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own


def panel(quantity, record=None):
    found = grid(record or grid_record())
    return panel_of(found, found.blocks[0], quantity)


def test_a_figure_names_every_curve_every_size_and_every_slope():
    found = texts(to_svg(figures_of(grid(grid_record()))))
    assert {"nonlocal:matmul", "nonlocal:sdpa", "kao_kv:matmul", "kao_qkv:matmul", "theory", "skipped"} <= set(found)
    assert {"14", "28", "56", "112", "h = w", "latency", "MACs per sample"} <= set(found)
    assert {re.sub(r"\s", "", text) for text in found} >= {"h4", "h3", "h2"}


def test_guides_have_the_exponents_of_theory_and_pass_through_the_last_point_of_the_costliest():
    guides = panel("latency").guides
    assert [guide.exponent for guide in guides] == [4, 3, 2]
    assert {guide.x for guide in guides} == {112}
    slowest = next(
        curve for curve in panel("latency").curves if curve.operator == "nonlocal" and len(curve.points) == 4
    )
    assert guides[0].value == slowest.points[-1].value


def test_counts_that_are_equal_are_one_curve_and_measurements_are_not():
    names = [curve.name for curve in panel("macs").curves]
    assert names == ["nonlocal", "kao_kv:matmul", "kao_qkv:matmul"]
    assert len(panel("latency").curves) == 4


def test_a_skipped_row_stands_at_its_predicted_memory_below_the_limit_that_it_broke():
    memory = panel("memory")
    (lost,) = memory.curves[0].lost
    assert (lost.x, lost.status) == (112, "skipped")
    assert lost.value == 630_210_560 * 2**4
    assert memory.limit == pytest.approx(0.8 * 20 * 2**30)


def test_theory_starts_where_the_data_do_and_what_overhead_bends_is_shown_so():
    record = grid_record()
    slow = {14: 0.00012, 28: 0.00013}  # a call's overhead, whatever the size
    bent = panel("latency", replace(record, rows=tuple(with_overhead(row, slow) for row in record.rows)))
    ends = {curve.name: curve.overhead_to for curve in bent.curves}
    assert ends == {"nonlocal:matmul": None, "nonlocal:sdpa": None, "kao_kv:matmul": None, "kao_qkv:matmul": 28}
    curve = next(curve for curve in bent.curves if curve.overhead_to)
    assert [x for x, _ in curve.bent] == pytest.approx([14, 28, math.sqrt(28 * 56)])
    (figure,) = figures_of(grid(replace(record, rows=tuple(with_overhead(row, slow) for row in record.rows))))
    assert "mostly a call's overhead" in texts(to_svg([figure]))
    theory = [line for line in figure.axes[0].get_lines() if line.get_color() == style.GREY and not line.get_alpha()]
    assert [line.get_xdata()[0] for line in theory] == [14, 14, 14]
    assert "mostly a call's overhead" not in texts(to_svg(figures_of(grid(record))))


def with_overhead(row, seconds_at):
    extra = seconds_at.get(row.case.spatial[0], 0.00012) if row.case.operator == "kao_qkv" else 0.0
    if row.latency is None:
        return row
    latency = replace(row.latency, samples_s=tuple(sample + extra for sample in row.latency.samples_s))
    return replace(row, latency=latency)


def test_without_measurement_the_map_stands_for_memory():
    assert quantities_of(grid(analytic_record())) == ["map", "macs"]
    assert quantities_of(grid(grid_record())) == ["latency", "memory", "macs"]


@pytest.mark.parametrize(
    "write", [to_svg, *(pytest.param(write, marks=pytest.mark.slow) for write in (to_pdf, to_png))]
)
def test_the_same_runs_give_the_same_file(write):
    assert write(figures_of(grid(grid_record()))) == write(figures_of(grid(grid_record())))


def test_a_pdf_embeds_truetype_and_tells_no_time():
    pdf = to_pdf(figures_of(grid(grid_record())))
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf


def test_figures_fit_the_columns_of_a_paper():
    (whole,) = figures_of(grid(grid_record()))
    (one,) = figures_of(grid(grid_record()), ["latency"])
    assert (whole.get_size_inches()[0], one.get_size_inches()[0]) == (7.0, 3.3)


def test_many_blocks_become_several_pages():
    record = grid_record()
    rows = tuple(replace(row, case=replace(row.case, c=c)) for c in range(8, 64, 8) for row in record.rows)
    assert len(figures_of(grid(replace(record, rows=rows)), ["macs"])) == 2


def test_a_single_cell_is_drawn_as_bars_with_the_reason_where_nothing_was_measured():
    found = texts(to_svg(figures_of(grid(measured_record()))))
    assert {"nonlocal:matmul", "kao_qkv:matmul", "skipped", "601 MiB (skipped)", "30 ms"} <= set(found)


def test_a_profile_is_drawn_by_layer():
    found = texts(to_svg([plot_layers(profile_record(model("small", 0.01)))]))
    assert {"stem conv", "body block", "MACs", "time", "peak memory (KiB)"} <= set(found)


def test_a_peak_between_the_layers_is_drawn_too():
    figure = plot_layers(profile_record(code("mine", 0.01)))  # two layers: its own operations, and a list of modules
    memory = figure.axes[2]
    (inside,) = memory.patches
    (whole,) = memory.lines
    assert inside.get_width() == 160  # KiB, of the fullest module in the list
    assert list(whole.get_xdata()) == [500, 500]
    assert memory.get_xlim() == (0, 525)
    assert [text.get_text() for text in memory.texts] == ["not known"]
    assert memory.get_xlabel() == "peak memory (KiB)\ndashed: model 500 KiB"


def test_where_nothing_is_known_a_panel_says_so_and_has_no_axis():
    timeless = plot_layers(trained(model("small", 0.01))).axes[1]
    assert [text.get_text() for text in timeless.texts] == ["not timed in training"]
    assert list(timeless.get_xticks()) == []
    unknown = {"peak_bytes_measured": None, "peak_bytes_predicted": None, "latency_share": None}
    layers = tuple(replace(row, **unknown) for row in model("small", 0.01).layers)
    figure = plot_layers(profile_record(replace(model("small", 0.01), layers=layers, latency=None)))
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert said == [[], ["not measured"], ["not known"]]
    assert [len(axes.get_xticks()) for axes in figure.axes[1:]] == [0, 0]


def test_peaks_that_were_only_predicted_are_called_so():
    memory = plot_layers(trained(model("small", 0.01))).axes[2]
    assert memory.get_xlabel() == "predicted peak memory (KiB)\ndashed: model 250 KiB"


@pytest.mark.parametrize("name", [r"$\frac{1}{0}$", "a$b", "$$", r"\input{x}", "_^_", "x\ny", r"\$x", "模型"])
def test_a_name_is_no_mathematics(name):
    record = measured_record()
    rows = tuple(replace(row, case=replace(row.case, operator=name)) for row in record.rows)
    found = texts(to_svg(figures_of(grid(replace(record, rows=rows)))))
    assert f"{' '.join(name.split())}:matmul" in found


def test_an_inline_plot_refers_to_nothing_outside_and_takes_the_pages_ink():
    svg = inline_svg(figures_of(grid(grid_record()))[0])
    assert svg.startswith("<svg")
    assert not OUTSIDE.search(svg)
    assert "currentColor" in svg


def with_ceilings(record):
    """10 GB/s from memory, 20 GB/s from the cache, 100 GFLOP/s; every row moves what it must, in 5 operations."""
    copies = (Copy(moved_bytes=10**6, seconds=5e-5), Copy(moved_bytes=10**8, seconds=1e-2))
    ceilings = Ceilings(created="2026-01-02T03:04:05+00:00", copies=copies, products={"fp32": 1e11}, launch_s=1e-6)
    rows = tuple(
        replace(row, traffic=Traffic(operations=5, moved_bytes=row.analytic.compulsory_bytes)) for row in record.rows
    )
    return replace(record, rows=rows, protocol=replace(record.protocol, ceilings=ceilings))


def test_a_roofline_has_the_devices_ceilings_and_a_dot_for_each_row_that_was_measured():
    shown = grid(with_ceilings(grid_record()))
    (figure,) = figures_of(shown, ("roofline",))
    found = texts(to_svg([figure]))
    assert {"memory 10.0 GB/s (line), cache 20.0 GB/s (dots)", "products 100 GFLOP/s"} <= set(found)
    dots = {}
    for line in figure.axes[0].get_lines():
        if line.get_marker() != "None":
            dots.setdefault(line.get_marker(), []).append((line.get_xdata()[0], line.get_ydata()[0]))
    assert [len(places) for places in dots.values()] == [7, 4, 4]  # of nonlocal's two one was not measured
    row = shown.rows[-1].standing
    flops = 8 * row.row.counted.flops_all
    intensity, rate = dots["^"][-1]
    assert rate == pytest.approx(flops / row.latency.value)
    assert intensity == pytest.approx(flops / row.row.analytic.compulsory_bytes)


def test_of_many_operators_each_is_named_at_its_dots(monkeypatch):
    monkeypatch.setattr(crowd, "MANY", 2)
    shown = grid(with_ceilings(grid_record()))
    (figure,) = figures_of(shown, ("roofline",))
    measured = {row.standing.row.case.name for row in shown.rows if row.standing.latency}
    named = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert measured <= set(named)
    assert len({named[name] for name in measured if name.startswith("kao_qkv")}) == 1
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert all(text.startswith("MACs") for text in legend)


def test_without_ceilings_there_is_no_roofline():
    assert figures_of(grid(analytic_record()), ("roofline",)) == []


def test_plots_leave_no_global_state():
    script = (
        "import sys, matplotlib; from kaoprof.reporting.plots import files; "
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules; "
        "print(matplotlib.rcParams['svg.fonttype'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "path"

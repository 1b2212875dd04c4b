"""Pages: whole HTML, nothing from outside, tables that can be sorted; read with the standard library's parser."""

import base64
import hashlib
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from rendered import reported
from samples import analytic_record, grid_record, measured_record

from kaoprof.reporting.formats import html
from kaoprof.reporting.kinds import written

VOID = {"meta", "input", "br", "img", "link"}
SVG_ALONE = {"path", "use", "rect"}


class Reader(HTMLParser):
    """Checks that what opens closes, and collects tags, attributes and texts."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts, self.rows = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"} and self.rows:
            self.rows[-1].append((dict(attrs), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if {"td", "th"} & set(self.open):
            attributes, text = self.rows[-1][-1]
            self.rows[-1][-1] = (attributes, text + data)


def page(*records, quantities=None):
    return written(reported(*records, quantities=quantities), "html")


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


RECORDS = {
    "grid": lambda: [grid_record()],
    "cell": lambda: [measured_record()],
    "analytic": lambda: [analytic_record()],
    "two-runs": lambda: [grid_record(), measured_record()],
    "profile": lambda: [profile_record(model("small", 0.01))],
}


@cache
def whole_page(name):
    """A page with its plots, drawn once for all tests that look at it."""
    return page(*RECORDS[name]())


@pytest.mark.parametrize("kind", RECORDS)
def test_a_page_is_whole_and_refers_to_nothing_outside(kind):
    text = whole_page(kind)
    reader = read(text)
    assert reader.tags.count("script") == 1
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(reader.tags)
    for _, name, value in reader.attributes:
        assert not re.search(r"(?:https?:)?//", value), value
        assert name not in {"src", "action"}
        assert not name.startswith("on")
        assert "href" not in name or value.startswith("#")
    assert not re.search(r"@import|url\((?!#)", text)


def test_what_is_embedded_is_the_library_as_it_was_published_under_its_licence():
    folder = Path(html.__file__).parents[1] / "page" / "uplot"
    published = "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"  # of uPlot 1.6.32, in npm's registry
    assert hashlib.sha256((folder / "uPlot.iife.min.js").read_bytes()).hexdigest() == published
    text = whole_page("grid")
    assert (folder / "LICENSE").read_text() in text
    assert "uPlot" not in page(grid_record(), quantities=())


def test_answers_come_first_then_warnings_then_plots_then_the_table():
    text = whole_page("grid")
    places = [text.index(part) for part in ("class=answer", "class=warn", "<h2>Plots", "<h2>Table")]
    assert places == sorted(places)


def test_data_in_a_page_is_that_of_its_plot_and_nothing_in_it_is_markup():
    (data,) = [json.loads(value) for _, name, value in read(whole_page("grid")).attributes if name == "data-plot"]
    latency = data["panels"][0]
    curve = next(curve for curve in latency["curves"] if curve["name"] == "kao_kv:matmul")
    assert [mark["x"] for mark in curve["marks"]] == [14, 28, 56, 112]
    assert curve["marks"][2]["y"] == pytest.approx(0.002)
    assert curve["marks"][2]["text"] == "2.00 ms (95 %: 1.75 ms to 2.32 ms)"
    assert [guide[0] for guide in latency["guides"]] == [4, 3, 2]
    shown = html.figure("<svg></svg>", "caption", data={"name": ["</script>'\"<b>\u202e"]})
    (value,) = [value for _, name, value in read(shown).attributes if name == "data-plot"]
    assert json.loads(value) == {"name": ["</script>'\"<b>\\u202e"]}
    assert "<b>" not in shown


def test_bars_say_their_values_without_a_script():
    titles = re.findall(r"<title>([^<]*)</title>", whole_page("cell"))
    assert "kao_kv:matmul: 2.00 ms (95 %: 1.75 ms to 2.32 ms)" in titles
    assert "nonlocal:matmul: 601 MiB predicted" in titles
    layers = re.findall(r"<title>([^<]*)</title>", whole_page("profile"))
    assert {"stem conv: 100 MACs", "body block: 75 % of the time", "body block: 200 KiB"} <= set(layers)


def test_the_browser_is_told_to_refuse_every_other_script():
    text = whole_page("cell")
    (policy,) = [value for _, name, value in read(text).attributes if name == "content" and "default-src" in value]
    script = text.partition("<script>")[2].partition("</script>")[0]
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{known}'" in policy


def test_every_row_is_in_the_table_and_is_sorted_by_its_value():
    rows = read(whole_page("grid")).rows
    header = next(row for row in rows if {"operator", "predicted peak"} <= {text for _, text in row})
    names = [text for _, text in header]
    body = [row for row in rows if len(row) == len(header) and row is not header]
    assert len(body) == len(grid_record().rows)
    values = [float(row[names.index("latency")][0]["data-v"] or "nan") for row in body[:4]]
    assert values == pytest.approx([0.2 / 256, 0.03 / 256, 0.002 / 64, 0.00015 / 16])
    skipped = next(row for row in body if row[names.index("status")][1] == "skipped")
    assert skipped[names.index("latency")] == ({"data-v": ""}, "skipped")


def test_a_page_without_plots_is_made_without_matplotlib():
    assert "<svg" not in page(grid_record(), quantities=())
    assert "<svg" in whole_page("grid")


def test_a_page_tells_how_to_measure_it_again():
    text = "".join(read(whole_page("grid")).texts)
    command = next(line for line in text.splitlines() if line.startswith("kaoprof compare --"))
    assert "--h 14,28,56,112 --c 8 --batch 8" in command
    assert "--operators nonlocal:matmul,nonlocal:sdpa,kao_kv:matmul,kao_qkv:matmul" in command
    assert "--budget 10s" in command
    assert "--threads 2" in command


def test_compiled_rows_are_asked_for_by_a_flag():
    record = measured_record()
    compiled = replace(record.rows[3], case=replace(record.rows[3].case, implementation="matmul+compile"))
    text = "".join(read(page(replace(record, rows=(record.rows[3], compiled)), quantities=())).texts)
    assert "--operators kao_qkv:matmul --compile --projection value" in text


def test_cells_that_are_no_full_grid_take_several_commands():
    record = grid_record()
    small = tuple(replace(row, case=replace(row.case, c=64)) for row in record.rows[:4])
    commands = re.findall(r"kaoprof compare [^\n<]*", page(replace(record, rows=record.rows + small), quantities=()))
    assert {re.search(r"--h \S+ --c \S+", command)[0] for command in commands} == {
        "--h 14 --c 64", "--h 14,28,56,112 --c 8",
    }  # fmt: skip


def test_images_and_sequences_in_one_journal_take_a_command_each():
    record = grid_record()
    lines = tuple(replace(row, case=replace(row.case, spatial=(77,))) for row in record.rows[:4])
    commands = re.findall(r"kaoprof compare [^\n<]*", page(replace(record, rows=record.rows + lines), quantities=()))
    assert {re.search(r"--[hn] \S+", command)[0] for command in commands} == {"--n 77", "--h 14,28,56,112"}


def test_a_page_explains_what_was_not_measured():
    text = " ".join(read(whole_page("grid")).texts)
    assert "nonlocal:matmul at 8 x 8 x 112 x 112: predicted not to fit: needs 9.39 GiB" in text

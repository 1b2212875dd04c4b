"""Every kind of record in every format: from the command that made it, and from `report`."""

import csv
import io
import json
import re
from pathlib import Path

import msgspec
import pytest
from every_kind import every_kind
from msgspec.structs import replace
from rendered import on_screen, printed
from samples import measured_record
from test_pages import read

from kaoprof.cli.app import run
from kaoprof.cli.finish import finish
from kaoprof.errors import UsageError
from kaoprof.records import reading
from kaoprof.reporting import kinds

CONTENT = {  # a name and a figure of each: as people read it, and as files hold it
    "compare": ("kao_kv:matmul", "5.63 M", "5626880"),
    "sweep": ("kao_kv:matmul", "178 MiB", "0.01672"),
    "models": ("wide", "76.80 k", "76800"),
    "profile": ("attention", "200 KiB", "204800"),
    "fit": ("kao_qkv:matmul", "6345", "6345"),
    "cross": ("kao_kv", "2.70x", "2.7"),
    "fit-models": ("small", "255", "267386880"),
    "diff": ("nonlocal_pool:matmul", "+10 %", "nonlocal_pool:matmul"),
    "reproduction": ("kanet-qkv", "281.12 M", "281119392"),
    "explain": ("1st bmm", "13.46 k", "13456"),
}
TEXTS, PICTURES = ("csv", "json", "md", "tex", "html"), ("png", "svg", "pdf")
AT_A_GLANCE = {  # what a terminal shows first, where that is less
    "sweep": "h^3", "reproduction": "758x at h=56", "explain": "6.73 k",
}  # fmt: skip
DRAWN = ("compare", "sweep", "profile", "models")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return every_kind(tmp_path_factory.mktemp("runs"))


def test_there_is_a_row_for_every_record_that_can_be_read():
    assert kinds.KINDS.keys() == reading.KINDS.keys() == CONTENT.keys()
    assert tuple(kinds.FORMATS) == (*TEXTS, *PICTURES)


@pytest.mark.parametrize("kind", CONTENT)
def test_every_place_in_a_row_leads_somewhere(kind):
    places = [place for place in msgspec.structs.astuple(kinds.KINDS[kind]) if ":" in str(place)]
    assert len(places) > 3
    assert all(kinds.load(place) is not None for place in places)


def checked_csv(text, kind, record):
    header, *lines = csv.reader(io.StringIO(text))
    assert len(lines) > 1
    assert {len(line) for line in lines} == {len(header)}
    words, _, figure = CONTENT[kind]
    cells = [cell for line in lines for cell in line]
    assert any(words.partition(":")[0] in cell for cell in cells)
    assert any(cell.startswith(figure) for cell in cells)
    assert record.kind == kind


def checked_json(text, kind, record):
    assert msgspec.json.decode(text, type=reading.KINDS[kind]) == record


def checked_words(text, kind, _record):
    words, figure, _ = CONTENT[kind]
    plain = text.replace("\\", "").replace("~", " ").replace(",", " ").replace("$times$", "x")
    assert words.partition(":")[0] in plain
    assert figure in plain or figure.replace("x", "times") in plain


def checked_markdown(text, kind, record):
    checked_words(text, kind, record)
    tables = re.findall(r"^\|.*\|$(?:\n^\|.*\|$)+", text, re.MULTILINE)
    assert tables
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def checked_latex(text, kind, record):
    checked_words(text, kind, record)
    assert text.count(r"\begin{tabular}") == text.count(r"\bottomrule") > 0
    body = re.sub(r"\\[{}\\]", "", text)
    assert body.count("{") == body.count("}")


def checked_html(text, kind, record):
    reader = read(text)
    assert reader.tags.count("script") == 1
    assert not {"link", "img", "iframe"} & set(reader.tags)
    assert "table" in reader.tags
    checked_words(" ".join(reader.texts), kind, record)


CHECKS = {"csv": checked_csv, "json": checked_json, "md": checked_markdown, "tex": checked_latex, "html": checked_html}


@pytest.mark.parametrize("kind", CONTENT)
def test_every_text_from_the_command_and_from_report(records, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = records[kind]
    made = [Path(f"made.{name}") for name in TEXTS]
    finish(record, made, format_name="json", strict=False)
    again = [word for name in TEXTS for word in ("--to", f"again.{name}")]
    assert (
        run(["report", "made.json", "--plot", "none", *again] if kind in DRAWN[:2] else ["report", "made.json", *again])
        == 0
    )
    for name in TEXTS:
        for path in (Path(f"made.{name}"), Path(f"again.{name}")):
            CHECKS[name](path.read_text(encoding="utf-8"), kind, record)
    assert Path("made.csv").read_bytes() == Path("again.csv").read_bytes()


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("kind", CONTENT)
def test_every_record_on_a_terminal(records, kind, width):
    text = on_screen(records[kind], width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    words, figure, _ = CONTENT[kind]
    assert AT_A_GLANCE.get(kind, words.partition(":")[0]) in text
    assert kind in AT_A_GLANCE or figure in text
    in_depth = printed(kinds.to_console(kinds.report_of(records[kind]), width, verbose=True), width)
    assert words.partition(":")[0] in in_depth
    assert figure in in_depth


@pytest.mark.parametrize("kind", DRAWN)
def test_pictures_where_there_is_a_plot(records, kind):
    assert kinds.formats_of(kind) == (*TEXTS, *PICTURES)  # tests/cli/test_report.py writes them all
    assert b"</svg>" in kinds.written(kinds.report_of(records[kind]), "svg")


@pytest.mark.parametrize("kind", sorted(CONTENT.keys() - set(DRAWN)))
def test_where_there_is_none_a_line_says_what_there_is(kind):
    for name in PICTURES:
        with pytest.raises(UsageError, match=f"a record of {kind} has no picture .*as .csv, .json, .md, .tex, .html"):
            kinds.format_of(Path(f"x.{name}"), kind)


def test_a_picture_of_nothing_costs_no_record(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    record = measured_record()
    failed = tuple(replace(row, analytic=None, counted=None, latency=None, peak_bytes_measured=None, status="error")
                   for row in record.rows)  # fmt: skip
    with pytest.raises(UsageError, match="nothing that could be plotted"):
        finish(replace(record, rows=failed), [Path("x.png"), Path("x.json")], format_name="csv", strict=False)
    assert len(json.loads(Path("x.json").read_text())["rows"]) == 4
    assert len(capsys.readouterr().out.splitlines()) == 5

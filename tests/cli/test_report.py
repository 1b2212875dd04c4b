"""`kaoprof report`: every format from every kind of file, and every wrong request one line."""

import json
import os
import re
import subprocess
import sys
import tempfile
import webbrowser
from pathlib import Path

import pytest
from diffs import made_run
from explained import explanation
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from samples import analytic_record, grid_record, measured_record

from kaoprof.cli.app import run
from kaoprof.records.fit import Conditions, FitRecord, FitRow
from kaoprof.records.measured import dumps

HEAVY = {"torch", "fvcore", "sympy", "numpy", "scipy", "matplotlib"}
FORMATS = ("csv", "json", "md", "tex", "html", "png", "svg", "pdf")


def fitted():
    stays = Conditions(axis="h", sizes={"b": 1, "c": 64}, heads=1, projection="value", scale="sqrt", dtype="fp16",
                       mode="train", device="cpu", threads=2)  # fmt: skip
    rows = (FitRow(operator="kao_qkv", implementation="matmul", largest=6345, next_size=6346, needed=25_767_416_704),)
    return FitRecord(version="0.1.0", created="2026-01-02T03:04:05+00:00", conditions=stays, budget="memory",
                     amount=24 * 2**30, rows=rows)  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a run of each kind."""
    monkeypatch.chdir(tmp_path)
    kinds = {
        "grid": grid_record(), "cell": measured_record(), "paper": analytic_record(),
        "profile": profile_record(model("small", 0.01), model("fast", 0.005)), "fit": fitted(), "more": fitted(),
    }  # fmt: skip
    for name, record in kinds.items():
        Path(f"{name}.json").write_text(dumps(record), encoding="utf-8")
    return tmp_path


def report(*arguments):
    return run(["report", *arguments])


@pytest.mark.parametrize(
    "name", ["cell", *(pytest.param(name, marks=pytest.mark.slow) for name in ("grid", "paper", "profile"))]
)
def test_every_format_is_written(folder, name, capsys):
    targets = [f"out.{suffix}" for suffix in FORMATS]
    assert report(f"{name}.json", *(word for target in targets for word in ("--to", target))) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(f"wrote {target}" in captured.err for target in targets)
    assert all((folder / target).stat().st_size > 100 for target in targets)
    assert (folder / "out.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "out.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["grid", "cell", "paper", "profile", "fit"])
def test_without_a_target_it_is_shown_in_80_columns(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert report(f"{name}.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5
    assert max(map(len, lines)) <= 80


RECORDED = {
    "explain": ["explain", "kao_qkv", "--projection", "none"],
    "fit": ["fit", "--memory", "1GiB", "--operators", "kao_qkv:matmul"],
    "cross": ["fit", "--cross", "kao_kv:matmul,kao_qkv:matmul"],
    "diff": ["diff", "old.json", "new.json", "--fail-above", "5%"],
    "reproduction": ["reproduce", "--analytic"],
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("kind", RECORDED)
def test_what_a_command_wrote_is_shown_and_written_again(kind, capsys):
    for name, slower in (("old", None), ("new", {"kao_kv:matmul": 2.0})):
        Path(f"{name}.json").write_text(dumps(made_run(slower=slower)), encoding="utf-8")
    run([*RECORDED[kind], "-o", "first.json", "-o", "first.md"])
    shown = capsys.readouterr().out
    assert json.loads(Path("first.json").read_bytes())["kind"] == kind
    assert report("first.json") == 0
    assert capsys.readouterr().out == shown
    assert report("first.json", "--to", "again.json", "--to", "again.md") == 0
    assert Path("again.md").read_bytes() == Path("first.md").read_bytes()
    assert json.loads(Path("again.json").read_bytes()) == json.loads(Path("first.json").read_bytes())


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("record", "changed"),
    [
        (explanation(), ('"macs"', '"max"')),
        (explanation(), ('"derivation"', '"guess"')),
        (fitted(), ('"memory"', '"money"')),
    ],
    ids=["quantity", "method", "budget"],
)
def test_words_that_no_command_writes_are_the_files_fault(record, changed, capsys):
    Path("odd.json").write_text(dumps(record).replace(*changed), encoding="utf-8")
    assert report("odd.json") == 1
    assert "odd.json: this record is damaged" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_several_runs_stand_side_by_side(capsys):
    assert report("grid.json", "cell.json", "--format", "csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(",run")
    assert [line.rpartition(",")[2] for line in lines[1:]] == ["grid"] * 16 + ["cell"] * 4


def test_a_record_written_again_is_the_same_record(folder):
    assert report("grid.json", "--to", "again.json") == 0
    assert (folder / "again.json").read_bytes() == (folder / "grid.json").read_bytes()


@pytest.mark.slow
def test_an_analytic_run_beside_a_measured_one_has_no_latency_to_draw(folder):
    targets = [f"both.{suffix}" for suffix in FORMATS if suffix not in ("svg", "pdf")]  # they draw as png does
    assert report("grid.json", "paper.json", *(word for target in targets for word in ("--to", target))) == 0
    captions = re.findall("<figcaption>(.*?)</figcaption>", (folder / "both.html").read_text(encoding="utf-8"))
    assert ["latency" in caption for caption in captions] == [True, False, False]  # the last is the roofline


@pytest.mark.slow
def test_more_settings_than_a_picture_holds(folder, capsys):
    rows = tuple(replace(row, case=replace(row.case, c=c)) for c in range(8, 64, 8) for row in grid_record().rows)
    (folder / "many.json").write_text(dumps(replace(grid_record(), rows=rows)), encoding="utf-8")
    assert report("many.json", "--plot", "map", "--to", "x.pdf") == 0
    assert report("many.json", "--to", "x.png") == 2
    assert "7 settings are too many for one picture (--only c=64 chooses" in capsys.readouterr().err
    assert report("many.json", "--only", "c=8,16", "--plot", "map", "--to", "x.png") == 0


@pytest.mark.usefixtures("folder")
def test_several_runs_in_one_file_are_read_again(capsys):
    assert report("grid.json", "cell.json", "--to", "all.json") == 0
    assert report("all.json", "--format", "csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(",")[2] for line in lines[1:]] == ["all #1"] * 16 + ["all #2"] * 4
    Path("half.json").write_bytes(Path("all.json").read_bytes()[:9000])
    assert report("half.json") == 1
    assert "this report is cut off or damaged" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_only_some_cells(capsys):
    assert report("grid.json", "--only", "h=14,28", "--format", "csv") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 8


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.json"], 1, "missing.json: there is no such file"),
        (["."], 1, ".: is a folder"),
        ([], 2, "RUN"),
        (["grid.json", "grid.json"], 2, "the same file is named twice"),
        (["grid.json", "profile.json"], 2, "grid is a record of operators, profile of profile"),
        (["grid.json", "--to", "x.htm"], 2, "did you mean 'html'?"),
        (["grid.json", "--to", "x"], 2, "end the name in one of"),
        (["grid.json", "--to", "cell.json"], 2, "exists already (--force overwrites it)"),
        (["grid.json", "--to", "none/x.csv"], 1, "there is no folder none"),
        (["grid.json", "--format", "pdf"], 2, "unknown format 'pdf'"),
        (["grid.json", "--plot", "latncy"], 2, "did you mean 'latency'?"),
        (["grid.json", "--plot", "map", "--to", "x.png"], 0, "wrote x.png"),
        (["paper.json", "--plot", "latency", "--to", "x.png"], 2, "these runs hold no latency"),
        (["grid.json", "--plot", "none", "--to", "x.png"], 2, "without a plot there is no picture"),
        (
            ["paper.json", "--plot", "roofline", "--to", "x.png"],
            2,
            "these runs tell nothing of their device's ceilings",
        ),
        (["grid.json", "--plot", "roofline,macs"], 2, "a roofline is a plot of its own"),
        (["grid.json", "--x", "g"], 2, "'g' is no axis of these runs"),
        (["grid.json", "--only", "c"], 2, "is not AXIS=VALUES"),
        (["grid.json", "--only", "c=9"], 2, "no cell is like that"),
        (["profile.json", "--x", "h"], 2, "is for runs of compare and sweep"),
        (["profile.json", "--plot", "roofline", "--to", "x.svg"], 2, "--plot: is for runs of compare and sweep"),
        (["grid.json", "--plot", "roofline"], 2, "no terminal shows a roofline"),
        (["fit.json", "more.json"], 2, "records of fit are reported one at a time"),
        (["fit.json", "--to", "x.png"], 2, "a record of fit has no picture (it can be written as .csv"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(arguments, code, message, capsys):
    assert report(*arguments) == code
    (line,) = [text for text in capsys.readouterr().err.splitlines() if not text.startswith("warning: ")]
    assert message in line


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"{}", "this is JSON, but not a kaoprof record"),
        (b"\x00\xff\xfe", "is neither a record nor a journal"),
        (dumps(grid_record()).encode()[:4000], "this record is cut off or damaged"),
        (
            dumps(replace(grid_record(), schema=9)).encode(),
            "schema 9, but this kaoprof reads schema 1",
        ),
        (dumps(replace(grid_record(), rows=())).encode(), "these runs hold no rows"),
        (dumps(grid_record()).replace('"calls": 1', '"calls": "one"').encode(), "this record is damaged"),
    ],
    ids=["empty", "foreign", "binary", "truncated", "newer", "no-rows", "wrong-type"],
)
def test_a_file_that_is_no_run_is_told_in_one_line(content, message, capsys):
    Path("odd.json").write_bytes(content)
    assert report("odd.json", "--to", "x.html") in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not Path("x.html").exists()


@pytest.mark.usefixtures("folder")
def test_figures_that_cannot_be_are_the_files_fault(capsys):
    rows = tuple(
        replace(row, latency=row.latency and replace(row.latency, samples_s=(0.0,) * 10)) for row in grid_record().rows
    )
    Path("odd.json").write_text(dumps(replace(grid_record(), rows=rows)), encoding="utf-8")
    assert report("odd.json", "--to", "x.html") == 1
    assert (
        "odd.json: this record is damaged: Expected `float` >= 1e-12 - at `$.rows[0].latency."
        in capsys.readouterr().err
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_and_the_other_files_are_written(folder, capsys, monkeypatch):
    def full(descriptor):
        raise OSError(28, os.strerror(28), descriptor)

    monkeypatch.setattr(os, "fsync", full)
    assert report("grid.json", "--to", "x.csv", "--to", "x.md") == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message == "kaoprof: not written: x.csv: No space left on device; x.md: No space left on device"
    assert [path.name for path in folder.iterdir() if path.suffix != ".json"] == []


TEXTS = (["--format", "csv"], ["--format", "md"], ["--format", "tex"], ["--format", "html", "--plot", "none"], [])
PICTURES = ["--to", "x.html"]


@pytest.mark.usefixtures("folder")
def test_torch_is_never_imported_and_matplotlib_only_to_draw():
    script = (
        "import json, sys; from kaoprof.cli.app import run\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    code = run(['report', 'grid.json', *arguments])\n"
        f"    print(code, sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps([*TEXTS, PICTURES])], capture_output=True, text=True, check=True
    )
    told = [line for line in done.stderr.splitlines() if line.startswith("0 [")]
    assert told == ["0 []"] * len(TEXTS) + ["0 ['matplotlib', 'numpy']"]


@pytest.mark.parametrize(("targets", "opens"), [([], True), (["--to", "mine.html"], True), ([], False)])
def test_a_page_is_opened_in_the_browser(folder, capsys, monkeypatch, targets, opens):
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    asked = []
    monkeypatch.setattr(webbrowser, "open", lambda address: asked.append(address) or opens)
    assert report("fit.json", *targets, "--open") == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    (page,) = folder.glob("*.html")
    assert asked == [page.as_uri()]
    assert page.name == "mine.html" if targets else page.name.startswith("kaoprof-")
    assert "kao_qkv" in page.read_text()
    assert str(page.name) in captured.err
    assert ("no browser could be opened" in captured.err) is not opens

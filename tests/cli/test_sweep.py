"""`kaoprof sweep` as a user meets it: killed, interrupted, resumed, refused; and what it prints."""

import csv
import io
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from signals import heed
from sweeps import LAWS, finished_cells

from kaoprof.cli.app import run
from kaoprof.records.journal_reading import read_journal
from kaoprof.records.reading import load_records

TESTS = Path(__file__).parent.parent
HELPERS = f"import sys; sys.path.insert(0, {str(TESTS)!r}); import sweeps; sweeps."
FAKE = HELPERS + "sweep_in_a_process(sweeps.Path(sys.argv[1]), int(sys.argv[2]))"


def cells_in(path):
    """Every cell of a journal, as often as it stands in it."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [tuple(line["rows"][0]["case"]["spatial"]) for line in lines if line.get("entry") == "cells"]


def start(script, *arguments, folder):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], cwd=folder, preexec_fn=heed,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_until(true, process):
    """However long it takes; a process that ends without it has failed."""
    while not true():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments_no_cell_is_lost_or_measured_twice(kills, tmp_path):
    path, chance = tmp_path / "run.jsonl", random.Random(kills)  # noqa: S311 - moments, not secrets
    seen, heights = set(), 20 * kills
    for _ in range(kills):
        before = path.stat().st_size if path.exists() else 0
        process = start(FAKE, path, heights, folder=tmp_path)
        rows = chance.randrange(len(LAWS), 20 * len(LAWS))  # a cell at least; never all, so it does not end by itself
        process.stdin.write(b"+" * rows)
        process.stdin.flush()
        wait_until(lambda: path.exists() and path.stat().st_size > before, process)  # noqa: B023 - called at once
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = set(read_journal(path).cells)
        assert seen <= kept
        seen = kept
    last = start(FAKE, path, heights, folder=tmp_path)
    last.communicate()
    assert last.returncode == 0
    assert len(seen) < heights, "the kills came too late to mean anything"
    assert cells_in(path) == [(h, h) for h in range(1, heights + 1)]
    assert path.read_bytes().endswith(b"}\n")
    assert not load_records(path)[-1].interrupted


GRID = ["sweep", "--h", "3:10:1", "--w", "5", "--c", "7", "--samples", "2", "--threads", "1"]
GRID += ["--operators", "kao_qkv:matmul,nonlocal:matmul"]


class Faked:
    """Sweeps in a fake session that measures as many cells as it is told to."""

    def start(self, arguments, path, cells):
        process = start(HELPERS + "command_with_a_fake_session()", *arguments, folder=path.parent)
        process.stdin.write(b"++" * (cells - finished_cells(path)) + b"+")  # two rows each; then it waits amid a cell
        process.stdin.flush()
        return process

    def finish(self, arguments, path):
        return start(HELPERS + "command_with_a_fake_session()", *arguments, folder=path.parent)


class Real:
    """Sweeps that measure, and stand still amid a cell where they are told to."""

    def start(self, arguments, path, cells):
        return start(HELPERS + "command_that_waits()", path, cells, *arguments, folder=path.parent)

    def finish(self, arguments, path):
        return start("from kaoprof.cli.app import main; main()", *arguments, folder=path.parent)


@pytest.mark.parametrize("sweeping", [Faked(), pytest.param(Real(), marks=pytest.mark.slow)], ids=["faked", "real"])
def test_a_sweep_goes_on_after_each_way_to_end_it(sweeping, tmp_path):
    path = tmp_path / "my run.jsonl"
    arguments = [*GRID, "-o", path.name]
    before = b""
    for cells, ending in enumerate((signal.SIGKILL, signal.SIGINT, signal.SIGTERM), start=1):
        process = sweeping.start(arguments, path, cells)
        wait_until(lambda: finished_cells(path) == cells, process)  # noqa: B023 - called at once
        process.send_signal(ending)
        stdout, stderr = (text.decode() for text in process.communicate())
        assert "Traceback" not in stderr
        if ending != signal.SIGKILL:
            assert process.returncode == 130
            assert f"{cells} of 8 cells are in my run.jsonl" in stderr
            assert "kao_qkv" in stdout
            (resume,) = (line for line in stderr.splitlines() if line.startswith("resume: "))
            words = shlex.split(resume.removeprefix("resume: "))
            assert words[:3] == [sys.executable, "-m", "kaoprof"]  # since nothing here was started as `kaoprof`
            arguments = words[3:]
        assert path.read_bytes().startswith(before)
        before = path.read_bytes()
    done = sweeping.finish(arguments, path)
    _, stderr = done.communicate()
    assert done.returncode == 0, stderr
    assert path.read_bytes().startswith(before)
    assert cells_in(path) == [(h, 5) for h in range(3, 11)]
    record = load_records(path)[-1]
    assert {row.status for row in record.rows} == {"ok"}
    assert all(row.latency and row.peak_bytes_measured and row.counted for row in record.rows)


def test_a_full_disk_ends_a_sweep_in_one_line_and_with_space_it_goes_on(tmp_path):
    path = tmp_path / "run.jsonl"
    arguments = [*GRID, "-o", path.name]
    no_room = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000)); "
    full = start(f"{no_room}{HELPERS}command_with_a_fake_session()", *arguments, folder=tmp_path)
    _, stderr = full.communicate()
    assert full.returncode == 1
    assert stderr.decode().splitlines()[-1] == (
        "kaoprof: run.jsonl: cannot be written: File too large (what was measured before is in it; with space to "
        "write, the same command goes on)"
    )
    kept = path.read_bytes()
    assert kept.endswith(b"}\n")
    assert 0 < finished_cells(path) < 8
    done = Faked().finish(arguments, path)
    done.communicate()
    assert done.returncode == 0
    assert path.read_bytes().startswith(kept)
    assert cells_in(path) == [(h, 5) for h in range(3, 11)]


@pytest.mark.parametrize(("before", "code"), [("SIG_IGN", 0), ("SIG_DFL", 130)])
def test_under_nohup_the_end_of_the_terminal_does_not_end_a_sweep(before, code):
    script = (
        f"import os, signal; signal.signal(signal.SIGHUP, signal.{before}); from kaoprof.cli import app; "
        "command = lambda **_: os.kill(os.getpid(), signal.SIGHUP); app.app = command; app.main()"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == code


def test_two_sweeps_on_one_journal_the_second_is_refused(tmp_path, capsys):
    path = tmp_path / "run.jsonl"
    first = Faked().start([*GRID, "-o", path.name], path, 1)
    wait_until(lambda: finished_cells(path) == 1, first)
    code = run([*GRID, "-o", str(path)])
    error = capsys.readouterr().err
    first.kill()
    first.communicate()
    assert code == 1
    assert error.count("\n") == 1
    assert f"{path}: another sweep (process {first.pid}) is writing this journal" in error


def sweep(*arguments):
    return run(["sweep", "--h", "2,3,5", "--c", "8", "--analytic", *arguments])


def test_every_format_holds_all_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    outputs = ["-o", "all.csv", "-o", "all.json", "-o", "a.md", "-o", "a.tex"]
    assert sweep("--batch", "1,2", "--heads", "1,2", "--dtype", "fp32,bf16", "--mode", "forward,train",
                 "--operators", "kao_kv", *outputs) == 0  # fmt: skip
    assert "wrote all.csv" in capsys.readouterr().err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text())))
    assert len(rows) == len(load_records(tmp_path / "all.json")[-1].rows) == 3 * 2 * 2 * 2 * 2 * 2
    assert {(row["dtype"], row["mode"]) for row in rows} == {
        (dtype, mode) for dtype in ("fp32", "bf16") for mode in ("forward", "train")
    }
    assert len(load_records(Path("sweep.jsonl"))[-1].rows) == len(rows)
    for name in ("csv", "json", "md", "tex"):
        assert sweep("--operators", "kao_kv", "-o", f"{name}.jsonl", "--format", name) == 0
        captured = capsys.readouterr()
        assert "kao" in captured.out
        assert f"cells, kept in the journal {name}.jsonl" in captured.err


def test_an_interrupt_before_a_cell_was_finished_does_not_claim_that_any_was(tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kaoprof.sweeping.run.Sweep.keep", interrupt)
    assert sweep("-o", "run.jsonl") == 130
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith("kaoprof: interrupted before a cell was finished: run.jsonl holds none of ")
    )


def test_the_journal_is_named_after_the_spec_and_its_name_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["sweep", "paper-grid", "--analytic", "--dtype", "bf16"]) == 0
    captured = capsys.readouterr()
    assert "3 cells, kept in the journal paper-grid.jsonl" in captured.err
    assert "next: kaoprof report paper-grid.jsonl --to" in captured.err
    record = load_records(Path("paper-grid.jsonl"))[-1]
    assert [row.analytic.macs for row in record.rows if row.case.name == "nonlocal:sdpa"] == [
        627_200,
        9_884_672,
        157_552_640,
    ]
    assert {(row.case.b, row.case.c, row.case.scale, row.case.dtype) for row in record.rows} == {(8, 8, "none", "bf16")}
    assert run(["sweep", "paper-grid", "--analytic", "--dtype", "bf16"]) == 0
    assert "3 cells, all of them in the journal paper-grid.jsonl already" in capsys.readouterr().err


def test_other_files_wait_for_the_end_and_never_cost_the_journal(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert sweep("-o", "run.jsonl", "-o", "run.csv") == 0
    assert sweep("-o", "run.jsonl", "-o", "run.csv") == 2
    assert "run.csv: exists already (--force overwrites it)" in capsys.readouterr().err
    before = Path("run.jsonl").read_bytes()
    assert sweep("-o", "run.jsonl", "-o", "run.csv", "--force") == 0
    assert Path("run.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "no size given"),
        (["--c", "8"], 2, "no size given"),
        (["paper-grid", "--h", "8"], 2, "the sizes stand in paper-grid, which excludes --h"),
        (["kanet-qkv", "--h", "8"], 2, "--h: is for operators, and models are swept"),
        (["kanet-qkv", "paper-grid"], 2, "paper-grid: describes a grid, not a model"),
        (["kanet-qkv", "--size", "128x"], 2, "size: '128x' is no size (write 224, or with an x between axes 192x256"),
        (["kanet-qkv", "--size", "8x128x128"], 2, "size: 3 sizes for 2 spatial axes"),
        (["timm:resnet50"], 2, "'timm:resnet50' is not imported: importing runs its code (if you trust it, add"),
        (["--h", "8", "--size", "8"], 2, "--size: is for models, and none is named"),
        (["--h", "8", "--no-measure"], 2, "--no-measure: is for models, and none is named"),
        (["paper-gird"], 2, "did you mean 'paper-grid'?"),
        (["none.yaml"], 2, "none.yaml: no such file"),
        (["--h", "8:128:2x"], 2, "'8:128:2x' is not a size"),
        (["--h", "8", "--c", "9", "--heads", "1,2"], 2, "9 channels cannot be split into 2 heads"),
        (["--h", "8", "--heads", "0"], 2, "heads: must be between 1"),
        (["--h", "8", "--dtype", "fp32,float"], 2, "unknown dtype 'float'"),
        (["--h", "8", "--dtype", ""], 2, "dtype: none is named"),
        (["--h", "8", "--mode", "training"], 2, "did you mean 'train'?"),
        (["--h", "8", "--operators", "everything"], 2, "unknown operator 'everything'"),
        (["--h", "8", "--operators", ""], 2, "none is named"),
        (["--h", "8", "--projection", ""], 2, "unknown projection ''"),
        (["--h", "8", "--scale", ""], 2, "unknown scale ''"),
        (["--h", "8", "--projection", "q"], 2, "unknown projection 'q'"),
        (["--h", "1:400:1", "--c", "1:400:1"], 2, "160,000 cells are too many"),
        (["--h", "8", "--budget", "-1s"], 2, "--budget: '-1s' is not a length of time"),
        (["--h", "8", "-o", "a.jsonl", "-o", "b.jsonl"], 2, "a sweep has one journal"),
        (["--h", "8", "-o", "run.jsnl"], 2, "did you mean 'jsonl'?"),
        (["--h", "8", "-o", "/no/such/folder/run.jsonl"], 1, "No such file or directory"),
        (["--h", "8", "-o", "/dev/full.jsonl/x.jsonl"], 1, "/dev/full.jsonl/x.jsonl: cannot be written"),
        (["--h", "8", "--format", "exel"], 2, "unknown format 'exel'"),
        (["--h", "8", "--device", "gpu"], 2, "unknown device 'gpu'"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(arguments, code, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["sweep", *arguments, "--analytic"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("kaoprof: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"precious", b'{"schema":2,"kind":"sweep","plan":{}}\n', b'{"schema": 1, "kind": "compare", "rows": []}'],
)
def test_a_file_that_is_no_journal_is_kept(content, tmp_path, capsys):
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    assert sweep("-o", str(path)) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert path.read_bytes() == content


def test_a_folder_that_may_not_be_written_is_one_clear_line(tmp_path, capsys, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    assert sweep("-o", str(tmp_path / "run.jsonl")) == 1
    assert "run.jsonl: cannot be written: Permission denied" in capsys.readouterr().err


def test_too_few_sizes_for_a_law_are_shown_as_by_compare(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["sweep", "--h", "3,5", "--analytic"]) == 0
    assert capsys.readouterr().out.count("Attention on 1 x 64 x") == 2


def test_closed_forms_are_swept_and_read_back_without_torch(tmp_path):
    script = (
        "import sys; from kaoprof.cli.app import run; from kaoprof.records.reading import load_runs; "
        "assert run(['sweep', '--h', '2,3,5', '--analytic', '-o', 'run.jsonl']) == 0; "
        "assert len(load_runs(['run.jsonl'])[0].record.rows) == 24; "
        "sys.exit(bool({'torch', 'fvcore', 'sympy', 'matplotlib', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""`kaoprof fit` as a user meets it: budgets, crossings, wrong uses, and one answer that is really measured."""

import csv
import io
import json

import pytest

from kaoprof import Options, compare
from kaoprof.cli.app import run
from kaoprof.errors import MeasurementError
from kaoprof.units import parse_bytes

MIB = 2**20
pytestmark = pytest.mark.usefixtures("quick_measuring")


def fitted(arguments, capsys):
    code = run(["fit", *arguments, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_macs_by_the_papers_formula_on_screen(capsys):
    assert run(["fit", "--macs", "207872", "--c", "8", "--operators", "kao_qkv,kao_kv"]) == 0
    captured = capsys.readouterr()
    words = captured.out.split()
    assert words[words.index("kao_qkv") + 1] == "56"  # arXiv:2007.08442: 0.21m at 56 x 56 x 8
    assert "1 MAC = 2 FLOPs" in captured.out
    assert max(map(len, captured.out.splitlines())) <= 80
    assert captured.err.startswith("next: kaoprof compare --h")


def test_a_frame_of_a_given_aspect_and_which_operators_hold_another(tmp_path, capsys):
    file = tmp_path / "fit.csv"
    arguments = ["--memory", "64MiB", "--c", "8", "--dtype", "fp16", "--device", "cuda", "--aspect", "16:9"]
    more = ["--at", "270x480", "--operators", "nonlocal,kao_qkv", "-o", str(file)]
    assert run(["fit", *arguments, *more]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Largest frame in 64 MiB: 1 x 8 x h x w, fp16, forward, cuda (predicted)" in shown
    assert "270 x 480 fits with: kao_qkv (batch" in shown
    assert "It does not with: nonlocal:matmul (31.3 GiB)." in shown  # its map: 2 bytes (270 x 480)^2
    assert "w = 16/9 h, rounded." in shown
    lines = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [line["aspect"] for line in lines] == ["16:9"] * 8
    assert [line["at"] for line in lines] == [""] * 4 + ["270 x 480"] * 4
    asked = {f"{line['operator']}:{line['implementation']}": line for line in lines[4:]}
    assert asked["nonlocal:matmul"]["status"] == "nothing"
    assert all(int(line["needed"]) <= 64 * MIB < int(line["next_needed"]) for line in asked.values() if line["largest"])


def test_with_its_size_given_the_batch_is_solved_for(capsys):
    _, record = fitted(["--macs", "1G", "--h", "14", "--w", "2h", "--operators", "kao_qkv"], capsys)
    (row,) = record["rows"]
    assert record["conditions"]["axis"] == "b"
    assert row["largest"] == 10**9 // (2 * 42**2 * 64 + 64**2 * 42)  # the formula of one sample, S = 14 + 28


def test_macs_are_of_the_call_and_the_screen_says_so(capsys):
    assert run(["fit", "--macs", "1G", "--c", "8", "--batch", "3", "--operators", "kao_qkv"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Largest frame within 1 G MACs per call: 3 x 8 x h x w")


def test_the_next_step_keeps_the_device(capsys):
    run(["fit", "--memory", "1MiB", "--c", "8", "--device", "cuda", "--operators", "kao_qkv:matmul"])
    assert "--device cuda" in capsys.readouterr().err


@pytest.mark.slow
def test_every_implementation_gets_its_size_in_memory(capsys):
    code, record = fitted(["--memory", "8MiB", "--c", "16", "--dtype", "fp16", "--mode", "train", "--device", "cpu",
                           "--threads", "1", "--operators", "kao_kv,kao_qkv:matmul"], capsys)  # fmt: skip
    assert code == 0
    assert [row["implementation"] for row in record["rows"]] == ["matmul", "sdpa", "matmul"]
    for row in record["rows"]:
        assert row["needed"] <= 8 * MIB < row["next_needed"]
        assert row["next_size"] == row["largest"] + 1
    assert (record["kind"], record["budget"], record["amount"]) == ("fit", "memory", 8 * MIB)


@pytest.mark.parametrize(
    ("solve", "sizes", "step"),
    [
        ("batch", ["--h", "12"], 1),
        ("c", ["--h", "12"], 4),
        ("t", ["--h", "6"], 1),
        ("n", [], 1),
        ("w", ["--h", "5"], 1),
    ],
)
def test_any_axis_can_be_solved_for(solve, sizes, step, capsys):
    channels = ["--heads", "4"] if solve == "c" else ["--c", "8"]
    arguments = ["--macs", "3M", "--solve", solve, *sizes, *channels, "--operators", "nonlocal"]
    _, record = fitted(arguments, capsys)
    (row,) = record["rows"]
    assert row["needed"] <= 3_000_000 < row["next_needed"]
    assert row["next_size"] - row["largest"] == step


def test_the_answer_really_runs_within_the_budget_and_the_next_does_not(capsys):
    arguments = [
        "--memory",
        "24MiB",
        "--c",
        "16",
        "--device",
        "cpu",
        "--threads",
        "1",
        "--operators",
        "nonlocal:matmul",
    ]
    _, record = fitted(arguments, capsys)
    (row,) = record["rows"]
    sizes = (row["largest"], row["next_size"])
    options = Options(device="cpu", threads=1, samples=2)
    measured = compare(h=sizes, c=16, operators=["nonlocal:matmul"], options=options)
    for one, needed in zip(measured.rows, (row["needed"], row["next_needed"]), strict=True):
        resident = 4 * (16 * one.case.spatial[0] ** 2 + 16 * 16)  # the input, and one 16 x 16 weight
        used = resident + one.peak_bytes_measured  # by the allocator, while it ran
        assert (used <= parse_bytes("24MiB")) == (needed <= parse_bytes("24MiB"))
        assert abs(used - needed) <= 64


def test_where_nothing_fits_a_row_says_so(capsys):
    assert (
        run(["fit", "--memory", "10B", "--c", "8", "--device", "cpu", "--operators", "kao_kv:matmul", "--strict"]) == 0
    )
    captured = capsys.readouterr()
    assert "none" in captured.out
    assert "kao_kv:matmul: h=1 already needs" in captured.out


@pytest.mark.slow
def test_a_crossing_in_macs_and_memory(tmp_path, capsys):
    file = tmp_path / "cross.json"
    assert run(["fit", "--cross", "nonlocal,kao_kv", "--device", "cpu", "--threads", "1", "-o", str(file)]) == 0
    rows = json.loads(file.read_text())["rows"]
    answers = [(row["quantity"], row["cheaper"], row["since"]) for row in rows]
    assert answers[:2] == [("macs", "kao_kv", 3), ("memory", "kao_kv:matmul", 3)]  # N = S at 2 x 2
    assert answers[2][:2] == ("memory", "kao_kv:sdpa")
    assert "MACs: kao_kv is cheaper from h=3 on, at all larger sizes." in capsys.readouterr().out


def test_a_crossing_of_the_plain_implementations(capsys):
    arguments = ["--cross", "nonlocal:matmul,kao_kv:matmul", "--device", "cpu", "--threads", "1"]
    _, record = fitted(arguments, capsys)
    answers = [(row["quantity"], row["cheaper"], row["since"]) for row in record["rows"]]
    assert answers == [("macs", "kao_kv", 3), ("memory", "kao_kv:matmul", 3)]


def test_two_implementations_can_be_compared(capsys):
    _, record = fitted(["--cross", "nonlocal:sdpa,nonlocal:matmul", "--c", "16", "--device", "cpu"], capsys)
    (row,) = record["rows"]  # their MACs are the same by definition
    assert (row["quantity"], row["cheaper"]) == ("memory", "nonlocal:sdpa")


@pytest.mark.slow
def test_a_time_is_answered_with_an_interval_or_refused_with_the_reason(capsys):
    arguments = ["--time", "2ms", "--c", "8", "--operators", "kao_qkv:matmul", "--budget", "1s", "--threads", "1"]
    assert run(["fit", *arguments, "--format", "json", "--device", "cpu"]) == 0
    record = json.loads(capsys.readouterr().out)
    (row,) = record["rows"]
    assert row["timed"]
    assert record["environment"]["threads"] == 1
    if row["status"] == "ok":  # how a busy machine's points scatter is not for a test to decide
        assert row["low"] <= row["largest"] <= row["high"]
        assert "polated" in row["detail"]
    else:
        assert row["status"] == "refused"
        assert row["largest"] is None


def test_an_interrupt_before_anything_was_measured_keeps_what_is_known(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("kaoprof.fitting.run.time_fits", interrupt)
    assert run(["fit", "--time", "1ms", "--device", "cpu"]) == 130
    captured = capsys.readouterr()
    assert "refused" in captured.out
    assert "interrupted before anything was measured; what is known without is shown above" in captured.err


@pytest.mark.slow
def test_a_race_that_cannot_start_leaves_what_is_exact(monkeypatch, capsys):
    def fail(*_):
        raise MeasurementError("the measuring process cannot work")

    monkeypatch.setattr("kaoprof.fitting.run.race", fail)
    arguments = ["--cross", "kao_kv:matmul,kao_qkv:matmul", "--c", "8", "--device", "cpu", "--measured"]
    code, record = fitted([*arguments, "--strict"], capsys)
    assert code == 1
    assert [row["status"] for row in record["rows"]] == ["ok", "ok", "error"]


def test_every_output_is_written(tmp_path, capsys):
    paths = [tmp_path / f"fit.{suffix}" for suffix in ("csv", "json", "md", "tex")]
    outputs = [argument for path in paths for argument in ("-o", str(path))]
    assert run(["fit", "--macs", "1M", "--c", "8", *outputs]) == 0
    assert all(f"wrote {path}" in capsys.readouterr().err for path in paths[:1])
    rows = list(csv.DictReader(io.StringIO(paths[0].read_text())))
    assert [row["operator"] for row in rows] == ["nonlocal", "nonlocal_pool", "kao_kv", "kao_qkv"]
    assert rows[0]["implementation"] == rows[0]["device"] == rows[0]["low"] == ""
    assert (rows[0]["amount"], rows[0]["axis"], rows[0]["c"]) == ("1000000", "h", "8")
    assert json.loads(paths[1].read_text())["kind"] == "fit"
    assert r"\begin{tabular}" in paths[3].read_text()
    assert run(["fit", "--macs", "1M", "-o", str(paths[0])]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing is asked for (give one of --memory, --macs, --time, --cross"),
        (["--memory", "1GiB", "--macs", "1G"], 2, "--memory and --macs exclude each other"),
        (["--memory", "0GiB"], 2, "--memory: '0GiB' must be more than zero"),
        (["--memory", "-1GiB"], 2, "--memory: '-1GiB' is not an amount of memory"),
        (["--macs", "0"], 2, "--macs: '0' must be more than zero"),
        (["--macs", "-1G"], 2, "--macs: '-1G' is not a count"),
        (["--macs", "lots"], 2, "'lots' is not a count"),
        (["--time", "0ms"], 2, "--time: '0ms' must be more than zero"),
        (["--time", "fast"], 2, "--time: 'fast' is not a length of time"),
        (["--cross", "nonlocal"], 2, "cross: needs two operators, not 1"),
        (["--cross", "nonlocal,nonlocal"], 2, "cross: needs two different operators"),
        (["--cross", "nonlocal,kao_qv"], 2, "cross: unknown operator 'kao_qv' (did you mean 'kao_qkv'?)"),
        (["--cross", "nonlocal,kao_kv:fused"], 2, "unknown implementation 'fused'"),
        (["--cross", "nonlocal,kao_kv", "--operators", "kao_kv"], 2, "named by --cross"),
        (["--macs", "1G", "--measured"], 2, "--measured: goes with --cross"),
        (["--macs", "1G", "--operators", "kao_qv"], 2, "did you mean 'kao_qkv'?"),
        (["--macs", "1G", "--h", "14", "--solve", "h"], 2, "h: is what is solved for"),
        (["--macs", "1G", "--h", "14", "--batch", "2"], 2, "batch: is what is solved for"),
        (["--memory", "24"], 2, "--memory: 24 bytes? (write 24GiB; or 24B, if bytes are meant)"),
        (["--macs", "1G", "--aspect", "16x9"], 2, "aspect: '16x9' is not an aspect ratio"),
        (["--macs", "1G", "--aspect", "16:9", "--w", "9"], 2, "aspect: excludes w"),
        (["--macs", "1G", "--aspect", "16:9", "--n", "9"], 2, "w: follows the height, and there is none"),
        (["--macs", "1G", "--w", "1.5h", "--solve", "w"], 2, "w: follows the height, so it cannot be solved for"),
        (["--macs", "1G", "--w", "wide"], 2, "--w: 'wide' is not a width"),
        (["--macs", "1G", "--at", "4k"], 2, "at: '4k' is not a named size"),
        (["--macs", "1G", "--at", "b=2"], 2, "--at: 'b' is no size of an image"),
        (["--macs", "1G", "--at", "9x9", "--h", "9"], 2, "at: is about a size, and here the size is given"),
        (["--time", "1ms", "--at", "9x9"], 2, "at: goes with memory or MACs"),
        (["--cross", "nonlocal,kao_kv", "--at", "9x9"], 2, "--at: excludes --cross"),
        (["--macs", "1G", "--solve", "depth"], 2, "--solve: unknown axis 'depth'"),
        (["--macs", "1G", "--solve", "batch"], 2, "are not the axes of an input"),
        (["--macs", "1G", "--n", "14", "--h", "3"], 2, "are not the axes of an input"),
        (["--macs", "1G", "--c", "0"], 2, "c: must be at least 1"),
        (["--macs", "1G", "--c", "9", "--heads", "2"], 2, "9 channels cannot be split into 2 heads"),
        (["--macs", "1G", "--dtype", "float32"], 2, "unknown dtype"),
        (["--macs", "1G", "--mode", "training"], 2, "unknown mode 'training'"),
        (["--macs", "1G", "--device", "gpu"], 2, "unknown device 'gpu'"),
        (["--macs", "1G", "--format", "exel"], 2, "unknown format 'exel'"),
        (["--macs", "1G", "-o", "fit.png"], 2, "a record of fit has no picture"),
        (["--time", "1ms", "--device", "cuda:99"], 1, "there is no cuda:99"),
    ],
)
def test_a_wrong_use_is_one_clear_line(arguments, code, message, capsys):
    assert run(["fit", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("kaoprof: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err

"""`kaoprof compare` as a user meets it: what it prints, writes, refuses, and survives."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from signals import heed

import kaoprof
from kaoprof.cli.app import run
from kaoprof.comparing.run import analytic
from kaoprof.records.reading import load_records
from kaoprof.reporting.files import write_whole

PAPER_MADDS = {14: [627_200, 156_800, 89_600, 14_336], 28: [9_884_672, 2_471_168, 706_048, 53_760]}
PAPER_MADDS[56] = [157_552_640, 39_388_160, 5_626_880, 207_872]
SMALL = ["--h", "9", "--w", "13", "--c", "20", "--budget", "0.2s", "--threads", "1"]
QUICK = [*SMALL, "--samples", "2"]
pytestmark = pytest.mark.usefixtures("quick_measuring")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("size", PAPER_MADDS)
def test_the_papers_counts_are_printed_to_the_digit(size, capsys):
    assert run(["compare", "--h", str(size), "--c", "8", "--batch", "8", "--analytic", "--format", "csv"]) == 0
    rows = rows_of(capsys.readouterr().out)
    macs = {row["operator"]: int(row["macs_analytic"]) for row in rows}
    assert list(macs.values()) == PAPER_MADDS[size]
    assert all(row["macs_counted"] == "" for row in rows)


@pytest.mark.parametrize(
    "sizes",
    [
        ["--h", "9", "--w", "13"],
        pytest.param(["--n", "17"], marks=pytest.mark.slow),
        pytest.param(["--t", "2", "--h", "3", "--w", "5"], marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_formula_count_and_fvcore_agree_in_every_row(sizes, capsys):
    arguments = [*sizes, "--c", "20", "--projection", "qkv", "--heads", "2", "--format", "csv", "--samples", "2"]
    assert run(["compare", *arguments, "--threads", "1", "--strict"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert len(rows) == 8
    for row in rows:
        assert row["macs_analytic"] == row["macs_counted"] == row["macs_fvcore"] != ""
        assert row["uncounted"] == row["detail"] == ""
        assert row["status"] == "ok"
        assert abs(int(row["peak_bytes_predicted"]) - int(row["peak_bytes_measured"])) <= 64
        assert float(row["latency_s"]) > 0
        assert row["latency_samples"] == "2"
        assert row["latency_low_s"] == ""  # two samples have no 95 % interval


def test_every_output_is_written_and_the_record_is_what_python_gets(tmp_path, capsys):
    paths = [tmp_path / f"run.{suffix}" for suffix in ("csv", "json", "md", "tex")]
    outputs = [argument for path in paths for argument in ("-o", str(path))]
    assert run(["compare", *QUICK, "--operators", "kao_kv,nonlocal:sdpa", *outputs]) == 0
    captured = capsys.readouterr()
    assert "kao_kv" in captured.out
    assert all(f"wrote {path}" in captured.err for path in paths)
    record = load_records(paths[1])[-1]
    assert [row.case.name for row in record.rows] == ["kao_kv:matmul", "kao_kv:sdpa", "nonlocal:sdpa"]
    assert record.environment.threads == 1
    assert len(rows_of(paths[0].read_text())) == 3
    assert r"\begin{tabular}" in paths[3].read_text()
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # no half-written files


def test_python_returns_the_record():
    record = kaoprof.compare(h=(4, 6), c=8, batch=2, operators=["kao_qkv"], options=kaoprof.Options(analytic=True))
    assert [row.case.spatial for row in record.rows] == [(4, 4), (4, 4), (6, 6), (6, 6)]
    assert record.rows[0].analytic.macs == 2 * 8 * 8 * 8 + 8 * 64


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "no size given"),
        (["--h", "0"], 2, "h: must be between 1 and"),
        (["--h", "-3"], 2, "not -3"),
        (["--h", "99999999999"], 2, "must be between"),
        (["--h", "9" * 5000], 2, "is not a size"),
        (["--h", "1:16777216:1"], 2, "more than 20,000 sizes"),
        (["--h", "1:3000:1", "--c", "1:1000:1"], 2, "rows are too many"),
        (["--h", "8", "--device", "cuda:²"], 2, "unknown device"),
        (["--h", "8", "--timeout", "999999999999h"], 2, "more than 30 days"),
        (["--h", "8", "-o", "x" * 300 + ".csv"], 1, "cannot be written: File name too long"),
        (["--h", "seven"], 2, "'seven' is not a size"),
        (["--h", "3,,4"], 2, "'' is not a size"),
        (["--h", "8:4:x2"], 2, "not a range that ends"),
        (["--h", "8:64:x1"], 2, "not a range that ends"),
        (["--w", "5"], 2, "given without h: w (add --h)"),
        (["--n", "5", "--h", "5"], 2, "n is for one spatial axis"),
        (["--h", "8", "--c", "9", "--heads", "2"], 2, "9 channels cannot be split into 2 heads"),
        (["--h", "8", "--heads", "0"], 2, "heads: must be at least 1"),
        (["--h", "8", "--operators", "kao_qv"], 2, "did you mean 'kao_qkv'?"),
        (["--h", "8", "--operators", "kao_kv:fused"], 2, "unknown implementation 'fused'"),
        (["--h", "8", "--operators", ","], 2, "none is named"),
        (["--h", "8", "--baseline", "nonlocl"], 2, "did you mean 'nonlocal'?"),
        (["--h", "8", "--projection", "values"], 2, "did you mean 'value'?"),
        (["--h", "8", "--dtype", "float32"], 2, "did you mean 'fp32'?"),
        (["--h", "8", "--device", "gpu"], 2, "unknown device 'gpu'"),
        (["--h", "8", "--budget", "0s"], 2, "--budget: '0s' must be more than zero"),
        (["--h", "8", "--timeout", "soon"], 2, "--timeout: 'soon' is not a length of time"),
        (["--h", "8", "--samples", "0"], 2, "samples: must be between 1 and"),
        (["--h", "8", "--samples", "many"], 2, "--samples"),
        (["--h", "8", "--threads", "-1"], 2, "threads: must be between 1 and 1024"),
        (["--h", "8", "--seed", "-1"], 2, "seed: must be between"),
        (["--h", "8", "--format", "exel"], 2, "unknown format 'exel'"),
        (["--h", "8", "-o", "run.xlsx"], 2, "no format is known for the suffix '.xlsx'"),
        (["--h", "8", "-o", "/no/such/folder/run.csv"], 1, "there is no folder /no/such/folder"),
        (["--h", "8", "--cache", "hot"], 2, "unknown cache 'hot'"),
        (["--h", "8", "--sdpa", "flush"], 2, "did you mean 'flash'?"),
        (["--h", "8", "--affinity", "first"], 2, "'first' does not name cores"),
        (["--h", "8", "--affinity", "0,"], 2, "does not name cores"),
        (["--h", "8", "--analytic", "--compile"], 2, "compile: excludes analytic"),
        (["--h", "8", "--affinity", "9999"], 2, "cores are numbered from 0 to 4095"),
        (["--h", "8", "--device", "mps"], 2, "MPS is not supported"),
        (["--hight", "8"], 2, "No such option"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, code, message, capsys):
    assert run(["compare", *arguments, "--analytic"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("kaoprof: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_without_measuring_peaks_are_predicted_for_a_gpu_that_is_absent(capsys):
    arguments = ["--h", "9", "--aspect", "16:9", "--c", "8", "--device", "cuda:99", "--operators", "kao_qkv:matmul"]
    assert run(["compare", *arguments, "--no-measure", "--format", "csv"]) == 0
    (row,) = rows_of(capsys.readouterr().out)
    assert (row["h"], row["w"], row["device"], row["latency_s"]) == ("9", "16", "cuda:99", "")
    assert int(row["macs_counted"]) == 2 * 25**2 * 8 + 8 * 8 * 25  # S = 9 + 16, and the value transformation
    assert int(row["peak_bytes_predicted"]) > 0


def test_an_absent_gpu_is_one_clear_line(capsys):
    assert run(["compare", "--h", "8", "--device", "cuda:99"]) == 1
    said = capsys.readouterr().err
    assert "there is no cuda:99" in said
    assert "kaoprof fit --memory and kaoprof explain take --device cuda without one" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dtype", "tf32"], "tf32 is a mode of NVIDIA GPUs, and this is cpu"),
        (["--graph"], "graphs are a feature of CUDA, and this is cpu"),
        (["--affinity", "4095"], "core 4095 is not there"),
    ],
)
def test_what_this_device_cannot_do_is_refused_before_anything_is_measured(arguments, message, capsys):
    assert run(["compare", "--h", "8", "--device", "cpu", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.slow
def test_a_forced_backend_is_named_and_where_it_cannot_serve_is_a_row(capsys):
    arguments = ["compare", *QUICK, "--operators", "kao_kv", "--device", "cpu", "--format", "csv"]
    assert run([*arguments, "--sdpa", "flash", "--cache", "cold"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [(row["implementation"], row["backend"], row["status"], row["cache"]) for row in rows] == [
        ("matmul", "", "ok", "cold"), ("sdpa", "flash", "ok", "cold"),
    ]  # fmt: skip
    assert run([*arguments, "--sdpa", "efficient"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [row["status"] for row in rows] == ["ok", "unsupported"]
    assert "'efficient' cannot serve this on cpu" in rows[1]["detail"]


def test_every_row_has_its_floor_its_bound_and_its_error(capsys):
    arguments = ["compare", *QUICK, "--operators", "nonlocal,kao_qkv", "--device", "cpu", "--format", "csv"]
    assert run(arguments) == 0
    for row in rows_of(capsys.readouterr().out):
        assert float(row["times_floor"]) == pytest.approx(float(row["quiet_s"]) / float(row["floor_s"]))
        assert float(row["times_floor"]) >= 1
        assert row["bound"] in {"launch", "memory", "compute"}
        assert row["bound_reason"].startswith((f"{row['bound']}-bound: ", "far from its limits: "))  # if others ran
        assert 0 < float(row["error_fp64_rms"]) < float(row["error_fp64"]) < 1e-5
        assert int(row["operations"]) > 0


@pytest.mark.slow
def test_compiled_rows_stand_beside_their_eager_ones(monkeypatch, capsys):
    monkeypatch.setenv("CXX", "/nonexistent")  # so that nothing is compiled here: the rows must survive that too
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    assert run(["compare", *QUICK, "--operators", "kao_qkv", "--device", "cpu", "--compile", "--format", "csv"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [row["implementation"] for row in rows] == ["matmul", "matmul+compile", "sdpa", "sdpa+compile"]
    assert [row["status"] for row in rows] == ["ok", "unsupported"] * 2
    assert len({row["macs_counted"] for row in rows}) == 1  # counted eagerly
    assert "cannot be compiled" in rows[1]["detail"]


def test_an_existing_file_is_kept_unless_forced(tmp_path, capsys):
    path = tmp_path / "run.csv"
    path.write_text("precious")
    arguments = ["compare", "--h", "8", "--analytic", "-o", str(path)]
    assert run(arguments) == 2
    assert path.read_text() == "precious"
    assert "--force overwrites it" in capsys.readouterr().err
    assert run([*arguments, "--force"]) == 0
    assert path.read_text().startswith("schema,")


def test_a_disk_that_fills_up_loses_nothing(tmp_path, capsys, monkeypatch):
    def full(path, text):
        if path.parent == tmp_path:
            raise OSError(28, "No space left on device")
        return write_whole(path, text)

    monkeypatch.setattr("kaoprof.cli.output.write_whole", full)
    assert run(["compare", "--h", "8", "--analytic", "-o", str(tmp_path / "run.csv")]) == 1
    captured = capsys.readouterr()
    assert "kao_qkv" in captured.out
    assert "No space left on device" in captured.err
    kept = captured.err.rpartition("kept in ")[2].rstrip(")\n")
    assert len(load_records(Path(kept))[-1].rows) == 8
    Path(kept).unlink()


@pytest.fixture
def at_request(monkeypatch, warm_children):
    """Makes something happen before the measuring process is asked for the given time about a row."""

    def let(number, happen, about=range(99)):
        asked, ask = [], warm_children.ask

        def watched(child, request, **limits):
            if getattr(request, "subject", None) in about:
                asked.append(request)
                if len(asked) == number:
                    happen(child)
            return ask(child, request, **limits)

        monkeypatch.setattr(warm_children, "ask", watched)

    return let


@pytest.mark.slow
def test_a_killed_measuring_process_is_a_row_and_the_rest_is_there(at_request, tmp_path):
    path = tmp_path / "run.json"
    at_request(5, lambda child: os.kill(child.pid, signal.SIGKILL), about=[0])
    assert run(["compare", *SMALL, "--operators", "nonlocal:matmul,kao_qkv:matmul", "-o", str(path)]) == 0
    dead, alive = load_records(path)[-1].rows
    assert (dead.status, alive.status) == ("error", "ok")
    assert "killed by SIGKILL" in dead.detail
    assert len(alive.latency.samples_s) >= 10


def test_strict_turns_a_failed_row_into_exit_code_1(monkeypatch, capsys):
    monkeypatch.setattr("kaoprof.comparing.run.analytic", wrong_formula(analytic))
    arguments = ["compare", *QUICK, "--operators", "kao_qkv:matmul", "--format", "json"]
    assert run(arguments) == 0
    assert "counts disagree: kao_qkv:matmul (the closed form" in capsys.readouterr().err
    assert run([*arguments, "--strict"]) == 1


def wrong_formula(right):
    from msgspec.structs import replace

    return lambda case: replace(right(case), macs=right(case).macs + 1)


def test_an_interrupt_keeps_what_was_measured(at_request, tmp_path, capsys):
    path = tmp_path / "run.json"

    def interrupt(_child):
        raise KeyboardInterrupt

    at_request(60, interrupt)  # in the midst of the rounds
    arguments = [*SMALL, "--samples", "50", "--operators", "kao_qkv:matmul,nonlocal:matmul"]
    assert run(["compare", *arguments, "-o", str(path)]) == 130
    shown = capsys.readouterr()
    assert f"interrupted: what was measured until then is saved in {path}" in shown.err
    assert "kao_qkv" in shown.out
    record = load_records(path)[-1]
    assert record.interrupted
    assert all(row.latency for row in record.rows)


@pytest.mark.parametrize("to_file", [True, False])
def test_an_interrupt_before_anything_was_measured_does_not_claim_that_anything_was(
    to_file, at_request, tmp_path, capsys
):
    path = tmp_path / "run.json"

    def interrupt(_child):
        raise KeyboardInterrupt

    at_request(1, interrupt)  # while the process is prepared
    arguments = ["compare", *SMALL, "--operators", "kao_qkv:matmul", *(["-o", str(path)] if to_file else [])]
    assert run(arguments) == 130
    where = f"saved in {path}" if to_file else "shown above"
    shown = capsys.readouterr().err.splitlines()[-1]
    assert shown == f"kaoprof: interrupted before anything was measured; what is known without is {where}"


INTERRUPTED = """
import os, signal
from kaoprof.cli.app import main
from kaoprof.measuring.child import Child

asked, ask = [], Child.ask

def interrupting(child, request, **limits):
    asked.append(request)
    if len(asked) == 30:
        os.kill(os.getpid(), signal.SIGINT)
    return ask(child, request, **limits)

Child.ask = interrupting
main()
"""


@pytest.mark.slow
def test_ctrl_c_in_a_process_of_its_own_keeps_what_was_measured(tmp_path):
    path = tmp_path / "run.json"
    arguments = ["compare", *SMALL, "--operators", "kao_qkv:matmul,nonlocal:matmul", "-o", str(path)]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *arguments], capture_output=True, text=True, check=False, preexec_fn=heed
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert f"interrupted: what was measured until then is saved in {path}" in done.stderr
    assert json.loads(path.read_text())["interrupted"] is True
    assert "kao_qkv" in done.stdout


def test_a_reader_that_closes_the_pipe_is_no_crash():
    writer = subprocess.Popen(
        [sys.executable, "-m", "kaoprof", "compare", "--h", "1:400:1", "--analytic", "--format", "csv"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    writer.stdout.readline()
    writer.stdout.close()
    assert "Traceback" not in writer.stderr.read()
    assert writer.wait() == 0  # whoever reads decides how much; nothing went wrong
    writer.stderr.close()


def test_without_a_command_the_help_is_shown(capsys):
    assert run([]) == 0
    assert "Usage: kaoprof" in capsys.readouterr().out
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"kaoprof {kaoprof.__version__}\n"


def test_an_unknown_command_is_one_clear_line(capsys):
    assert run(["compar"]) == 2
    assert capsys.readouterr().err.count("\n") == 1

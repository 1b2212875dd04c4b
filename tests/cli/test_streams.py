"""Output that goes nowhere, is full, or lacks a sign: nothing measured is lost, and nobody sees a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from samples import measured_record
from signals import heed

from kaoprof.cli.app import run
from kaoprof.records.measured import dumps

QUICK = ["compare", "--h", "8", "--c", "8", "--analytic"]
ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}


def shell(command, **environment):
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, env=os.environ | environment,
        preexec_fn=heed,
    )  # fmt: skip


def kaoprof(*arguments):
    return f"{sys.executable} -m kaoprof {' '.join(arguments)}"


@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_files_are_written_also_when_stdout_is_gone(tmp_path, where):
    path = tmp_path / "run.csv"
    done = shell(f"{kaoprof(*QUICK, '-o', str(path))} {where}")
    assert path.read_text().startswith("schema,")
    assert "Traceback" not in done.stderr
    assert done.returncode == (1 if "full" in where else 0)
    assert ("No space left on device" in done.stderr) == ("full" in where)


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-"])
def test_results_are_printed_also_when_stderr_is_gone(where):
    done = shell(f"{kaoprof(*QUICK)} {where}")
    assert done.returncode == 0
    assert "kao_qkv takes 13.6x fewer MACs" in done.stdout


def explain_somebodys(name):
    sizes = ["--input", "b,3", "--at", "b=7"]
    return run(["explain", f"somebodys:{name}", *sizes, "--allow-import", "--format", "json"])


@pytest.mark.usefixtures("quick_measuring")
def test_what_somebodys_code_prints_is_no_result(capfd):
    assert explain_somebodys("Prints") == 0
    told = capfd.readouterr()
    assert json.loads(told.out)["kind"] == "explain"
    assert "a module that" not in told.err, "it runs where nobody listens"


@pytest.mark.usefixtures("quick_measuring")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("ExitsPolitely", "its code raises SystemExit", marks=pytest.mark.slow),
        ("Unspeakable", "does not run: no message"),
        pytest.param("Elsewhere", "Linear is called in another thread", marks=pytest.mark.slow),
        pytest.param("sys.gettrace", "the factory made 'NoneType', not a torch.nn.Module", marks=pytest.mark.slow),
    ],
)
def test_somebodys_code_cannot_end_it_without_a_word(name, message, capfd):
    assert explain_somebodys(name) in (1, 2)
    told = capfd.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert message in line


def test_wrong_usage_keeps_its_exit_code_without_a_stderr():
    assert shell(f"{kaoprof('compare', '--h', '0')} 2>&-").returncode == 2


def test_ctrl_c_while_modules_are_imported_ends_it_like_any_other(tmp_path):
    (tmp_path / "typer.py").write_text(
        "import os, signal, time\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\nfinally:\n    time.sleep(20)\n"
    )  # a library that does not go at once
    done = shell(kaoprof("--help"), PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "kaoprof: interrupted\n")


def test_ctrl_c_while_torch_is_imported_is_not_lost(tmp_path):
    (tmp_path / "torch.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept KeyboardInterrupt:\n    pass\n"
    )  # as the real one, which imports numpy and goes on whatever happens there
    script = "from kaoprof.cli.interrupts import heed_interrupts as heed; heed(); import torch, time; time.sleep(20)"
    done = shell(f"{sys.executable} -c '{script}'", PYTHONPATH=str(tmp_path))
    assert done.stderr.endswith("KeyboardInterrupt\n")


def test_a_terminal_without_micro_signs_gets_another_unit(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(dumps(measured_record()), encoding="utf-8")
    done = shell(kaoprof("report", str(path), "--to", str(tmp_path / "run.md"), "--format", "table"), **ASCII)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run.md").exists()
    shown = shell(kaoprof("report", str(path)), **ASCII)
    assert shown.returncode == 0, shown.stderr
    assert "150 us" in shown.stdout


def in_a_folder_of_bad_libraries(command, folder):
    (folder / "msgspec.py").write_text("raise SystemExit(3)")
    return shell(f"cd {folder} && {Path(sys.executable).parent}/kaoprof {command}").returncode


def test_a_library_in_this_folder_does_not_shadow_the_real_one(tmp_path):
    assert in_a_folder_of_bad_libraries("check kanet-qkv", tmp_path) == 0


@pytest.mark.slow
def test_a_library_in_this_folder_does_not_shadow_the_measuring_processs(tmp_path):
    assert in_a_folder_of_bad_libraries("env --device cpu --threads 1", tmp_path) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "profile mymod:Net --allow-import --input 2,8 --samples 2 --budget 0.05 --threads 1",
        "explain mymod:Net --allow-import --input b,8 --at b=2",
        "compare --with mymod:Net --operators kao_qkv:matmul --h 3 --c 4 --allow-import --samples 2 --budget 0.05",
    ],
)
def test_neither_process_of_a_command_that_imports_from_this_folder_takes_its_torch(command, tmp_path):
    (tmp_path / "torch.py").write_text("from pathlib import Path; Path(__file__).with_name('taken').touch()")
    (tmp_path / "mymod.py").write_text("import torch\nclass Net(torch.nn.Identity):\n    pass\n")
    done = shell(f"cd {tmp_path} && {Path(sys.executable).parent}/kaoprof {command}")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "taken").exists()


def test_a_very_long_line_keeps_both_ends(capsys):
    assert run(["compare", "--h", "8", "--dtype", "x" * 5000]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kaoprof: dtype: unknown dtype 'xxx")
    assert line.endswith("x' (one of: fp64, fp32, tf32, bf16, fp16)")
    assert len(line) < 1000


def test_a_control_in_a_name_is_shown_not_sent(capsys):
    assert run(["report", "\x1b[31mred.json"]) == 1
    assert capsys.readouterr().err == "kaoprof: \\u001b[31mred.json: there is no such file\n"


def test_a_control_in_a_record_does_not_steer_the_terminal(tmp_path, capsys):
    record = measured_record()
    odd = replace(record, environment=replace(record.environment, device_name="A \x1b[2J Processor"))
    path = tmp_path / "odd.json"
    path.write_text(dumps(odd), encoding="utf-8")
    assert run(["report", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "A \\u001b[2J Processor" in " ".join(shown.split())
    assert "\x1b" not in shown


@pytest.mark.parametrize("columns", ["0", "20"])
def test_a_terminal_that_says_it_has_hardly_a_column_loses_no_figure(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert run(QUICK) == 0
    wide = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", columns)
    assert run(QUICK) == 0
    assert capsys.readouterr().out == wide


def test_what_a_link_names_is_not_replaced_unless_it_is_a_file(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    link = tmp_path / "run.csv"
    link.symlink_to(tmp_path / "pipe")
    assert run([*QUICK, "-o", str(link), "--force"]) == 1
    assert "run.csv: is no ordinary file (name a file that may be replaced)" in capsys.readouterr().err
    assert (tmp_path / "pipe").is_fifo()


def test_a_name_that_is_no_utf_8_can_be_recorded(tmp_path, capsys):
    path = os.fsencode(tmp_path) + b"/bad\xff.json"
    Path(os.fsdecode(path)).write_text(dumps(measured_record()), encoding="utf-8")
    other = tmp_path / "good.json"
    other.write_text(dumps(measured_record()), encoding="utf-8")
    assert run(["diff", str(other), os.fsdecode(path), "--format", "json"]) == 0
    assert "bad\ufffd.json" in capsys.readouterr().out


QUIET_COMMANDS = {
    "list": ["list"], "list as JSON": ["list", "--format", "json"], "schema": ["schema"], "help": ["--help"],
    "help of one": ["fit", "--help"], "version": ["--version"], "check": ["check", "kanet-qkv"],
    "compare": [*QUICK, "--format", "csv"], "a table": QUICK, "fit": ["fit", "--macs", "1M", "--format", "csv"],
    "profile": ["profile", "kanet-qkv", "--analytic", "--format", "csv"],
    "reproduce": ["reproduce", "--paper", "ccnet", "--format", "csv"],
}  # fmt: skip


@pytest.mark.parametrize("arguments", QUIET_COMMANDS.values(), ids=QUIET_COMMANDS)
def test_a_reader_that_has_read_enough_is_no_failure(arguments, monkeypatch, capsys):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as gone:
        monkeypatch.setattr("sys.stdout", gone)
        assert run(arguments) == 0
    assert "Broken pipe" not in capsys.readouterr().err

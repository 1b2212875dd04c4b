"""However a run ends, it ends with one line and the exit code that the handbook names."""

import subprocess
import sys

import pytest
from signals import heed

from kaoprof.cli.app import TRACEBACK, run

QUICK = ["compare", "--h", "8", "--c", "8", "--analytic"]
INTERRUPT = "os.kill(os.getpid(), signal.{})"


def python(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, preexec_fn=heed)


@pytest.fixture
def broken(monkeypatch):
    def fail(_name):
        raise ZeroDivisionError("nobody thought\nof this")

    monkeypatch.setattr("kaoprof.cli.command_table.built", fail)


@pytest.mark.usefixtures("broken")
def test_what_nobody_thought_of_is_one_line_that_says_what_to_do(monkeypatch, capsys):
    monkeypatch.delenv(TRACEBACK, raising=False)
    assert run(QUICK) == 1
    assert capsys.readouterr().err == (
        "kaoprof: ZeroDivisionError: nobody thought "
        "(this is a fault of kaoprof, please report it; KAOPROF_TRACEBACK=1 shows where it happened)\n"
    )


@pytest.mark.usefixtures("broken")
def test_whoever_asks_for_a_traceback_gets_it(monkeypatch):
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        run(QUICK)


def test_a_folder_that_is_gone_is_named_before_anything_is_measured(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert run(["compare", "--h", "8"]) == 1
    assert capsys.readouterr().err == "kaoprof: the current folder is gone (cd to another one)\n"
    assert run(["--help"]) == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_modules_are_imported_ends_it_at_once(name):
    script = (
        "import os, signal; from kaoprof.cli.interrupts import end_on_interrupts; end_on_interrupts()\n"
        f"try:\n    {INTERRUPT.format(name)}\nexcept BaseException:\n    print('caught by a library')\n"
    )
    done = python(script)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "kaoprof: interrupted\n")


def test_a_signal_is_obeyed_also_without_a_stderr():
    script = f"import os, signal, kaoprof.cli.interrupts as i; i.end_on_interrupts(); os.close(2); {INTERRUPT}"
    assert python(script.format("SIGINT")).returncode == 130


def test_a_second_ctrl_c_while_the_first_is_told_changes_nothing():
    script = (
        "import os, signal, sys; from kaoprof.cli import app\n"
        f"def interrupt(*_): {INTERRUPT.format('SIGINT')}\n"
        "app.app, app.complain = interrupt, interrupt\n"
        "app.main()\n"
    )
    done = python(script)
    assert (done.returncode, done.stderr) == (130, "")


def test_the_command_obeys_signals_before_it_imports_anything_else():
    script = (
        "import sys; from kaoprof.__main__ import main\n"
        "import kaoprof.cli.interrupts as interrupts\n"
        "def end(): print(sorted(name for name in sys.modules if name.startswith(('typer', 'msgspec')))); sys.exit(7)\n"
        "interrupts.end_on_interrupts = end\n"
        "main()\n"
    )
    done = python(script)
    assert (done.returncode, done.stdout) == (7, "[]\n")

"""Output that goes nowhere, is full, or lacks a sign: nothing measured is lost, and nobody sees a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = ["compare", "--h", "8", "--c", "8", "--analytic"]


def shell(command, **environment):
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60, env=os.environ | environment
    )


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
    assert "kao_qkv:sdpa" in done.stdout


def test_wrong_usage_keeps_its_exit_code_without_a_stderr():
    assert shell(f"{kaoprof('compare', '--h', '0')} 2>&-").returncode == 2


def test_a_terminal_without_micro_signs_gets_a_substitute(tmp_path):
    path = tmp_path / "run.json"
    arguments = ["compare", "--h", "8", "--c", "8", "--samples", "2", "--threads", "1", "-o", str(path)]
    done = shell(kaoprof(*arguments), LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert path.exists()


def test_a_library_in_this_folder_does_not_shadow_the_real_one(tmp_path):
    (tmp_path / "msgspec.py").write_text("raise SystemExit(3)")
    script = f"cd {tmp_path} && {Path(sys.executable).parent}/kaoprof env --device cpu --threads 1"
    assert shell(script).returncode == 0

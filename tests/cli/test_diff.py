"""`kaoprof diff` as a user and a CI job meet it: exit codes, files, one line for what is wrong."""

import json
import subprocess
import sys

import pytest
from diffs import changed_pair, made_run

from kaoprof.cli.app import run
from kaoprof.records.measured import dumps


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def written(old, new):
        for name, record in (("old.json", old), ("new.json", new)):
            (tmp_path / name).write_text(dumps(record))
        return ["diff", "old.json", "new.json"]

    return written


def test_a_slowdown_beyond_the_limit_exits_with_3_and_without_a_limit_with_0(runs, capsys):
    command = runs(made_run(1), made_run(2, slower={"kao_qkv:matmul": 1.2}))
    assert run(command) == 0
    assert run([*command, "--fail-above", "5%"]) == 3
    assert "broken by kao_qkv:matmul" in " ".join(capsys.readouterr().out.split())
    assert run([*command, "--fail-above", "50%"]) == 0


def test_files_and_formats(runs, tmp_path, capsys):
    command = runs(*changed_pair())
    assert run([*command, "--format", "md", "-o", "diff.json", "-o", "diff.csv"]) == 0
    assert capsys.readouterr().out.startswith("### kaoprof diff: 2 SLOWER")
    assert json.loads((tmp_path / "diff.json").read_text())["kind"] == "diff"
    assert (tmp_path / "diff.csv").read_text().startswith("schema,cell,name,verdict")
    assert run([*command, "-o", "diff.csv"]) == 2
    assert "--force overwrites it" in capsys.readouterr().err
    assert run([*command, "-o", "diff.png"]) == 2
    assert "a record of diff has no picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--fail-above", "5"], 2, "write for example 5%"),
        (["--fail-above", "-5%"], 2, "not a percentage"),
        (["--margin", "0%"], 2, "margin"),
        (["--margin", "200%"], 2, "margin"),
        (["--drift", "remov"], 2, "did you mean 'remove'"),
        (["--format", "png"], 2, "unknown format"),
    ],
)
def test_wrong_options_are_one_line(runs, capsys, more, code, message):
    assert run([*runs(made_run(1), made_run(2)), *more]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_missing_files_and_the_same_file_are_one_line(runs, capsys):
    runs(made_run(1), made_run(2))
    assert run(["diff", "old.json", "none.json"]) == 1
    assert "none.json: there is no such file" in capsys.readouterr().err
    assert run(["diff", "old.json", "old.json"]) == 2
    assert run(["diff", "old.json", "."]) == 1
    assert run(["diff", "old.json"]) == 2


def test_it_never_imports_torch(runs, tmp_path):
    command = runs(made_run(1), made_run(2))
    script = (
        "import sys; from kaoprof.cli.app import run; code = run(sys.argv[1:]); "
        "sys.exit(code or bool({'torch', 'sympy', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr

"""`-o` with every format on every command that has results: cheap runs here, measured ones where they are slow."""

import json
from pathlib import Path

import pytest
from samples import measured_record

from kaoprof.cli.app import run
from kaoprof.records.measured import dumps

TEXTS = ("csv", "json", "md", "tex", "html")
DRAWN = ("svg", "png", "pdf")
CHEAP = {
    "compare": ["compare", "--h", "3", "--c", "4", "--analytic"],
    "sweep": ["sweep", "--h", "2,3,5", "--c", "4", "--analytic", "-o", "run.jsonl"],
    "sweep of models": ["sweep", "kanet-qkv", "mobilenetv2", "--size", "32", "--analytic", "-o", "run.jsonl"],
    "profile": ["profile", "kanet-qkv", "--analytic"],
    "profile of several": ["profile", "kanet-qkv", "mobilenetv2", "--analytic"],
    "fit": ["fit", "--macs", "1G"],
    "fit of a frame": ["fit", "--memory", "1GiB", "--aspect", "16:9", "--at", "90x160", "--device", "cpu"],
    "cross": ["fit", "--cross", "kao_qkv,nonlocal"],
    "diff": ["diff", "kept.json", "again.json"],
    "reproduce": ["reproduce", "--analytic"],
    "reproduce from": ["reproduce", "--from", "kept.json"],
    "reproduce another": ["reproduce", "--paper", "ccnet"],
}
TORCH = {
    "explain": ["explain", "kao_qkv"],
    "fit of models": ["fit", "kanet-qkv", "--memory", "1GiB", "--device", "cpu"],
}
MEASURED = {
    "compare": ["compare", "--h", "4", "--c", "4", "--budget", "0.2s", "--device", "cpu"],
    "sweep": ["sweep", "--h", "4,6,8", "--c", "4", "--budget", "0.3s", "--device", "cpu", "-o", "run.jsonl"],
    "sweep of models": ["sweep", "kanet-qkv", "--size", "32", "--budget", "0.3s", "--device", "cpu", "-o", "run.jsonl"],
    "profile": ["profile", "kanet-qkv", "--size", "32", "--budget", "0.3s", "--device", "cpu"],
    "fit": ["fit", "--time", "1ms", "--operators", "kao_qkv:matmul", "--c", "4", "--budget", "0.5s", "--device", "cpu"],
    "reproduce": ["reproduce", "--budget", "1s", "--device", "cpu"],
}
WITH_PICTURES = ("compare", "sweep", "sweep of models", "profile")


def written_by(arguments, formats, capsys):
    """Runs it with a file for each format, and looks whether each holds what its suffix says."""
    files = [f"made.{name}" for name in formats]
    assert run([*arguments, *(word for file in files for word in ("-o", file))]) in (0, 3), capsys.readouterr().err
    for file in files:
        assert BEGINNING[file.partition(".")[2]] in Path(file).read_bytes(), file
    assert json.loads(Path("made.json").read_text(encoding="utf-8"))["schema"] == 1


BEGINNING = {
    "csv": b"schema,", "json": b'"schema": 1', "md": b"|", "tex": b"\\", "html": b"<!DOCTYPE html>", "svg": b"<svg",
    "png": b"PNG", "pdf": b"%PDF",
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("kept.json", "again.json"):
        (tmp_path / name).write_text(dumps(measured_record()), encoding="utf-8")


@pytest.mark.parametrize("name", CHEAP)
def test_every_text(name, capsys):
    written_by(CHEAP[name], TEXTS, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCH)
def test_every_text_of_what_takes_torch(name, capsys):
    written_by(TORCH[name], TEXTS, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_every_format_of_what_was_measured(name, capsys):
    written_by(MEASURED[name], (*TEXTS, *DRAWN) if name in WITH_PICTURES else TEXTS, capsys)

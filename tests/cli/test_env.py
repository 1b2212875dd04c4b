"""`kaoprof env`: what figures would be stamped with."""

import json

import torch

from kaoprof.cli.app import run


def test_the_environment_is_that_of_the_measuring_process(capsys):
    assert run(["env", "--device", "cpu", "--threads", "1", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["torch"] == torch.__version__
    assert found["threads"] == 1
    assert 0 < found["free_bytes"] <= found["memory_bytes"]
    assert found["throughput_flops"] > 1e6


def test_the_environment_reads_well(capsys):
    assert run(["env", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("device name") for line in lines)
    assert max(map(len, lines)) <= 120


def test_an_unknown_format_is_one_clear_line(capsys):
    assert run(["env", "--format", "yaml"]) == 2
    assert "unknown format 'yaml'" in capsys.readouterr().err

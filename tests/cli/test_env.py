"""`kaoprof env`: what figures would be stamped with."""

import json

import pytest
import torch

from kaoprof.cli.app import run

LOADS = ("kaoprof.measuring.run.load_average", "kaoprof.measuring.device_ceilings.load_average")


@pytest.mark.usefixtures("quick_measuring")
def test_the_environment_is_that_of_the_measuring_process(capsys):
    assert run(["env", "--device", "cpu", "--threads", "1", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["torch"] == torch.__version__
    assert found["threads"] == 1
    assert 0 < found["free_bytes"] <= found["memory_bytes"]
    assert found["throughput_flops"] > 1e6


@pytest.mark.usefixtures("quick_measuring")
def test_the_environment_reads_well(capsys):
    assert run(["env", "--device", "cpu", "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("device name") for line in lines)
    assert max(map(len, lines)) <= 120


def test_an_unknown_format_is_one_clear_line(capsys):
    assert run(["env", "--format", "yaml"]) == 2
    assert "unknown format 'yaml'" in capsys.readouterr().err


@pytest.fixture
def told_of_ceilings(monkeypatch, warm_children, capsys):
    """Runs `env` in a warm process that measures its ceilings, unless they are known, and returns what it tells."""
    monkeypatch.setattr("kaoprof.measuring.child.Child", warm_children)
    for load in LOADS:  # what a busy machine showed is measured again where it is quieter
        monkeypatch.setattr(load, lambda: 0.0)
    monkeypatch.setattr("kaoprof.measuring.other_load.Neighbours.beside", lambda _, conditions: conditions)

    def told(*arguments):
        assert run(["env", "--device", "cpu", "--threads", "1", "--format", "json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    return told


@pytest.mark.slow
def test_ceilings_are_measured_once_and_again_on_demand(told_of_ceilings):
    found = [told_of_ceilings(*arguments) for arguments in ([], [], ["--refresh"], [])]
    known = [json.dumps(told["ceilings"]["copies"]) for told in found]
    assert known[0] == known[1] != known[2] == known[3]
    assert found[0]["ceilings"]["products"]["fp32"] == found[0]["throughput_flops"] > 1e6
    assert 0 < found[0]["ceilings"]["launch_s"] < 1


@pytest.mark.usefixtures("quick_measuring")
def test_ceilings_read_well(capsys):
    assert run(["env", "--device", "cpu", "--threads", "1", "--cache", "warm"]) == 0
    shown = capsys.readouterr().out
    for name in ("fp32 product", "launch", "fastest copy", "largest copy", "ceilings of"):
        assert f"\n{name}" in shown


def test_cores_that_are_not_there_are_named(capsys):
    assert run(["env", "--device", "cpu", "--affinity", "4095"]) == 2
    assert "core 4095 is not there" in capsys.readouterr().err

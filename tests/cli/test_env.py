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


def test_ceilings_are_measured_once_and_again_on_demand(capsys):
    found = []
    for arguments in ([], [], ["--refresh"], []):
        assert run(["env", "--device", "cpu", "--threads", "1", "--format", "json", *arguments]) == 0
        found.append(json.loads(capsys.readouterr().out)["ceilings"])
    known = [json.dumps(ceilings["copies"]) for ceilings in found]
    assert known[0] == known[1] != known[2] == known[3]
    assert found[0]["products"]["fp32"] > 1e6
    assert 0 < found[0]["launch_s"] < 1


def test_ceilings_read_well(capsys):
    assert run(["env", "--device", "cpu", "--threads", "1", "--cache", "warm"]) == 0
    shown = capsys.readouterr().out
    for name in ("fp32 product", "launch", "fastest copy", "largest copy", "ceilings of"):
        assert f"\n{name}" in shown


def test_cores_that_are_not_there_are_named(capsys):
    assert run(["env", "--device", "cpu", "--affinity", "4095"]) == 2
    assert "core 4095 is not there" in capsys.readouterr().err

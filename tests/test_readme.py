"""Every command of the README is run, and its own examples hold."""

import re
import shlex
from functools import partial
from pathlib import Path

import pytest
from diffs import made_run
from msgspec.structs import replace
from samples import grid_record, measured_record

from kaoprof.cli.app import run
from kaoprof.networks import check_spec, network_cost
from kaoprof.records.measured import dumps
from kaoprof.specs import parse_spec

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    line.partition(" #")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("kaoprof ")
]
AT_ONCE = ("compare", "profile", "sweep", "reproduce")  # what only measures longer runs in other tests
LONG = re.compile("--with|fit --memory|sweep --h 1:100:1|to growth.svg|to latency.pdf")
EVERY = [pytest.param(command, marks=[pytest.mark.slow] * bool(LONG.search(command))) for command in COMMANDS]
ONLY_MEASURED = ("--compile", "--graph")  # which --analytic excludes


def test_the_first_screen_holds_the_two_commands():
    first_screen = "\n".join(README.splitlines()[:20])
    assert "-c constraints.txt . && .venv/bin/kaoprof compare --h 56 --c 64" in first_screen
    assert "-c constraints.txt -e '.[test]' && .venv/bin/pytest" in first_screen


@pytest.mark.usefixtures("quick_measuring")
@pytest.mark.parametrize("command", EVERY)
def test_every_command_works_as_written(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)[1:]
    if arguments[0] == "report":  # of runs that other commands left behind
        rows = tuple(replace(row, case=replace(row.case, c=64)) for row in grid_record().rows)
        Path("run.jsonl").write_text(dumps(replace(grid_record(), rows=rows)), encoding="utf-8")
        Path("other.json").write_text(dumps(measured_record()), encoding="utf-8")
    if arguments[0] in ("diff", "reproduce"):
        for number, name in enumerate(("before.json", "after.json")):
            Path(name).write_text(dumps(made_run(number)), encoding="utf-8")
    known = {"--analytic", "--from"} & {*arguments}
    if arguments[0] in AT_ONCE and not known:
        arguments = [argument for argument in arguments if argument not in ONLY_MEASURED] + ["--analytic"]
    assert run(arguments) == 0, capsys.readouterr().err


def test_the_specs_of_the_readme_are_valid():
    specs = [parse_spec(block, file="README.md") for language, block in BLOCKS if language == "yaml"]
    assert [spec.kind for spec in specs] == ["model", "code"]
    for spec in specs:
        check_spec(spec)
    assert network_cost(specs[0]).macs > 0


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    import torch
    from torch import nn

    import kaoprof

    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kaoprof.counting.rules.REGISTERED", {})
    net, x = nn.Sequential(nn.Linear(8, 4)), torch.randn(2, 8)
    optimizer = torch.optim.AdamW(net.parameters())
    monkeypatch.setattr(kaoprof, "profile", partial(kaoprof.profile, measured=False))

    def training_step(net, x):
        net(x).sum().backward()
        optimizer.step()

    names = {"net": net, "x": x, "training_step": training_step}
    first, *others = [block for language, block in BLOCKS if language == "python"]
    for block in (first, *others):
        exec(block, names)  # noqa: S102 - it is what people copy
    assert names["counts"].macs == 2 * 2 * 8 * 4
    assert len(names["frame"]) == 2
    assert Path("run.json").is_file()


def test_long_commands_are_still_there():
    assert sum(bool(LONG.search(command)) for command in COMMANDS) == 5


def test_nothing_is_left_to_fill_in():
    assert "@@" not in README

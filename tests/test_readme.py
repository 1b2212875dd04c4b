"""Every command of the README and of the guide is run, their own examples hold, and figures are those of records."""

import re
from functools import partial
from pathlib import Path

import pytest
from diffs import made_run
from handbook import GUIDE, README, README_FILE, ROOT, SCREEN, arguments_of, blocks, commands
from model_samples import swept_models
from msgspec.structs import replace
from rendered import printed
from samples import grid_record, measured_record

from kaoprof.cli.app import run
from kaoprof.cli.command_table import COMMANDS, built
from kaoprof.cli.guide_topics import ORDER, find, names
from kaoprof.networks import check_spec, network_cost
from kaoprof.records.measured import dumps
from kaoprof.reporting.kinds import to_console
from kaoprof.reporting.reported import report
from kaoprof.specs import parse_spec

MOST_BYTES = 10_000
WIDEST = 78  # a line of code of the guide, on a terminal of 80 columns
PAGES = {"README": README, **GUIDE}
AT_ONCE = ("compare", "profile", "sweep", "reproduce")  # what only measures longer runs in other tests
LONG = re.compile("fit |to growth|explain")
EVERY = [pytest.param(command, marks=[pytest.mark.slow] * bool(LONG.search(command))) for command in commands(README)]
ONLY_MEASURED = ("--compile", "--graph", "--no-measure")  # which --analytic excludes


def test_the_first_screen_holds_the_two_commands():
    first_screen = "\n".join(README.splitlines()[:20])
    assert "-c constraints.txt . && .venv/bin/kaoprof compare --h 56 --c 64" in first_screen
    assert "-c constraints.txt -e '.[test,ray]' && .venv/bin/pytest" in first_screen


def test_the_readme_is_short():
    assert len(README.encode()) <= MOST_BYTES


def leave_runs():
    """Files that the commands of a page read, as others would have left them."""
    rows = tuple(replace(row, case=replace(row.case, c=64)) for row in grid_record().rows)
    Path("run.jsonl").write_text(dumps(replace(grid_record(), rows=rows)), encoding="utf-8")
    Path("models.jsonl").write_text(dumps(swept_models()), encoding="utf-8")
    for name in ("other.json", "run.json"):
        Path(name).write_text(dumps(measured_record()), encoding="utf-8")
    for number, name in enumerate(("before.json", "after.json")):
        Path(name).write_text(dumps(made_run(number)), encoding="utf-8")


def quickened(command):
    """The command's arguments, with closed forms only where it would measure; files that are there are overwritten."""
    arguments = arguments_of(command)
    if arguments[0] in AT_ONCE and not {"--analytic", "--from"} & {*arguments}:
        arguments = [argument for argument in arguments if argument not in ONLY_MEASURED] + ["--analytic"]
    if arguments[0] == "sweep":  # whose journal is never overwritten
        named = arguments[arguments.index("-o") + 1] if "-o" in arguments else "models.jsonl"
        Path(named).unlink(missing_ok=True)
    return [*arguments, *(["--force"] if "-o" in arguments or "--to" in arguments else [])]


@pytest.mark.usefixtures("quick_measuring")
@pytest.mark.parametrize("command", EVERY)
def test_every_command_of_the_readme_works_as_written(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    leave_runs()
    assert run(quickened(command)) == 0, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("quick_measuring")
@pytest.mark.parametrize("topic", [topic for topic, text in GUIDE.items() if commands(text)])
def test_every_command_of_the_guide_works_as_written(topic, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in commands(GUIDE[topic]):
        if command not in commands(README) and "--on " not in command:  # which takes a cluster
            leave_runs()
            assert run(quickened(command)) == 0, f"{command}\n{capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_understood(page):
    for command in commands(PAGES[page]):
        name, *words = arguments_of(command)
        built(name).make_context(name, words)


def test_every_command_of_the_handbook_is_met():
    met = {arguments_of(command)[0] for text in PAGES.values() for command in commands(text)}
    assert COMMANDS.keys() - met == {"env"}  # which measures ceilings; it stands in the prose


def test_whatever_refers_to_the_guide_finds_something_there():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "kaoprof").rglob("*.py"))
    topics = set(re.findall(r"kaoprof guide ([a-z]+)", "\n".join((*PAGES.values(), code))))
    assert {"words", "floor", "ci", "inside"} <= topics
    for topic in topics:
        assert find(topic)


def test_every_topic_has_its_place():
    assert {*names()} <= {*ORDER}


@pytest.mark.parametrize("topic", GUIDE)
def test_code_of_the_guide_fits_a_terminal(topic):
    lines = [line for block in re.findall(r"^```\w+\n(.*?)^```$", GUIDE[topic], re.DOTALL | re.MULTILINE)
             for line in block.splitlines()]  # fmt: skip
    assert [line for line in lines if len(line) > WIDEST] == []


def test_the_screens_are_what_their_committed_records_say(request):
    """`--update-golden` puts what is printed today into the README."""

    def filled(match):
        _, path = arguments_of(f"kaoprof {match['command']}")
        lines = printed(to_console(report(ROOT / path), 80)).splitlines()
        return match[1] + "".join(f"{line.rstrip()}\n" for line in lines) + match[4]

    shown = SCREEN.sub(filled, README)
    assert shown.count("```text") == len(SCREEN.findall(README)) > 0
    if request.config.getoption("--update-golden"):
        README_FILE.write_text(shown, encoding="utf-8")
    assert shown == README_FILE.read_text(encoding="utf-8"), "pytest --update-golden tests/test_readme.py rewrites it"


def test_the_specs_of_the_guide_are_valid():
    specs = [parse_spec(block, file="guide") for text in PAGES.values() for block in blocks(text, "yaml")]
    assert sorted(spec.kind for spec in specs) == ["code", "grid", "model"]
    for spec in specs:
        check_spec(spec)
    assert next(network_cost(spec) for spec in specs if spec.kind == "model").macs > 0


@pytest.mark.parametrize("page", ["README", "python"])
def test_its_python_runs(page, tmp_path, monkeypatch):
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
    for block in blocks(PAGES[page], "python"):
        exec(block, names)  # noqa: S102 - it is what people copy
    assert names["counts"].macs == 2 * 2 * 8 * 4
    assert len(names["frame"]) == 2
    assert Path("run.json").is_file()


def test_nothing_is_left_to_fill_in():
    assert "@@" not in "".join(PAGES.values())

"""Help cuts nothing off and stands in groups, errors name it, and a shell completes what is known."""

import re

import pytest

from kaoprof.cli.app import run
from kaoprof.cli.command_table import COMMANDS, built
from kaoprof.cli.help_pages import PANELS, REST, panel_of

MOST_SIGNS = 50
ESCAPE = "\x1b["


def help_of(arguments, capsys):
    assert run(arguments) == 0
    return capsys.readouterr().out


def test_no_summary_is_cut_off_and_every_command_stands_there_once(capsys):
    shown = help_of(["--help"], capsys)
    assert "..." not in shown.replace("[ARGS]...", "")
    assert max(map(len, shown.splitlines())) <= 80
    for name, entry in COMMANDS.items():
        assert len(entry.summary) <= MOST_SIGNS
        assert re.findall(rf"^  {name} +(.+)$", shown, re.MULTILINE) == [entry.summary]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_a_group_the_common_ones_first(name, capsys):
    command = built(name)
    assert not [option.name for option in command.params
                if option.param_type_name == "option" and panel_of(option.name) == REST]  # fmt: skip
    shown = help_of([name, "-h"], capsys)
    assert shown == help_of([name, "--help"], capsys)
    headings = re.findall(r"^(\S.*):$", shown, re.MULTILINE)
    order = ["Arguments", "Options", *PANELS]
    assert headings == [title for title in order if title in headings]
    for option in command.params:
        if option.param_type_name == "option":
            assert re.search(rf"^  .*{max(option.opts, key=len)}\b", shown, re.MULTILINE), option.name


def test_no_option_stands_in_two_groups():
    named = [name for names in PANELS.values() for name in names]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["compare", "--hh", "3"], "kaoprof compare --help"),
        (["profile"], "kaoprof profile --help"),
        (["fit", "--h", "x"], "kaoprof fit --help"),
        (["compair"], "kaoprof --help"),
    ],
)
def test_an_error_names_the_help_of_its_command(arguments, where, capsys):
    assert run(arguments) == 2
    assert capsys.readouterr().err.endswith(f"(see {where})\n")


def test_help_is_coloured_on_a_terminal_that_shows_it(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = help_of(["compare", "--help"], capsys)
    assert ESCAPE in coloured
    assert ESCAPE in help_of(["--help"], capsys)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = help_of(["compare", "--help"], capsys)
    assert plain == re.sub(r"\x1b\[\d*m", "", coloured)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert help_of(["compare", "--help"], capsys) == plain


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("kaoprof ", {*COMMANDS}),
        ("kaoprof pro", {"profile"}),
        ("kaoprof compare --operators kao_qkv,kao_", {"kao_qkv,kao_kv"}),
        ("kaoprof sweep --dtype fp32,bf", {"fp32,bf16"}),
        ("kaoprof compare --format git", {"github-action-benchmark"}),
        ("kaoprof profile kanet-q", {"kanet-qkv"}),
        ("kaoprof explain kao_k", {"kao_kv"}),
        ("kaoprof guide saf", {"safety"}),
        ("kaoprof guide flo", {"floor"}),
        ("kaoprof fit --fo", {"--format", "--force"}),
    ],
)
def test_a_shell_completes_what_is_known(typed, completed, monkeypatch, capsys):
    words = typed.split(" ")
    monkeypatch.setenv("_KAOPROF_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit) as ended:
        run([])
    assert ended.value.code == 0
    assert {*capsys.readouterr().out.split()} == completed


def test_completion_is_installed_for_the_shell_in_use(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    with pytest.raises(SystemExit) as ended:
        run(["--install-completion"])
    assert ended.value.code == 0
    assert "bash completion installed" in capsys.readouterr().out
    assert "_KAOPROF_COMPLETE=complete_bash" in next(tmp_path.rglob("kaoprof*")).read_text()

"""The subcommands: where each one's function is, and its example. A command's module is opened when it is asked for."""

import importlib
from collections.abc import Mapping
from copy import copy
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from kaoprof.cli.help_pages import PLACEHOLDERS, Command, coloured
from kaoprof.specs.docstrings import restore_docstrings

NUMBERS = ("int", "float")  # what typer's names of their types begin with
MOST_DIGITS = 20  # as many as 2^63 has, and a sign


class Entry(NamedTuple):
    """A command: its function as `module:name`, what it does in at most 50 signs, and what its help ends with."""

    function: str
    summary: str
    example: str


GROUPS: dict[str, Mapping[str, Entry]] = {
    "Measure": {
        "compare": Entry(
            "compare:compare", "attention operators side by side",
            "kaoprof compare --h 14,28,56 --c 8 --batch 8 -o run.json -o table.tex",
        ),
        "profile": Entry(
            "profile:profile", "a model, layer by layer", "kaoprof profile mobilenetv2 kanet-kv kanet-qkv"
        ),
        "sweep": Entry(
            "sweep:sweep", "a grid of sizes; resumes where it stopped",
            "kaoprof sweep --h 8:128:x2 --c 8,64 --budget 60s -o run.jsonl",
        ),
    },
    "Calculate (nothing is timed)": {
        "explain": Entry(
            "explain:explain", "exact cost formulas, proven",
            "kaoprof explain kao_qkv --at b=8,c=8,h=56,w=56 -o cost.tex",
        ),
        "fit": Entry(
            "fit:fit", "the largest input that fits memory or time",
            "kaoprof fit --memory 24GiB --c 64 --dtype fp16 --mode train",
        ),
    },
    "Show": {
        "report": Entry(
            "report:report", "figures, LaTeX, HTML from kept runs", "kaoprof report run.json --to run.html --to run.pdf"
        ),
        "diff": Entry("diff:diff", "what changed between two runs", "kaoprof diff old.json new.json --fail-above 5%"),
        "reproduce": Entry(
            "reproduce:reproduce", "a paper's figures and claims, judged",
            "kaoprof reproduce --budget 60s -o reproduction.md",
        ),
    },
    "Specs, words and this machine": {
        "init": Entry("init:init", "a commented model spec to start from", "kaoprof init my-model.yaml"),
        "check": Entry("check:check", "are specs right? and their totals", "kaoprof check my-model.yaml kanet-qkv"),
        "list": Entry("listing:list_", "the operators and specs that are shipped", "kaoprof list --format json"),
        "schema": Entry("schema:schema", "the keys of a spec, for editors", "kaoprof schema > kaoprof.schema.json"),
        "env": Entry("env:env", "this machine, and the most that it can do", "kaoprof env --format json"),
        "guide": Entry("guide:guide", "what the words mean, and how it works", "kaoprof guide floor"),
    },
}  # fmt: skip
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}


class Commands(TyperGroup):
    """The group of `COMMANDS`, each built from its function's options only if it is run or completed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, in the order in which help shows them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name. If there is none, all the others are built, among which typer looks for it."""
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.commands[name] = built(name)
        return super().get_command(ctx, cmd_name)

    def get_help(self, ctx: Any) -> str:
        """The help, coloured."""
        return coloured(super().get_help(ctx), list(COMMANDS))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Each group of commands with their summaries, none of which is built for it; then the options."""
        widest = max(map(len, COMMANDS))
        for title, entries in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), entry.summary) for name, entry in entries.items()])
        with formatter.section("Options"):
            formatter.write_dl([parameter.get_help_record(ctx) for parameter in self.get_params(ctx)])


def built(name: str) -> Any:
    """The command `name` with its options, from its function's signature."""
    module, _, function = COMMANDS[name].function.partition(":")
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    entry = COMMANDS[name]
    register = single.command(name, cls=Command, short_help=entry.summary, epilog=f"Example: {entry.example}")
    opened = importlib.import_module(f"kaoprof.cli.commands.{module}")
    restore_docstrings(opened)
    register(getattr(opened, function))
    command = typer.main.get_command(single)
    for parameter in command.params:
        parameter.metavar = parameter.metavar or PLACEHOLDERS.get(parameter.type.name)
        if parameter.type.name.startswith(NUMBERS):
            parameter.type = _plain(parameter.type)
    return command


def _plain(kind: Any) -> Any:
    """A type of numbers that takes no digits of other scripts, nor more of them than a count has."""
    plain = copy(kind)

    def convert(value: Any, parameter: Any, context: Any) -> Any:
        if isinstance(value, str) and not (value.isascii() and len(value) <= MOST_DIGITS):
            plain.fail(f"{value[:MOST_DIGITS]!r} is not a number.", parameter, context)
        return kind.convert(value, parameter, context)

    plain.convert = convert
    return plain

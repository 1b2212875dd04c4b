"""The subcommands: where each one's function is, and its example. A command's module is opened when it is asked for."""

import importlib
from copy import copy
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from kaoprof.specs.docstrings import restore_docstrings

NUMBERS = ("int", "float")  # what typer's names of their types begin with
MOST_DIGITS = 20  # as many as 2^63 has, and a sign


class Entry(NamedTuple):
    """A command: its function as `module:name`, and what its help ends with."""

    function: str
    example: str


COMMANDS = {
    "compare": Entry("compare:compare", "kaoprof compare --h 14,28,56 --c 8 --batch 8 -o run.json -o table.tex"),
    "profile": Entry("profile:profile", "kaoprof profile mobilenetv2 kanet-kv kanet-qkv"),
    "explain": Entry("explain:explain", "kaoprof explain kao_qkv --at b=8,c=8,h=56,w=56 -o cost.tex"),
    "fit": Entry("fit:fit", "kaoprof fit --memory 24GiB --c 64 --dtype fp16 --mode train"),
    "sweep": Entry("sweep:sweep", "kaoprof sweep --h 8:128:x2 --c 8,64 --budget 60s -o run.jsonl"),
    "report": Entry("report:report", "kaoprof report run.json --to run.html --to run.pdf"),
    "diff": Entry("diff:diff", "kaoprof diff old.json new.json --fail-above 5%"),
    "reproduce": Entry("reproduce:reproduce", "kaoprof reproduce --budget 60s -o reproduction.md"),
    "check": Entry("check:check", "kaoprof check my-model.yaml kanet-qkv"),
    "list": Entry("listing:list_", "kaoprof list --format json"),
    "schema": Entry("schema:schema", "kaoprof schema > kaoprof.schema.json"),
    "init": Entry("init:init", "kaoprof init my-model.yaml"),
    "env": Entry("env:env", "kaoprof env --format json"),
}


class Commands(TyperGroup):
    """The group of `COMMANDS`, each built from its function's options only if it is run or listed."""

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


def built(name: str) -> Any:
    """The command `name` with its options, from its function's signature."""
    module, _, function = COMMANDS[name].function.partition(":")
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    register = single.command(name, epilog=f"Example: {COMMANDS[name].example}")
    opened = importlib.import_module(f"kaoprof.cli.commands.{module}")
    restore_docstrings(opened)
    register(getattr(opened, function))
    command = typer.main.get_command(single)
    for parameter in command.params:
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

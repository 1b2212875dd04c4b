"""How help looks: commands and options in groups, the common ones first, in colour where a terminal has them."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer.core import TyperCommand

COMMON = "Common options"
REST = "Other options"
PANELS: dict[str, tuple[str, ...]] = {  # group of options: their names, in the order in which help shows them
    COMMON: (
        "memory", "macs", "time", "cross", "h", "w", "c", "batch", "input_", "size", "at", "operators", "mode", "dtype",
        "device", "analytic", "budget", "fail_above", "paper", "run", "depth", "full", "to", "only", "plot", "output",
        "verbose",
    ),
    "Input": ("t", "n", "aspect", "solve", "ndim", "heads", "batch_axis", "input_grad"),
    "Operators and models": (
        "option", "projection", "as_published", "scale", "implementation", "attention", "optimizer", "baseline",
        "measured",
    ),
    "Code of your own": ("with_", "with_layout", "arg", "kwarg", "allow_import"),
    "Measuring": (
        "no_measure", "samples", "precision", "timeout", "threads", "affinity", "cache", "sdpa", "compile_", "graph",
        "seed", "force_run", "retry", "refresh", "margin", "drift", "on", "spread",
    ),
    "Output": ("format_", "width", "label", "open_", "force", "strict", "x"),
}  # fmt: skip
EVERYWHERE = ("help",)  # in the last group that a command has
COLOURS = (  # of a line's beginning
    (re.compile(r"^(?=\S).*(?=:$)", re.MULTILINE), {"bold": True}),
    (re.compile(r"^Usage:", re.MULTILINE), {"bold": True}),
    (re.compile(r"^  -[-\w]+(, -[-\w]+)*", re.MULTILINE), {"fg": "cyan"}),
)
PLACEHOLDERS = {"str": "WORD", "int": "N", "path": "FILE"}  # by the name of typer's type


class Command(TyperCommand):
    """A command whose options stand in the groups of `PANELS`."""

    def get_help(self, ctx: Any) -> str:
        """The help, coloured."""
        return coloured(super().get_help(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then the options group by group; of a single group under a plain heading."""
        parameters = self.get_params(ctx)
        arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
        grouped = list(_grouped([parameter for parameter in parameters if parameter not in arguments]))
        sections = [("Arguments", arguments), *([("Options", grouped[0][1])] if len(grouped) == 1 else grouped)]
        for title, members in sections:
            rows = [row for row in (member.get_help_record(ctx) for member in members) if row is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def panel_of(name: str) -> str:
    """The group of an option, by the name of its parameter."""
    return next((panel for panel, names in PANELS.items() if name in names), REST)


def _grouped(options: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The options of each group, in its order; help itself ends the last one."""
    by_name = {option.name: option for option in options}
    last = [by_name.pop(name) for name in EVERYWHERE if name in by_name]
    panels = {
        panel: [by_name[name] for name in names if name in by_name]
        for panel, names in {**PANELS, REST: tuple(name for name in by_name if panel_of(name) == REST)}.items()
    }
    filled = [(panel, members) for panel, members in panels.items() if members]
    yield from filled[:-1]
    title, members = filled[-1] if filled else ("Options", [])
    yield title, [*members, *last]


def coloured(text: str, names: Sequence[str] = ()) -> str:
    """Help in colour, if standard output is a terminal that shows them; laid out before, so that nothing moves.

    Args:
        text: the help.
        names: of commands that begin a line.
    """
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    commands = re.compile(rf"^  ({'|'.join(names)})(?= )", re.MULTILINE) if names else None
    for pattern, style in (*COLOURS, *(((commands, {"fg": "cyan"}),) if commands else ())):
        text = pattern.sub(lambda match, style=style: typer.style(match[0], **style), text)
    return text

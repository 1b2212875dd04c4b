"""Somebody's module as users name it, `my_pkg:Attention(64, heads=4)`: parsed, never run."""

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kaoprof.dims import Size
from kaoprof.errors import UsageError
from kaoprof.workload.size_arithmetic import evaluate, is_size

CALL = re.compile(r"(?:(?P<name>[A-Za-z][\w.-]*)=)?(?P<code>[^\s(=]+:[^\s(=]+)(?:\((?P<arguments>.*)\))?", re.DOTALL)
SIZES = ("b", "c", "t", "h", "w", "n")
HINT = "write for example 'my_pkg:Attention(64, heads=4)'"


class Named(NamedTuple):
    """A module as it was named: what tables call it, its code, and its arguments as they were written."""

    name: str
    code: str
    arguments: str


class SizeText(NamedTuple):
    """An argument that is arithmetic of sizes, such as `c` or `4*c`."""

    text: str


class Arguments(NamedTuple):
    """The arguments of a call, by position and by name."""

    positional: tuple[Any, ...]
    named: Mapping[str, Any]

    def at(self, sizes: Mapping[str, Size]) -> "Arguments":
        """With numbers for whatever is a size."""
        return Arguments(
            tuple(_at(value, sizes) for value in self.positional),
            {name: _at(value, sizes) for name, value in self.named.items()},
        )


def _at(value: Any, sizes: Mapping[str, Size]) -> Any:
    if isinstance(value, SizeText):
        return evaluate(value.text, sizes)
    if type(value) in {tuple, list}:
        return type(value)(_at(item, sizes) for item in value)
    return value


def parse_named(text: str) -> Named:
    """`mine=my_pkg:Attention(64, heads=4)`; the name is the class's where none is given.

    Raises:
        UsageError: it is written otherwise, or an argument is neither a literal nor a size.
    """
    match = CALL.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text[:60]!r} does not name code", where="with", hint=HINT)
    arguments = (match["arguments"] or "").strip()
    read_arguments(arguments)
    return Named(match["name"] or match["code"].rpartition(":")[2].rpartition(".")[2], match["code"], arguments)


def read_arguments(text: str, also: Sequence[str] = ()) -> Arguments:
    """The arguments between the parentheses of a call: literals, and sizes such as `c` or `h*w`; nothing is run.

    Args:
        text: such as `64, heads=4`.
        also: names that stand for something else, which stay `SizeText`.

    Raises:
        UsageError: something else stands there.
    """
    try:
        call = ast.parse(f"_({text})", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UsageError(f"({text[:60]}) are no arguments", where="with", hint=HINT) from error
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise UsageError(f"({text[:60]}) are no arguments", where="with", hint=HINT)
    named = {keyword.arg: _literal(keyword.value, also) for keyword in call.keywords if keyword.arg is not None}
    if len(named) < len(call.keywords):
        raise UsageError("** is no literal", where="with", hint="write each argument out")
    return Arguments(tuple(_literal(node, also) for node in call.args), named)


def _literal(node: ast.expr, also: Sequence[str]) -> Any:
    if isinstance(node, ast.Tuple | ast.List):
        items = [_literal(item, also) for item in node.elts]
        return tuple(items) if isinstance(node, ast.Tuple) else items
    written = ast.unparse(node)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        if is_size(written, (*SIZES, *also)):
            return SizeText(written)
    raise UsageError(
        f"the argument {written[:60]} is neither a literal nor a size",
        where="with",
        hint=f"write numbers, 'texts', lists, True, None, or arithmetic of {', '.join(SIZES)}; never code",
    )


def written(positional: Sequence[Any], named: Mapping[str, Any]) -> str:
    """Plain values as `read_arguments` reads them."""
    return ", ".join((*map(repr, positional), *(f"{name}={value!r}" for name, value in named.items())))

"""Sizes as users write them (`b,c,h,w`, `h+1`) and arguments of a factory: parsed; evaluated, numbers or symbols."""

import ast
import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from kaoprof.dims import Size
from kaoprof.errors import UsageError

SIZE_NAME = re.compile(r"[A-Za-z_]\w*")
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
WORDS: dict[str, bool | None] = {"true": True, "false": False, "none": None}
Argument = bool | int | float | str | tuple[Any, ...] | list[Any] | dict[str, Any] | None


def parse_pattern(pattern: str) -> tuple[str, ...]:
    """The axes of `"b,c,h,w"`.

    Raises:
        UsageError: an axis is empty, or is neither a number nor arithmetic of names.
    """
    axes = tuple(axis.strip() for axis in pattern.split(","))
    for axis in axes:
        _parsed(axis, where=f"input {pattern!r}")
    return axes


def parse_sizes(text: str) -> dict[str, int]:
    """The sizes of `"b=2,c=8,h=14"`.

    Raises:
        UsageError: it is not written like that.
    """
    sizes = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not SIZE_NAME.fullmatch(name) or not value.isdecimal():
            raise UsageError(f"{item!r} is not a named size", where="at", hint="write for example b=2,c=8,h=14,w=15")
        sizes[name] = int(value)
    return sizes


def parse_argument(text: str) -> Argument:
    """A constructor's argument: a number, `true`, `none`, `(3, 3)`, `[3, 3]`, `{"a": 3}`, else the text.

    So `4*c` stays a size, also in a list: `[c, 4*c]`.

    Raises:
        UsageError: a mapping is begun that is none.
    """
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = _from_json(text)
        if value is None:
            return _sizes_in(text)
    return value if isinstance(value, bool | int | float | tuple | list | dict) else text


def _sizes_in(text: str) -> Argument:
    """A list of arguments, some of which are no plain values; else the text itself."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    if not isinstance(tree, ast.List | ast.Tuple):
        return text
    parts = [
        part.value
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
        else parse_argument(ast.unparse(part))
        for part in tree.elts
    ]
    return parts if isinstance(tree, ast.List) else tuple(parts)


def texts_in(value: object) -> list[str]:
    """The texts in an argument, which may be sizes: alone or in lists."""
    if isinstance(value, list | tuple):
        return [text for part in value for text in texts_in(part)]
    return [value] if isinstance(value, str) else []


def with_sizes(value: Any, sizes: Mapping[str, Size]) -> Any:
    """The argument, anew, with sizes in the place of texts that name them; a factory may change what it is given."""
    if isinstance(value, list | tuple):
        return type(value)([with_sizes(part, sizes) for part in value])
    if isinstance(value, dict):
        return {key: with_sizes(part, sizes) for key, part in value.items()}
    return evaluate(value, sizes) if isinstance(value, str) and is_size(value, sizes) else value


def _from_json(text: str) -> Any:
    """A list or a mapping as JSON writes it; None for whatever is neither."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{"):
            hint = """write for example '{"dim": 64, "bias": false}'"""
            raise UsageError(f"{text[:60]!r} is no mapping", where="argument", hint=hint) from error
        return None


def parse_keyword(text: str) -> tuple[str, Argument]:
    """The name and the value of `name=value`.

    Raises:
        UsageError: it is not written like that.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name.isidentifier():
        raise UsageError(f"{text!r} is no keyword argument", where="kwarg", hint="write name=value")
    return name, parse_argument(value)


def is_size(text: str, names: Mapping[str, object]) -> bool:
    """Whether `text` is arithmetic of size names only: `c` and `4*c` are, `value` and `relu` are not."""
    try:
        used = {node.id for node in ast.walk(_parsed(text, where="argument")) if isinstance(node, ast.Name)}
    except UsageError:
        return False
    return bool(used) and used <= set(names)


def evaluate(text: str, sizes: Mapping[str, Size]) -> Size:
    """The value of arithmetic such as `4*c` or `h//2`, generic over ints and symbols.

    Raises:
        UsageError: it is something else, or names a size that is not there.
    """
    return _value(_parsed(text, where="size"), sizes, text)


def _parsed(text: str, *, where: str) -> ast.expr:
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{text!r} is not a size", where=where, hint="write a number, a name, or 4*c") from error
    for node in ast.walk(tree):
        if not isinstance(node, (ast.BinOp, ast.Name, ast.Constant, *ARITHMETIC, ast.expr_context)) or (
            isinstance(node, ast.Constant) and type(node.value) is not int
        ):
            raise UsageError(f"{text!r} is not a size", where=where, hint="write a number, a name, or 4*c")
    return tree


def _value(node: ast.expr, sizes: Mapping[str, Size], text: str) -> Size:
    if isinstance(node, ast.BinOp):
        combine = ARITHMETIC[type(node.op)]
        return combine(_value(node.left, sizes, text), _value(node.right, sizes, text))
    if isinstance(node, ast.Name):
        if node.id not in sizes:
            raise UsageError(f"{text!r} names {node.id!r}, which has no size", where="at")
        return sizes[node.id]
    return node.value  # type: ignore[attr-defined]

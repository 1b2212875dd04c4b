"""What `--operators`, `--option` and `--as-published` say together: the operators' names, and their projection."""

import itertools
import re
from collections.abc import Iterable, Sequence

from kaoprof.catalog import OPTION, expanded, find_operator
from kaoprof.dims import PUBLISHED
from kaoprof.errors import UsageError
from kaoprof.own_options import OwnValue, value_of

PUBLISHED_FLAG = "--as-published"


def told_operators(names: Iterable[str] | None, options: Sequence[str] | None) -> list[str] | None:
    """The names, where `window.window=8` tells the operator `window` its own option `window`; `7,8` makes two of it.

    `2x7x7` is a value with a number for each axis.

    What already says in parentheses what it is told stays as it is. Without options the names are as they were.

    Raises:
        UsageError: an option does not fit any of the operators.
    """
    if not options:
        return None if names is None else list(names)
    own: dict[str, dict[str, list[OwnValue]]] = {}
    for text in options:
        operator, option, values = _option(text)
        own.setdefault(operator, {})[option] = values
    told: list[str] = []
    for name in expanded(("paper",) if names is None else names):
        told += _told(name, own.get(name.partition(":")[0], {}))
    for operator in own:
        if not any(name.partition(":")[0].partition("(")[0] == operator for name in told):
            raise UsageError(f"{operator} is not among the operators", where=OPTION, hint="name it in --operators")
    return list(dict.fromkeys(told))


def _told(name: str, own: dict[str, list[OwnValue]]) -> list[str]:
    """The operator with each combination of the options' values."""
    if not own:
        return [name]
    plain, colon, implementation = name.partition(":")
    operator = find_operator(plain)
    every = (dict(zip(own, values, strict=True)) for values in itertools.product(*own.values()))
    return [operator.telling(each).full_name + colon + implementation for each in every]


def _option(text: str) -> tuple[str, str, list[OwnValue]]:
    match = re.fullmatch(r"([^.=]+)\.([^.=]+)=(.*)", text.replace(" ", ""))
    values = [value_of(match[2], value) for value in match[3].split(",")] if match else [None]
    known = [value for value in values if value is not None]
    if match is None or len(known) < len(values):
        hint = "write operator.option=number, such as window.window=8 or window.window=2x7x7"
        raise UsageError(f"{text[:60]!r} is no option of an operator", where=OPTION, hint=hint)
    return match[1], match[2], known


def told_projection(projection: str, *, as_published: bool, default: str = "value") -> str:
    """The projection that is meant.

    Raises:
        UsageError: another one is named beside `--as-published`.
    """
    if not as_published:
        return projection
    if projection not in (default, PUBLISHED):
        raise UsageError(f"excludes --projection {projection}", where=PUBLISHED_FLAG, hint="leave one of them out")
    return PUBLISHED

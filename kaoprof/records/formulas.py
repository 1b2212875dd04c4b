r"""What a formula in a record is: an expression of named sizes, its order, or LaTeX's mathematics. All else is text.

A record may be anybody's: its formulas are parsed when it is read, and when it is made.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta

DEEPEST = 100  # brackets inside each other
LONGEST = 1_000_000  # characters: beyond the formula of a network of a hundred layers
QUOTED = 40  # of what is no formula, that are told
TOKEN = re.compile(
    r"\s*(?:(?P<operand>\d+(?:\.\d+)?(?:e[+-]?\d+)?|[A-Za-z_]\w{0,60}(?!\w|\())|(?P<open>(?:[A-Za-z_]\w{0,60})?\()"
    r"|(?P<close>\))|(?P<comma>,)|(?P<sign>[-+~])|(?P<between>[/^&|]|[<>=!]=|[<>]))",
    re.ASCII,
)
ORDER = re.compile(r"O\((.*)\)")
SPECIAL = re.compile(r"\\([A-Za-z]+|.)|[$%#&~]|\^\^")  # what LaTeX would not only print
COMMANDS = {
    *("left", "right", "lceil", "rceil", "lfloor", "rfloor", "max", "min", "frac", "cdot", "bmod", "operatorname"),
    *("sqrt", "log", "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda"),
    *("mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"), *",;:!{}",
    *("geq", "leq", "neq", "wedge", "vee", "neg", "infty"),
}  # fmt: skip
CHOICE = re.compile(r"\\(?:begin|end)\{cases\}|& \\text\{(?:for|otherwise)\}|\\\\")  # by conditions, as sympy writes it


@lru_cache(maxsize=2**10)
def check_expression(text: str) -> None:
    """Refuses what is no expression as `explain` writes it: `2 b c (h + w)^2`, `Max(b, ceiling(h/2))`, `h >= 3`.

    Raises:
        ValueError: it is none.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a formula of {len(text):,} characters is too long")
    depth, place, missing = 0, 0, True  # missing: the next token must be, or begin, an operand
    while place < len(text):
        token = TOKEN.match(text, place)
        kind = token.lastgroup if token else None
        ends = kind in {"close", "comma"}
        if token is None or (missing and (ends or kind == "between")) or (ends and depth == 0):
            raise _no_formula(text)
        depth += {"open": 1, "close": -1}.get(str(kind), 0)
        if depth > DEEPEST:
            raise ValueError(f"a formula with more than {DEEPEST} brackets inside each other")
        missing, place = kind not in {"operand", "close"}, token.end()
    if missing or depth:
        raise _no_formula(text)


def _no_formula(text: str) -> ValueError:
    return ValueError(f"{text[:QUOTED]!r} is no formula")


@lru_cache(maxsize=2**10)
def check_order(text: str) -> None:
    """Refuses what is no order such as `O(h^4 c)`.

    Raises:
        ValueError: it is none.
    """
    match = ORDER.fullmatch(text)
    if match is None:
        raise _no_formula(text)
    check_expression(match[1])


@lru_cache(maxsize=2**10)
def check_latex(text: str) -> None:
    """Refuses what is no mathematics of LaTeX as sympy writes it, choices by conditions included.

    Raises:
        ValueError: it is none.
    """
    if len(text) > LONGEST or not is_mathematics(CHOICE.sub("", text)):
        raise _no_formula(text)


def is_mathematics(latex: str) -> bool:
    """Whether this is a formula for one line, balanced and with nothing in it that LaTeX would do."""
    depth = 0
    for sign in re.sub(r"\\[{}]", "", latex):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth < 0:
            return False
    if depth or not latex.isprintable() or '"' in latex:  # which is a command of its own in some languages
        return False
    return all(match[1] in COMMANDS for match in SPECIAL.finditer(latex))


Expression = Annotated[str, Meta(extra={"check": check_expression})]
Order = Annotated[str, Meta(extra={"check": check_order})]
Latex = Annotated[str, Meta(extra={"check": check_latex})]
SizeName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,60}\Z")]


class Parsed(msgspec.Struct, frozen=True):
    """A struct that cannot hold a formula which is none: those of its fields are parsed whenever one is made."""

    def __post_init__(self) -> None:
        for name, check in _formula_fields(type(self)):
            value = getattr(self, name)
            if value is not None:
                check(value)


@cache
def _formula_fields(kind: type) -> tuple[tuple[str, Callable[[str], None]], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple((name, check) for name, hint in hints.items() for check in _checks(hint))


def _checks(hint: Any) -> Iterator[Callable[[str], None]]:
    """What a field's type asks for, also if it may be unknown."""
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, Meta) and meta.extra:
            yield meta.extra["check"]
    for part in () if getattr(hint, "__metadata__", ()) else getattr(hint, "__args__", ()):
        yield from _checks(part)

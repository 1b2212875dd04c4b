"""Expressions as they are read: plain text with signs for rounding, and LaTeX that may break over lines."""

import re

SIGNS = {"ceiling": ("⌈", "⌉"), "floor": ("⌊", "⌋"), "Max": ("max(", ")"), "Min": ("min(", ")")}
EXPONENT = r"\^(\d+(?:\.\d+)?|k)"
BRACKET = re.compile(r"(?<=[\w})]) (?=\(|\\l(?:ceil|floor)|\\max)")  # where a product's next factor is in brackets
SPECIAL = re.compile(r"\\([A-Za-z]+|.)|[$%#&~]|\^\^")  # what LaTeX would not only print
COMMANDS = {
    *("left", "right", "lceil", "rceil", "lfloor", "rfloor", "max", "min", "frac", "cdot", "bmod", "operatorname"),
    *("sqrt", "log", "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda"),
    *("mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"), *",;:!{}",
}  # fmt: skip
CALL = re.compile(r"\b(" + "|".join(SIGNS) + r")\(")


def pretty(text: str) -> str:
    """`b Max(c, ceiling(h/2))` as `b max(c, ⌈h/2⌉)`."""
    match = CALL.search(text)
    if match is None:
        return text
    end = closing(text, match.end())
    opened, closed = SIGNS[match[1]]
    return f"{text[: match.start()]}{opened}{pretty(text[match.end() : end])}{closed}{pretty(text[end + 1 :])}"


def closing(text: str, start: int) -> int:
    """Where the bracket that was opened just before `start` is closed.

    Raises:
        ValueError: nowhere.
    """
    depth = 1
    for index, sign in enumerate(text[start:], start):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth == 0:
            return index
    raise ValueError(f"a bracket stays open in {text!r}")


def is_mathematics(latex: str) -> bool:
    """Whether this is a formula, balanced and with nothing in it that LaTeX would do: a record may be anybody's."""
    depth = 0
    for sign in re.sub(r"\\[{}]", "", latex):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0 and latex.isprintable() and all(match[1] in COMMANDS for match in SPECIAL.finditer(latex))


def breakable(latex: str) -> str:
    r"""LaTeX that can be broken into lines: `\left( ... \right)` cannot, and lists and products not without a hint."""
    loose = latex.replace(r"\left", "").replace(r"\right", "").replace(", ", r",\allowbreak ")
    return BRACKET.sub(r" \\penalty800 ", loose)  # worse than at a sum's sign


def order_latex(order: str) -> str:
    """`O(h^4 c)` for LaTeX's math mode."""
    mathematics = re.sub(EXPONENT, r"^{\1}", order)
    return f"${mathematics}$"

"""Expressions as they are read: plain text with signs for rounding, and LaTeX that may break over lines."""

import re

SIGNS = {"ceiling": ("⌈", "⌉"), "floor": ("⌊", "⌋"), "Max": ("max(", ")"), "Min": ("min(", ")")}
EXPONENT = r"\^(\d+(?:\.\d+)?|k)"
BRACKET = re.compile(r"(?<=[\w})]) (?=\(|\\l(?:ceil|floor)|\\max)")  # where a product's next factor is in brackets
CALL = r"\b(?:" + "|".join(SIGNS) + r")\("
PARTS = re.compile(rf"{CALL}|[()]|(?:(?!{CALL})[^()])+")


def pretty(text: str) -> str:
    """`b Max(c, ceiling(h/2))` as `b max(c, ⌈h/2⌉)`; a call whose bracket stays open, in a sentence, stays as it is."""
    parts = PARTS.findall(text)
    opened: list[int] = []  # the places of brackets that are still open
    for place, part in enumerate(parts):
        if part.endswith("("):
            opened.append(place)
        elif part == ")" and opened:
            start = opened.pop()
            parts[start], parts[place] = SIGNS.get(parts[start][:-1], (parts[start], part))
    return "".join(parts)


def breakable(latex: str) -> str:
    r"""LaTeX that can be broken into lines: `\left( ... \right)` cannot, and lists and products not without a hint."""
    loose = latex.replace(r"\left", "").replace(r"\right", "").replace(", ", r",\allowbreak ")
    return BRACKET.sub(r" \\penalty800 ", loose)  # worse than at a sum's sign


def order_latex(order: str) -> str:
    """`O(h^4 c)` for LaTeX's math mode."""
    mathematics = re.sub(EXPONENT, r"^{\1}", order)
    return f"${mathematics}$"

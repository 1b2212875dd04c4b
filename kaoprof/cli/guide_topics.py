"""The guide: a Markdown file for each topic, and a section for each word; what a reader may ask for, and its text."""

import re
from functools import cache
from pathlib import Path

from kaoprof.errors import UsageError, did_you_mean

FOLDER = Path(__file__).parent.parent / "guide"
WORDS = "words"  # the topic whose sections are terms
ORDER = (
    WORDS, "compare", "measuring", "profile", "sweep", "models", "clusters", "explain", "fit", "report", "diff", "ci",
    "reproduce", "papers", "specs", "python", "own", "gpu", "safety", "inside",
)  # fmt: skip
SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@cache
def names() -> tuple[str, ...]:
    """Every topic, in the order in which one would read them."""
    files = [path.stem for path in FOLDER.glob("*.md")]
    return tuple(sorted(files, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)))


@cache
def text_of(name: str) -> str:
    """The Markdown of a topic."""
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def summary_of(name: str) -> str:
    """What a topic is about: its title."""
    return text_of(name).partition("\n")[0].removeprefix("# ")


@cache
def terms() -> dict[str, str]:
    """Every word that is explained -> its section. One section may explain several, `## MAC, MACs`."""
    return {
        term: f"## {match[1]}\n{match[2]}"
        for match in SECTION.finditer(text_of(WORDS))
        for term in match[1].split(", ")
    }


def find(topic: str) -> str:
    """The Markdown that answers `topic`: a topic, or a word of the glossary; in whatever case.

    Raises:
        UsageError: neither is called so; with the nearest name.
    """
    asked = " ".join(topic.lower().split())
    if asked in names():
        return text_of(asked)
    by_name = {term.lower(): section for term, section in terms().items()}
    if asked in by_name:
        return by_name[asked]
    hint = did_you_mean(asked[:100], (*names(), *terms()))
    raise UsageError(f"no topic {topic[:100]!r}", where="kaoprof guide", hint=hint)

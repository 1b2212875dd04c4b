"""`kaoprof guide`: what the words mean and how things work, from Markdown that is shipped with the package."""

from typing import Annotated

import typer

from kaoprof.cli.completion import topics

TOPIC = "A topic or a word, such as measuring or floor; without one: what there is."


def guide(
    topic: Annotated[list[str] | None, typer.Argument(metavar="TOPIC", help=TOPIC, autocompletion=topics)] = None,
) -> None:
    """What the words mean, and how measuring, specs, diff and the rest work.

    Without a topic it lists them all.
    """
    from kaoprof.cli.guide_pages import show
    from kaoprof.cli.guide_topics import find

    show(find(" ".join(topic)) if topic else contents())


def contents() -> str:
    """All topics and words, as Markdown."""
    from kaoprof.cli.guide_topics import names, summary_of, terms

    widest = max(map(len, names()))
    rows = "\n".join(f"{name.ljust(widest)}  {summary_of(name)}" for name in names())
    return f"# kaoprof guide TOPIC\n\n```\n{rows}\n```\n\nWords: {', '.join(terms())}.\n"

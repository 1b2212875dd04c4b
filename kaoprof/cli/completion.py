"""What a shell completes: names of operators, specs and topics, and the words that an option takes. Never torch."""

from collections.abc import Callable, Sequence

Completion = Callable[[str], list[str]]


def words(*known: str) -> Completion:
    """A completion of an option that takes one of these words, or several with commas."""

    def complete(incomplete: str) -> list[str]:
        return listed(incomplete, known)

    return complete


def listed(incomplete: str, known: Sequence[str]) -> list[str]:
    """The last name of a list with commas, completed."""
    before, comma, _ = incomplete.rpartition(",")
    taken = before.split(",")
    return [f"{before}{comma}{name}" for name in known if name not in taken]


def operators(incomplete: str) -> list[str]:
    """Names of operators, and groups of them."""
    from kaoprof.catalog import GROUPS, OPERATORS

    return listed(incomplete, (*OPERATORS, *GROUPS))


def targets(incomplete: str) -> list[str]:
    """What `explain` takes: operators and specs."""
    from kaoprof.catalog import OPERATORS

    return [*OPERATORS, *specs(incomplete)]


def specs(incomplete: str) -> list[str]:
    """Names of shipped specs; files are the shell's own affair."""
    from kaoprof.specs.shelf import shelf

    del incomplete
    return list(shelf())


def topics(incomplete: str) -> list[str]:
    """Topics of the guide, and the words that it explains."""
    from kaoprof.cli.guide_topics import names, terms

    del incomplete
    return [*names(), *terms()]

"""The errors that kaoprof knows: each says what is wrong, where, and what to do next."""

from collections.abc import Iterable

LONGEST_LINE = 1000  # characters: a message may quote a whole tensor, or worse


class KaoprofError(Exception):
    """A failure that has a name: shown as one line, without a traceback.

    Args:
        message: what is wrong.
        where: the option, file or row that it is about.
        hint: what to do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


class UsageError(KaoprofError):
    """The request itself is wrong: an impossible size, an unknown name, options that exclude each other."""

    exit_code = 2


class UndefinedError(UsageError):
    """An operator has no meaning on so many axes: the message says why. In a table it is a row, not an abort."""


class SpecError(UsageError):
    """A spec file is wrong: `where` names the file, the line and the key, as in `my.yaml:12 layers[4].type`."""


class OutputError(KaoprofError):
    """A result cannot be written where it was asked for."""


class RecordError(KaoprofError):
    """A file is not a record that this version can read."""


class InterruptedRun(KaoprofError):  # noqa: N818 - what a user asked for is no error
    """Ctrl-C came in the middle; the message says what was kept, and where."""

    exit_code = 130


class MeasurementError(KaoprofError):
    """The measuring process could not be started or broke its protocol."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text, cut if it is a whole book; also of an error that cannot tell its own."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 - somebody's own exception may fail at this too
        lines = []
    line = lines[0] if lines else "no message"
    return (
        line
        if len(line) <= LONGEST_LINE
        else f"{line[:LONGEST_LINE]}... ({len(line) - LONGEST_LINE:,} more characters)"
    )


def encodable(text: str) -> str:
    """`text` as JSON and files can hold it: half a character, which is no UTF-8, is written out as its code."""
    return text.encode(errors="backslashreplace").decode()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt `word`: the nearest known name, whatever the case, or one inside it; else all of them."""
    known = list(known)
    return nearest(word, known) or f"one of: {', '.join(known)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """As `did_you_mean`; empty if no known name is near."""
    import difflib  # opened late: what is spelt right needs no suggestion

    plain = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), plain, n=2, cutoff=0.5)
    close.sort(key=lambda name: name[:1] != word[:1].lower())  # people rarely miss the first letter
    close += [part for part in word.lower().split("_") if part in plain]
    return f"did you mean {plain[close[0]]!r}?" if close else ""

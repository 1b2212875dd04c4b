"""Where each value of a spec stands in its file, so that an error can name the line."""

import msgspec

from kaoprof.errors import SpecError

LONGEST = 160  # letters of a message or a key path: a spec may quote itself at length
LONGEST_HINT = 2 * LONGEST  # so that it can name every operator


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of a spec file.

    Args:
        file: the file's name, as the user wrote it.
        lines: line number (from 1) of each key path, such as `layers[4].type`; the document itself is the path "".
    """

    file: str
    lines: dict[str, int] = msgspec.field(default_factory=dict)

    def where(self, path: str) -> str:
        """`my.yaml:12 layers[4].type`; a path without a line of its own has that of what encloses it."""
        line = self.line(path)
        spot = self.file if line is None else f"{self.file}:{line}"
        return f"{spot} {shortened(path)}" if path else spot

    def line(self, path: str) -> int | None:
        """The line of `path` or of the nearest value around it; None if the spec was not read from a file."""
        while path and path not in self.lines:
            path = enclosing(path)
        return self.lines.get(path)

    def error(self, message: str, path: str, *, hint: str) -> SpecError:
        """The error about what stands at `path`."""
        return SpecError(shortened(message), where=self.where(path), hint=shortened(hint, LONGEST_HINT))


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text, with its middle left out if it is longer than a line should be."""
    return text if len(text) <= longest else f"{text[: longest // 2]}...{text[-longest // 2 :]}"


def enclosing(path: str) -> str:
    """The path around a path: `layers[4].type` -> `layers[4]` -> `layers` -> ``."""
    return path[: max(path.rfind("."), path.rfind("["), 0)]


def key_path(path: str, key: str) -> str:
    """The path of `key` in the mapping at `path`."""
    return f"{path}.{key}" if path else key


def joined(path: str, inner: str) -> str:
    """The path of what has the path `inner` within the value at `path`."""
    return f"{path}{inner}" if inner.startswith("[") or not inner else key_path(path, inner)

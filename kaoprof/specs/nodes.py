"""YAML text -> plain values and the line of each: a safe reader of a strict subset of YAML.

Nothing is ever constructed but mappings with text keys, lists, texts, whole numbers, decimals, booleans and null. Tags,
merge keys, duplicate keys, NaN, infinity and several documents are refused; so is whatever is too deep or, once its
aliases are expanded, too large.
"""

import math
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from kaoprof.errors import SpecError
from kaoprof.specs.places import Places, key_path

if TYPE_CHECKING:
    from collections.abc import Iterator

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"

MAX_DEPTH = 32  # nested mappings and lists; the deepest shipped spec needs 9
MAX_NODES = 50_000  # values after expanding aliases: a bomb is refused as soon as it passes this
MAX_KEY = 200  # letters
MAX_DIGITS = 15  # of a whole number: far above every size, below what a float holds exactly

WHOLE_NUMBER = re.compile(rf"[-+]?[0-9]{{1,{MAX_DIGITS}}}")
MANY_DIGITS = re.compile(r"[-+]?[0-9]+")
DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.?(inf|infinity|nan)", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}

LOOK_AROUND = "check indentation, quotes and brackets around this line"
IN_WORDS = {  # what the parser says -> in words, and what to do
    "mapping values are not allowed in this context": (
        "a `key: value` stands where none can",
        "write {key: value, key: value}, or one on each line, indented alike",
    ),
    "did not find expected ',' or '}'": ("a , or } is missing, here or in the line before", LOOK_AROUND),
    "did not find expected ',' or ']'": ("a , or ] is missing, here or in the line before", LOOK_AROUND),
    "found character that cannot start any token": ("nothing can begin with the character here", LOOK_AROUND),
}

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same rules; the first is written in C


def read_yaml(text: str, file: str) -> tuple[Value, Places]:
    """The document in `text`, and where its values stand.

    Raises:
        SpecError: the text is not YAML, or holds something that a spec may not hold.
    """
    places = Places(file=file)
    try:
        return _Reader(text, places).document(), places
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, file) from None


def _syntax_error(error: yaml.YAMLError, text: str, file: str) -> SpecError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    line = mark.line + 1 if mark else text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
    tab = "\t" in text.split("\n")[min(line, text.count("\n") + 1) - 1]
    words, hint = IN_WORDS.get(problem, (CONTROL.sub("?", str(problem)), LOOK_AROUND))
    if tab:
        hint = "indent with spaces, not tabs"
    return SpecError(f"not valid YAML: {words}", where=f"{file}:{line}", hint=hint)


class _Reader:
    """Composes values from the parser's events, so that no limit is met too late."""

    def __init__(self, text: str, places: Places) -> None:
        self.events: Iterator[Any] = yaml.parse(text, Loader=LOADER)
        self.places = places
        self.anchors: dict[str, tuple[Value, int]] = {}
        self.nodes = 0

    def document(self) -> Value:
        next(self.events)  # the stream starts
        if isinstance(next(self.events), yaml.StreamEndEvent):
            self.places.lines[""] = 1
            raise self.places.error("the file is empty", "", hint="`kaoprof init` writes a spec to start from")
        value = self.value(next(self.events), "", 0)
        next(self.events)  # the document ends
        following = next(self.events)
        if not isinstance(following, yaml.StreamEndEvent):
            raise self.refuse(following, "", "a second document", hint="one file holds one spec: split it at the ---")
        return value

    def refuse(self, event: Any, path: str, message: str, *, hint: str) -> SpecError:
        """The error about `event`, which stands at `path`."""
        self.places.lines[path] = event.start_mark.line + 1
        return self.places.error(message, path, hint=hint)

    def value(self, event: Any, path: str, depth: int) -> Value:
        self.places.lines.setdefault(path, event.start_mark.line + 1)
        self.count(event, path, 1)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, path)
        if event.tag is not None:
            raise self.refuse(event, path, f"tag {event.tag!r} is not allowed", hint="write plain values without tags")
        if depth > MAX_DEPTH:
            raise self.refuse(event, path, f"nested more than {MAX_DEPTH} deep", hint="flatten the spec")
        nodes_before = self.nodes - 1
        value: Value
        if isinstance(event, yaml.MappingStartEvent):
            value = self.mapping(path, depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self.sequence(path, depth)
        else:
            value = self.scalar(event, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.nodes - nodes_before)
        return value

    def count(self, event: Any, path: str, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise self.refuse(
                event, path, f"more than {MAX_NODES:,} values, aliases expanded", hint="use `repeat` instead of aliases"
            )

    def alias(self, event: Any, path: str) -> Value:
        if event.anchor not in self.anchors:
            raise self.refuse(
                event, path, f"alias *{event.anchor} names nothing before it", hint=f"define &{event.anchor} first"
            )
        value, nodes = self.anchors[event.anchor]
        self.count(event, path, nodes)
        return value

    def mapping(self, path: str, depth: int) -> dict[str, Value]:
        values: dict[str, Value] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, path)
            if key in values:
                first = self.places.line(key_path(path, key))
                raise self.refuse(
                    event, key_path(path, key), f"key {key!r} stands twice", hint=f"it is already in line {first}"
                )
            self.places.lines[key_path(path, key)] = event.start_mark.line + 1
            values[key] = self.value(next(self.events), key_path(path, key), depth + 1)
        return values

    def key(self, event: Any, path: str) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor is not None:
            raise self.refuse(event, path, "a key must be plain text", hint="write `key: value`")
        key = str(event.value)
        if not key.isprintable() or len(key) > MAX_KEY:
            raise self.refuse(
                event, path, "a key must be plain text", hint="no control characters, at most 200 letters"
            )
        if key == "<<":
            raise self.refuse(event, path, "merge keys (<<) are not allowed", hint="write the keys out")
        return key

    def sequence(self, path: str, depth: int) -> list[Value]:
        values: list[Value] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            values.append(self.value(event, f"{path}[{len(values)}]", depth + 1))
        return values

    def scalar(self, event: Any, path: str) -> str | int | float | bool | None:
        text = str(event.value)
        if CONTROL.search(text):
            raise self.refuse(event, path, "holds a control character", hint="write printable text")
        if not event.implicit[0]:  # quoted
            return text
        if text.lower() in CONSTANTS:
            return CONSTANTS[text.lower()]
        if WHOLE_NUMBER.fullmatch(text):
            return int(text)
        if MANY_DIGITS.fullmatch(text):
            raise self.refuse(event, path, "the number is absurdly large", hint=f"at most {MAX_DIGITS} digits")
        if NOT_FINITE.fullmatch(text) or (DECIMAL.fullmatch(text) and not math.isfinite(float(text))):
            raise self.refuse(event, path, f"{text!r} is not a number to count with", hint="write a finite number")
        return float(text) if DECIMAL.fullmatch(text) else text

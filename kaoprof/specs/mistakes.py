"""Why a value does not fit the schema, in words: msgspec's finding -> message, key path and hint."""

import re
from collections.abc import Callable, Iterator
from typing import Any, get_args

import msgspec
from msgspec import inspect

from kaoprof.errors import SpecError, did_you_mean
from kaoprof.specs.layers import ActivationName
from kaoprof.specs.places import Places, joined, key_path

LOCATED = re.compile(r"(?P<finding>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>.*)`)?", re.DOTALL)
SEGMENT = re.compile(r"\[(\d+|\.\.\.)\]|([^.\[\]]+)")
LONG_TEXT = 40  # letters: a longer text is not repeated in an error
SEE_SCHEMA = "see `kaoprof schema`"
WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "a mapping", "null": "null", "NoneType": "null",
}  # fmt: skip


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What msgspec found: the matched words, the key path, the value there, and what the schema allows there."""

    match: re.Match[str]
    path: str
    culprit: Any
    types: list[inspect.Type]

    @property
    def description(self) -> str:
        """What the schema says about the field."""
        return _description(self.types)


class Report(msgspec.Struct, frozen=True):
    """An error in words: what is wrong, the key path, what to write."""

    message: str
    path: str
    hint: str


def explain(error: msgspec.ValidationError, value: Any, kind: type, places: Places, *, at: str = "") -> SpecError:
    """The one error for the `value` at the key path `at` that is no `kind`: what is wrong, where, and what to write."""
    located = LOCATED.fullmatch(str(error))
    words, path = (located["finding"], located["path"] or "") if located else (str(error), "")
    culprit, types = _value_at(value, path), _types_at(value, kind, path)
    for pattern, reported in REPORTS:
        if match := pattern.fullmatch(words):
            report = reported(Finding(match=match, path=path, culprit=culprit, types=types))
            return places.error(report.message, joined(at, report.path), hint=report.hint)
    return places.error(words, joined(at, path), hint=_description(types) or SEE_SCHEMA)


def _unknown_key(finding: Finding) -> Report:
    key = finding.match[1][:LONG_TEXT]
    known = [field.name for struct in _structs(finding.types) for field in struct.fields]
    if ":" in key:
        return Report(
            f"unknown key {key!r}", key_path(finding.path, key), "write a space after the colon, as in stride: 2"
        )
    return Report(f"unknown key {key!r}", key_path(finding.path, finding.match[1]), did_you_mean(key, known))


def _missing_key(finding: Finding) -> Report:
    key, structs = finding.match[1], _structs(finding.types)
    if any(struct.tag_field == key for struct in structs):
        return Report("key 'type' is missing", finding.path, "add the layer's type, such as type: conv")
    about = _description([option for struct in structs for option in _inside(struct, key)])
    return Report(f"key {key!r} is missing", finding.path, f"add {key}: {about}" if about else f"add {key}")


def _unknown_layer(finding: Finding) -> Report:
    name = str(finding.culprit)[:LONG_TEXT]
    message = f"unknown layer type {name!r}"
    if name in get_args(ActivationName):
        return Report(message, finding.path, f"write {{type: activation, function: {name}}}")
    return Report(message, finding.path, did_you_mean(name, [str(struct.tag) for struct in _structs(finding.types)]))


def _unknown_word(finding: Finding) -> Report:
    if finding.path == "schema":
        message = f"unknown schema version {_shown(finding.culprit, 'this')}"
        return Report(message, finding.path, "this version of kaoprof reads schema: 1")
    word = str(finding.culprit)[:LONG_TEXT]
    choices = [str(value) for part in finding.types if isinstance(part, inspect.LiteralType) for value in part.values]
    return Report(f"unknown value {word!r}", finding.path, did_you_mean(word, choices))


def _wrong_type(finding: Finding) -> Report:
    wanted = " or ".join(WORDS.get(word, word) for word in finding.match[1].split(" | ") if word != "null")
    given = _shown(finding.culprit, WORDS.get(finding.match[2], finding.match[2]))
    hint = finding.description or _whole_layer(finding) or f"write {wanted}"
    return Report(f"must be {wanted}, not {given}", finding.path, hint)


def _whole_layer(finding: Finding) -> str:
    """How to write the layer of which only a word was written; empty if no layer belongs there."""
    tags = [str(struct.tag) for struct in _structs(finding.types) if struct.tag is not None]
    if finding.culprit in tags:
        return f"write {{type: {finding.culprit}}}, with the keys that it needs"
    return "write a layer, such as {type: conv, out: 32, kernel: 3}" if tags else ""


def _out_of_range(finding: Finding) -> Report:
    limit = f"{float(finding.match[3]):,.10g}"
    relation = {">=": "at least", "<=": "at most", "<": "below", ">": "above"}[finding.match[2]]
    message = f"must be {relation} {limit}, not {finding.culprit}"
    return Report(message, finding.path, finding.description or f"write {relation} {limit}")


def _wrong_length(finding: Finding) -> Report:
    single, many = ("character", "characters") if finding.match[1] == "str" else ("entry", "entries")
    relation = "at least" if finding.match[2] == ">=" else "at most"
    unit = single if finding.match[3] == "1" else many
    message = f"must have {relation} {finding.match[3]} {unit}, not {len(finding.culprit)}"
    return Report(message, finding.path, finding.description or SEE_SCHEMA)


def _wrong_pattern(finding: Finding) -> Report:
    return Report(f"{_shown(finding.culprit, 'this')} is not a name", finding.path, finding.description or SEE_SCHEMA)


REPORTS: tuple[tuple[re.Pattern[str], Callable[[Finding], Report]], ...] = (
    (re.compile(r"Object contains unknown field `(.*)`", re.DOTALL), _unknown_key),
    (re.compile(r"Object missing required field `(.*)`"), _missing_key),
    (re.compile(r"Invalid value (.*)", re.DOTALL), _unknown_layer),
    (re.compile(r"Invalid enum value (.*)", re.DOTALL), _unknown_word),
    (re.compile(r"Expected `([^`]*)`, got `([^`]*)`"), _wrong_type),
    (re.compile(r"Expected `(int|float)` (>=|<=|<|>) (\S+)"), _out_of_range),
    (re.compile(r"Expected `(array|str|object)` of length (>=|<=) (\d+)"), _wrong_length),
    (re.compile(r"Expected `str` matching regex .*", re.DOTALL), _wrong_pattern),
)


def _shown(culprit: Any, otherwise: str) -> str:
    """A short value as it is, such as `text 'abc'`; anything longer by its type alone."""
    if isinstance(culprit, str):
        return f"text {culprit!r}" if len(culprit) <= LONG_TEXT else "a long text"
    return str(culprit).lower() if isinstance(culprit, bool | int | float) else otherwise


def _segments(path: str) -> Iterator[int | str]:
    for index, name in SEGMENT.findall(path):
        yield int(index) if index.isdigit() else name or index


def _step(value: Any, segment: int | str) -> Any:
    """What stands at one key or index of `value`; None if nothing does."""
    if isinstance(value, dict):
        return value.get(segment)
    return value[segment] if isinstance(value, list) and isinstance(segment, int) and segment < len(value) else None


def _value_at(value: Any, path: str) -> Any:
    for segment in _segments(path):
        value = _step(value, segment)
    return value


def _types_at(value: Any, kind: type, path: str) -> list[inspect.Type]:
    """What the schema allows at `path`: the annotated type first, then what it is made of."""
    types = _options(inspect.type_info(kind))
    for segment in _segments(path):
        types = [option for part in _chosen(types, value) for option in _inside(part, segment)]
        value = _step(value, segment)
    return _chosen(types, value)


def _options(part: inspect.Type) -> list[inspect.Type]:
    """A type, then what its annotation and its union hide."""
    if isinstance(part, inspect.Metadata):
        return [part, *_options(part.type)]
    if isinstance(part, inspect.UnionType):
        return [part, *(option for member in part.types for option in _options(member))]
    return [part]


def _inside(part: inspect.Type, segment: int | str) -> list[inspect.Type]:
    if isinstance(part, inspect.ListType | inspect.VarTupleType) and isinstance(segment, int):
        return _options(part.item_type)
    if isinstance(part, inspect.StructType):
        if segment == part.tag_field:
            return [part]
        return [option for field in part.fields if field.name == segment for option in _options(field.type)]
    return []


def _chosen(types: list[inspect.Type], value: Any) -> list[inspect.Type]:
    """The types, their structs narrowed by the value's own tag where that says which."""
    tag = value.get("type") if isinstance(value, dict) else None
    if not any(struct.tag == tag for struct in _structs(types)):
        return types
    return [part for part in types if not isinstance(part, inspect.StructType) or part.tag == tag]


def _structs(types: list[inspect.Type]) -> list[inspect.StructType]:
    return [part for part in types if isinstance(part, inspect.StructType)]


def _description(types: list[inspect.Type]) -> str:
    """What the schema says about a field."""
    notes = [part.extra_json_schema or {} for part in types if isinstance(part, inspect.Metadata)]
    return next((str(note["description"]) for note in notes if "description" in note), "")

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
WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "a mapping", "null": "null", "NoneType": "null",
}  # fmt: skip


def explain(error: msgspec.ValidationError, value: Any, kind: type, places: Places, *, at: str = "") -> SpecError:
    """The one error for the `value` at the key path `at` that is no `kind`: what is wrong, where, and what to write."""
    located = LOCATED.fullmatch(str(error))
    finding, path = (located["finding"], located["path"] or "") if located else (str(error), "")
    culprit = _value_at(value, path)
    types = _types_at(value, kind, path)
    for pattern, report in REPORTS:
        if match := pattern.fullmatch(finding):
            message, inner, hint = report(match, path, culprit, types)
            return places.error(message, joined(at, inner), hint=hint)
    return places.error(finding, joined(at, path), hint=_description(types) or "see `kaoprof schema`")


Report = Callable[[re.Match[str], str, Any, list[inspect.Type]], tuple[str, str, str]]


def _unknown_key(match: re.Match[str], path: str, culprit: Any, types: list[inspect.Type]) -> tuple[str, str, str]:
    del culprit
    known = [field.name for struct in _structs(types) for field in struct.fields]
    return f"unknown key {match[1]!r}", key_path(path, match[1]), did_you_mean(match[1], known)


def _missing_key(match: re.Match[str], path: str, culprit: Any, types: list[inspect.Type]) -> tuple[str, str, str]:
    del culprit
    structs = _structs(types)
    if any(struct.tag_field == match[1] for struct in structs):
        return "key 'type' is missing", path, "add the layer's type, such as type: conv"
    about = _description([option for struct in structs for option in _inside(struct, match[1])])
    return f"key {match[1]!r} is missing", path, f"add {match[1]}: {about}" if about else f"add {match[1]}"


def _unknown_layer(match: re.Match[str], path: str, culprit: Any, types: list[inspect.Type]) -> tuple[str, str, str]:
    del match
    known = [str(struct.tag) for struct in _structs(types)]
    if culprit in get_args(ActivationName):
        return f"unknown layer type {culprit!r}", path, f"write {{type: activation, function: {culprit}}}"
    return f"unknown layer type {culprit!r}", path, did_you_mean(str(culprit), known)


def _unknown_word(match: re.Match[str], path: str, culprit: Any, types: list[inspect.Type]) -> tuple[str, str, str]:
    del match
    choices = [choice for part in types if isinstance(part, inspect.LiteralType) for choice in part.values]
    if path == "schema":
        return f"unknown schema version {culprit!r}", path, "this version of kaoprof reads schema: 1"
    return f"unknown value {culprit!r}", path, did_you_mean(str(culprit), [str(choice) for choice in choices])


def _wrong_type(match: re.Match[str], path: str, culprit: Any, types: list[inspect.Type]) -> tuple[str, str, str]:
    wanted = " or ".join(WORDS.get(word, word) for word in match[1].split(" | ") if word != "null")
    hint = _description(types) or f"write {wanted}"
    return f"must be {wanted}, not {_shown(culprit, WORDS.get(match[2], match[2]))}", path, hint


def _out_of_range(match: re.Match[str], path: str, culprit: Any, types: list[inspect.Type]) -> tuple[str, str, str]:
    limit = f"{float(match[3]):,.10g}" if "." in match[3] else f"{int(match[3]):,}"
    relation = {">=": f"at least {limit}", "<=": f"at most {limit}", "<": f"below {limit}", ">": f"above {limit}"}
    return f"must be {relation[match[2]]}, not {culprit}", path, _description(types) or f"write {relation[match[2]]}"


def _wrong_length(match: re.Match[str], path: str, culprit: Any, types: list[inspect.Type]) -> tuple[str, str, str]:
    unit = "character" if match[1] == "str" else "entry"
    relation = "at least" if match[2] == ">=" else "at most"
    plural = {"character": "characters", "entry": "entries"}[unit] if match[3] != "1" else unit
    length = len(culprit) if hasattr(culprit, "__len__") else "none"
    return (
        f"must have {relation} {match[3]} {plural}, not {length}",
        path,
        _description(types) or "see `kaoprof schema`",
    )


def _wrong_pattern(match: re.Match[str], path: str, culprit: Any, types: list[inspect.Type]) -> tuple[str, str, str]:
    del match
    return f"{_shown(culprit, 'this')} is not a name", path, _description(types) or "letters and digits only"


REPORTS: tuple[tuple[re.Pattern[str], Report], ...] = (
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

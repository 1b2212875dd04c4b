"""What a module is called with, as written on the command line: `2,32:int64:1000`, `mask=2,32:bool:ones`, nested."""

import re
from collections.abc import Iterable
from typing import Any

from kaoprof.errors import UsageError, did_you_mean
from kaoprof.specs.code import POSITIONAL
from kaoprof.specs.nodes import read_yaml

TENSOR = re.compile(r"\s*(?P<shape>[+-]?\d+(\s*,\s*[+-]?\d+)*)\s*(?P<rest>:.*)?", re.ASCII | re.DOTALL)
NAMED = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*=(?P<value>.*)", re.ASCII | re.DOTALL)
RANGE = re.compile(r"(?P<low>-?\d{1,10})\.\.(?P<high>-?\d{1,10})", re.ASCII)
MOST_DIGITS = 15
FILLED = ("ones", "zeros")
DTYPES = ("fp64", "fp32", "tf32", "bf16", "fp16", "int64", "int32", "bool")
WHOLE = ("int64", "int32", "bool")
ALIASES = {
    "float64": "fp64", "double": "fp64", "float32": "fp32", "float": "fp32", "bfloat16": "bf16", "float16": "fp16",
    "half": "fp16", "long": "int64", "int": "int32",
}  # fmt: skip  # as torch calls them
EXAMPLE = "write for example 1,3,224,224 or 2,32:int64:1000 or mask=2,32:int64:ones"


def parse_inputs(texts: Iterable[str]) -> list[Any] | dict[str, Any] | None:
    """What a spec's `inputs` would say; None where nothing is written.

    Args:
        texts: one for each argument: `SHAPE[:DTYPE[:VALUES]]`, a list or mapping of such in brackets, each of them
            behind `NAME=` where it is a keyword. Values are a bound such as `1000`, `LOW..HIGH`, `ones` or `zeros`.

    Raises:
        UsageError: one is not written like that.
    """
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for text in texts:
        keyword = NAMED.fullmatch(text.strip())
        if keyword is None:
            positional.append(_argument(text, text))
        elif keyword["name"] in named:
            raise UsageError(f"{keyword['name']!r} is given twice", where="--input")
        else:
            named[keyword["name"]] = _argument(keyword["value"].strip(), text)
    if positional and named:
        return {POSITIONAL: positional} | named
    return positional or named or None


def _argument(text: str, whole: str) -> Any:
    if TENSOR.fullmatch(text):
        return _tensor(text)
    if not text.lstrip().startswith(("[", "{")) and text == whole:
        raise UsageError(f"{text[:60]!r} is no shape", where="--input", hint=EXAMPLE)
    value, _ = read_yaml(text, "--input")
    if isinstance(value, list) and value and all(type(size) is int for size in value):
        return {"shape": value}  # as Python writes a shape
    return _with_tensors(value)


def _with_tensors(value: Any) -> Any:
    """A nested value, with tensors in the place of texts that describe one."""
    if isinstance(value, dict):
        return value if "shape" in value else {key: _with_tensors(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_tensors(inner) for inner in value]
    return _tensor(value) if isinstance(value, str) and TENSOR.fullmatch(value) else value


def _tensor(text: str) -> dict[str, Any]:
    matched = TENSOR.fullmatch(text)
    assert matched is not None  # noqa: S101 - for the reader: whoever calls has looked
    sizes = [size.strip() for size in matched["shape"].split(",")]
    if any(len(size) > MOST_DIGITS for size in sizes):
        raise UsageError(f"{text[:60]!r} is absurdly large", where="--input", hint=EXAMPLE)
    tensor: dict[str, Any] = {"shape": [int(size) for size in sizes]}
    dtype, _, values = (matched["rest"] or "")[1:].partition(":")
    if dtype.strip() in FILLED and not values:
        return tensor | {"values": dtype.strip()}
    if matched["rest"]:
        tensor["dtype"] = _dtype(dtype.strip(), text)
    return tensor | _values(values.strip(), tensor.get("dtype"), text) if values else tensor


def _dtype(name: str, text: str) -> str:
    dtype = ALIASES.get(name, name)
    if dtype not in DTYPES:
        hint = "a range of sizes is no shape; the dtype comes first, as in 2,32:int64:1000"
        raise UsageError(
            f"{name[:40]!r} in {text[:60]!r} is no dtype",
            where="--input",
            hint=did_you_mean(name, [*DTYPES, *ALIASES]) if not name[:1].isdigit() else hint,
        )
    return dtype


def _values(values: str, dtype: str | None, text: str) -> dict[str, Any]:
    if values in FILLED:
        return {"values": values}
    if dtype in WHOLE and re.fullmatch(r"\d{1,10}", values, re.ASCII):
        return {"high": int(values)}
    bounds = RANGE.fullmatch(values)
    if dtype in WHOLE and bounds:
        return {"low": int(bounds["low"]), "high": int(bounds["high"])}
    hint = "ones, zeros, and of whole numbers a bound such as 1000, or 5..1000: from 5 to below 1000"
    raise UsageError(f"{values[:40]!r} in {text[:60]!r} says no values", where="--input", hint=hint)

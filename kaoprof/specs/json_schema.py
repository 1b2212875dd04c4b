"""The JSON Schema of specs, with which editors complete and check them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from kaoprof.specs import documents, layers
from kaoprof.specs.docstrings import restore_docstrings
from kaoprof.specs.documents import KINDS
from kaoprof.specs.layers import OPERATOR_NAME_TEXT

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(operators: Iterable[str] = ()) -> dict[str, Any]:
    """The schema of every kind of spec.

    Args:
        operators: the names that editors offer for attention operators; the schema itself allows any.
    """
    for module in (documents, layers):
        restore_docstrings(module)
    kinds, components = msgspec.json.schema_components(list(KINDS.values()))
    _offer(components, list(operators))
    return {
        "$schema": DRAFT,
        "title": "kaoprof spec",
        "description": "A model, a single operator, a grid of operators or of models, or code to import.",
        "anyOf": list(kinds),
        "$defs": components,
    }


def _offer(part: Any, operators: list[str]) -> None:
    """Writes the operators' names beside every field that takes one."""
    if isinstance(part, dict):
        if part.get("description") == OPERATOR_NAME_TEXT and operators:
            part["examples"] = operators
        for inner in part.values():
            _offer(inner, operators)
    elif isinstance(part, list):
        for inner in part:
            _offer(inner, operators)

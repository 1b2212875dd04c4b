"""The shipped specs at a glance."""

import msgspec

from kaoprof.specs.loader import load_spec
from kaoprof.specs.shelf import shelf


class ShippedSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A spec that ships with kaoprof: its name, its kind (`model`, `operator`, `grid`, `code`), and what it is."""

    name: str
    kind: str
    description: str
    source: str


def shipped_specs() -> tuple[ShippedSpec, ...]:
    """Every shipped spec, in the order of the names."""
    documents = [(name, load_spec(path)) for name, path in shelf().items()]
    return tuple(
        ShippedSpec(name=name, kind=document.kind, description=document.spec.description, source=document.spec.source)
        for name, document in documents
    )

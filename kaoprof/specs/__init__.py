"""Specs in YAML: models, single operators, grids of sizes, and code to import. Torch-free; safe on any input."""

from kaoprof.specs.json_schema import json_schema
from kaoprof.specs.loader import Document, load_spec, parse_spec
from kaoprof.specs.shipped import ShippedSpec, shipped_specs
from kaoprof.specs.starter import starter_spec

__all__ = [
    "Document",
    "ShippedSpec",
    "json_schema",
    "load_spec",
    "parse_spec",
    "shipped_specs",
    "starter_spec",
]

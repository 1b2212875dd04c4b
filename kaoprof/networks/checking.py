"""What a model or an operator costs on paper, layer by layer; and whether a spec makes sense at all. Torch-free."""

import math

from kaoprof.costs.layer_tree import LayerCost, Shape, group
from kaoprof.errors import UsageError
from kaoprof.networks.attention import Site, known_operator
from kaoprof.networks.closed_forms import cost_of
from kaoprof.specs import Document
from kaoprof.specs.documents import GridSpec, ModelSpec, OperatorSpec
from kaoprof.specs.layers import Attention, Layer, Reuse, Upsample
from kaoprof.specs.places import Places
from kaoprof.specs.tree import walk_layers

MAX_MAP = 2**50  # elements of one layer's output: beyond it a spec is a mistake


def check_spec(document: Document) -> None:
    """Checks all that can be checked without importing code: names of operators, and that every layer fits its input.

    Raises:
        SpecError: the first thing that is wrong, with file, line and key.
    """
    spec = document.spec
    if isinstance(spec, ModelSpec | OperatorSpec):
        network_cost(document)
    if isinstance(spec, GridSpec):
        for index, name in enumerate(spec.operators):
            known_operator(name, f"operators[{index}]", document.places)
    if isinstance(spec, ModelSpec) and spec.attention is not None:
        known_operator(spec.attention.type, "attention.type", document.places)


def network_cost(document: Document) -> LayerCost:
    """The cost of one sample as a tree; the root is the whole network, and the sum of its leaves.

    The paths of its layers (`LayerCost.walk`) are the names of the built network's modules.

    Raises:
        UsageError: the spec is neither a model nor an operator.
        SpecError: a layer does not fit its input.
    """
    spec = spec_with_layers(document)
    shape: Shape = (spec.input.channels, *spec.input.size)
    site = site_of(spec, document.places)
    costs: list[LayerCost] = []
    for name, path, layer in top_layers(spec):
        costs.append(cost_of(layer, name, shape, path, site))
        shape = costs[-1].output_shape
        if math.prod(shape) > MAX_MAP:
            raise document.places.error("the map has become absurdly large", path, hint="use smaller sizes or scales")
    return group("", document.kind, tuple(costs), shape)


def spec_with_layers(document: Document) -> ModelSpec | OperatorSpec:
    """The spec of a model or an operator.

    Raises:
        UsageError: the spec is of another kind.
    """
    if not isinstance(document.spec, ModelSpec | OperatorSpec):
        raise UsageError(
            f"a {document.kind} spec has no layers",
            where=document.places.file,
            hint="name a model or an operator; kaoprof sweep measures grids",
        )
    return document.spec


def top_layers(spec: ModelSpec | OperatorSpec) -> list[tuple[str, str, Layer]]:
    """The layers that are not inside others, as (name of the module, key path, layer)."""
    if isinstance(spec, ModelSpec):
        return [(f"layers.{index}", f"layers[{index}]", layer) for index, layer in enumerate(spec.layers)]
    return [("layers.0", "operator", Attention())]


def site_of(spec: ModelSpec | OperatorSpec, places: Places) -> Site:
    """What every layer of the spec may refer to."""
    if isinstance(spec, OperatorSpec):
        return Site(places=places, defaults=spec.operator, said_at="operator")
    names = {_reference(layer) for _, layer, _ in walk_layers(spec.layers, "layers")}
    return Site(places=places, defaults=spec.attention, said_at="attention", referenced=frozenset(filter(None, names)))


def _reference(layer: Layer) -> str | None:
    return layer.block if isinstance(layer, Reuse) else layer.like if isinstance(layer, Upsample) else None

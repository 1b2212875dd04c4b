"""What a model or an operator costs on paper, layer by layer; and whether a spec makes sense at all. Torch-free."""

import math

from kaoprof.catalog import OPERATORS
from kaoprof.costs.layer_tree import LayerCost, Shape, group
from kaoprof.errors import UsageError, did_you_mean
from kaoprof.networks.attention import Defaults
from kaoprof.networks.closed_forms import Site, cost_of
from kaoprof.specs import Document
from kaoprof.specs.documents import AttentionDefaults, GridSpec, Input, ModelSpec, OperatorSpec
from kaoprof.specs.layers import Attention, Layer, Reuse, Upsample
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
            _known_operator(document, name, f"operators[{index}]")
    if isinstance(spec, ModelSpec) and spec.attention is not None:
        _known_operator(document, spec.attention.type, "attention.type")


def _known_operator(document: Document, name: str, path: str) -> None:
    if name not in OPERATORS:
        raise document.places.error(f"unknown operator {name!r}", path, hint=did_you_mean(name, OPERATORS))


def network_cost(document: Document) -> LayerCost:
    """The cost of one sample as a tree; the root is the whole network, and the sum of its leaves.

    The paths of its layers (`LayerCost.walk`) are the names of the built network's modules.

    Raises:
        UsageError: the spec is neither a model nor an operator.
        SpecError: a layer does not fit its input.
    """
    given = spec_input(document)
    shape: Shape = (given.channels, *given.size)
    site = site_of(document)
    costs: list[LayerCost] = []
    for name, path, layer in top_layers(document):
        costs.append(cost_of(layer, name, shape, path, site))
        shape = costs[-1].output_shape
        if math.prod(shape) > MAX_MAP:
            raise document.places.error("the map has become absurdly large", path, hint="use smaller sizes or scales")
    return group("", document.kind, tuple(costs), shape)


def spec_input(document: Document) -> Input:
    """The input of a model or an operator.

    Raises:
        UsageError: the spec is of another kind.
    """
    if not isinstance(document.spec, ModelSpec | OperatorSpec):
        raise UsageError(
            f"a {document.kind} spec has no layers",
            where=document.places.file,
            hint="name a model or an operator; kaoprof sweep measures grids",
        )
    return document.spec.input


def top_layers(document: Document) -> list[tuple[str, str, Layer]]:
    """The layers that are not inside others, as (name of the module, key path, layer)."""
    if isinstance(document.spec, ModelSpec):
        layers = enumerate(document.spec.layers)
        return [(f"layers.{index}", f"layers[{index}]", layer) for index, layer in layers]
    return [("layers.0", "operator", Attention())]


def site_of(document: Document) -> Site:
    """What every layer of the spec may refer to."""
    spec = document.spec
    settings: AttentionDefaults | None = None
    layers: tuple[Layer, ...] = ()
    if isinstance(spec, ModelSpec):
        settings, layers = spec.attention, spec.layers
    elif isinstance(spec, OperatorSpec):
        settings = spec.operator
    names = [_reference(layer) for _, layer, _ in walk_layers(layers, "layers")]
    return Site(
        places=document.places,
        defaults=Defaults(settings=settings, path="operator" if isinstance(spec, OperatorSpec) else "attention"),
        referenced=frozenset(name for name in names if name is not None),
    )


def _reference(layer: Layer) -> str | None:
    return layer.block if isinstance(layer, Reuse) else layer.like if isinstance(layer, Upsample) else None

"""A model spec -> the closed forms of its layers, as a tree. Torch-free; finds what does not fit, with its line."""

from collections.abc import Callable
from typing import Any, get_args

import msgspec
from msgspec.structs import asdict, replace

from kaoprof.costs import layers as forms
from kaoprof.costs import modules
from kaoprof.costs.layer_tree import LayerCost, Shape, chain, group
from kaoprof.dims import Dims, head_size
from kaoprof.errors import SpecError, UsageError
from kaoprof.networks.attention import Site, choose_operator
from kaoprof.specs import layers as spec
from kaoprof.specs.places import key_path


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a layer's form and module rest on besides the layer: its name, its input's shape, key path and network."""

    name: str
    shape: Shape
    path: str
    site: Site

    @property
    def axes(self) -> int:
        """How many spatial axes the input has."""
        return len(self.shape) - 1


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a closed form was made from."""

    layer: spec.Layer
    given: Given


def cost_of(layer: spec.Layer, name: str, shape: Shape, path: str, site: Site) -> LayerCost:
    """The cost of one layer of the spec, which stands at `path`, on one sample of `shape`; its `origin` is an `Origin`.

    Raises:
        SpecError: the layer does not fit its input.
    """
    try:
        copies = repeated(layer)
        if len(copies) == 1:
            given = Given(name=name, shape=shape, path=path, site=site)
            return FORMS[type(layer)](layer, given)._replace(origin=Origin(layer=layer, given=given))
        steps = tuple(_step(copy, str(index), path, site) for index, copy in enumerate(copies))
        return chain(name, type_name(layer), shape, steps)
    except SpecError:
        raise
    except UsageError as error:
        own_key = error.where if getattr(layer, error.where or "", None) is not None else None
        at = key_path(path, own_key) if own_key else path
        raise site.places.error(error.message, at, hint=error.hint or "see `kaoprof schema`") from None


def chain_of(layers: tuple[spec.Layer, ...], at: Given, *, kind: str) -> LayerCost:
    """Layers one after another, which stand at `at.path`."""
    steps = tuple(_step(layer, str(index), f"{at.path}[{index}]", at.site) for index, layer in enumerate(layers))
    return chain(at.name, kind, at.shape, steps)


def _step(layer: spec.Layer, name: str, path: str, site: Site) -> Callable[[Shape], LayerCost]:
    return lambda shape: cost_of(layer, name, shape, path, site)


def repeated(layer: spec.Layer) -> list[spec.Layer]:
    """The layer as often as its `repeat` says; only the first has its stride."""
    count = getattr(layer, "repeat", 1)
    if count == 1:
        return [layer]
    first = replace(layer, repeat=1)
    return [first] + [replace(first, stride=1) if hasattr(layer, "stride") else first] * (count - 1)


def type_name(layer: spec.Layer) -> str:
    """The layer's `type:` in a spec."""
    return str(layer.__struct_config__.tag)


def keywords(layer: spec.Layer) -> dict[str, Any]:
    """The layer's settings by name, as its closed form takes them, and mostly its module."""
    return {name: value for name, value in asdict(layer).items() if name != "repeat"}


def conv_keywords(layer: spec.Conv | spec.Depthwise, channels: int) -> dict[str, Any]:
    """Those of a convolution of so many channels."""
    each_alone = {"out": channels, "groups": channels} if isinstance(layer, spec.Depthwise) else {}
    return keywords(layer) | each_alone


def _as_told(form: Callable[..., LayerCost], **more: Any) -> Callable[[spec.Layer, Given], LayerCost]:
    """The closed form of a layer that is told no more than its settings, and the same of every layer of its type."""
    return lambda layer, at: form(at.name, at.shape, **keywords(layer), **more)


def _conv(layer: spec.Conv | spec.Depthwise, at: Given) -> LayerCost:
    return modules.conv_norm(at.name, at.shape, **conv_keywords(layer, at.shape[0]))


def _upsample(layer: spec.Upsample, at: Given) -> LayerCost:
    if layer.like is not None:
        size = forms.spatial_shape(at.site.blocks[layer.like])[1:]
    else:
        size = layer.size or tuple(length * (layer.scale or 1) for length in at.shape[1:])
    return forms.upsample(at.name, at.shape, size=size, mode=layer.mode)


def _block(layer: spec.Block, at: Given) -> LayerCost:
    cost = chain_of(layer.layers, replace(at, path=key_path(at.path, "layers")), kind=layer.name or "block")
    if layer.name is not None:
        at.site.blocks[layer.name] = cost.output_shape
    return cost


def _residual(layer: spec.Residual, at: Given) -> LayerCost:
    inside = chain_of(layer.layers, replace(at, path=key_path(at.path, "layers")), kind="residual")
    _same_shape([at.shape, inside.output_shape])
    return group(at.name, "residual", (*inside.children, forms.summed("add", at.shape)), at.shape)


def _same_shape(shapes: list[Shape]) -> None:
    first, *others = shapes
    for other in others:
        if other != first:
            sizes = " and ".join(" x ".join(map(str, shape)) for shape in (first, other))
            hint = "give both the same channels and the same spatial size"
            raise UsageError(f"{sizes} cannot be added", hint=hint)


def _branches(layer: spec.Concat | spec.Add, at: Given) -> tuple[LayerCost, ...]:
    return tuple(
        chain_of(branch, replace(at, name=str(index), path=f"{at.path}.branches[{index}]"), kind="branch")
        for index, branch in enumerate(layer.branches)
    )


def _concat(layer: spec.Concat, at: Given) -> LayerCost:
    branches = _branches(layer, at)
    first = branches[0].output_shape
    for index, branch in enumerate(branches[1:], 1):
        if branch.output_shape[1:] != first[1:]:
            sizes = f"{' x '.join(map(str, first))} and {' x '.join(map(str, branch.output_shape))}"
            raise at.site.places.error(
                f"{sizes} cannot stand side by side",
                f"{at.path}.branches[{index}]",
                hint="only the channels may differ: adapt strides or add upsample",
            )
    channels = sum(branch.output_shape[0] for branch in branches)
    return group(at.name, "concat", branches, (channels, *first[1:]))


def _add(layer: spec.Add, at: Given) -> LayerCost:
    branches = _branches(layer, at)
    _same_shape([branch.output_shape for branch in branches])
    total = forms.summed("add", branches[0].output_shape, terms=len(branches))
    return group(at.name, "add", (*branches, total), total.output_shape)


def _operator(layer: spec.AttentionLayer, path: str, site: Site) -> modules.Operator:
    """The closed form of the layer's operator."""
    operator, options = choose_operator(layer, path, site)

    def form(name: str, shape: Shape) -> LayerCost:
        channels, *spatial = forms.spatial_shape(shape)
        head_size(channels, options.heads)
        cost = operator.cost(Dims(b=1, c=channels, spatial=tuple(spatial)), options)
        return forms.operator(name, shape, cost, kind=kind_of(operator.name))

    return form


def kind_of(operator: str) -> str:
    """What a layer with this operator is called: by its name, unless plain layers bear that, as `linear` ones do."""
    return f"{operator}_attention" if operator in LAYER_TYPES else operator


def _attn(layer: spec.Attn | spec.AttnSkip, at: Given) -> LayerCost:
    return modules.attn_module(
        at.name,
        at.shape,
        out=layer.out,
        expand=layer.expand,
        stride=layer.stride,
        attention=_operator(layer, at.path, at.site),
        skip=isinstance(layer, spec.AttnSkip),
    )


LAYER_TYPES = frozenset(layer.__struct_config__.tag for layer in get_args(spec.Layer))
FORMS: dict[type, Callable[[Any, Given], LayerCost]] = {
    spec.Conv: _conv,
    spec.Depthwise: _conv,
    spec.Linear: _as_told(forms.linear),
    spec.BatchNorm: _as_told(forms.batch_norm),
    spec.LayerNorm: _as_told(forms.layer_norm),
    spec.PositionEmbedding: _as_told(forms.position_embedding),
    spec.ClassToken: _as_told(forms.class_token),
    spec.FirstPosition: _as_told(forms.first_position),
    spec.SpaceToDepth: _as_told(forms.space_to_depth),
    spec.Activation: _as_told(forms.activation),
    spec.MaxPool: _as_told(forms.pool, kind="max_pool"),
    spec.AvgPool: _as_told(forms.pool, kind="avg_pool"),
    spec.GlobalAvgPool: _as_told(forms.global_avg_pool),
    spec.Dropout: lambda _, at: forms.dropout(at.name, at.shape),
    spec.Flatten: _as_told(forms.flatten),
    spec.Upsample: _upsample,
    spec.Block: _block,
    spec.Residual: _residual,
    spec.Concat: _concat,
    spec.Add: _add,
    spec.Reuse: lambda layer, at: LayerCost(at.name, "reuse", at.site.blocks[layer.block]),
    spec.Attention: lambda layer, at: _operator(layer, at.path, at.site)(at.name, at.shape),
    spec.Base: _as_told(modules.base_module),
    spec.BaseSkip: _as_told(modules.base_module, skip=True),
    spec.Attn: _attn,
    spec.AttnSkip: _attn,
}

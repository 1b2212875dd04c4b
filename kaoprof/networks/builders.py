"""A model spec -> the `nn.Module`s of its layers, under the names that their closed forms have.

The tree of costs says what shape each layer is given; torch and the models are imported only when something is built.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from kaoprof.costs.layer_tree import LayerCost, Shape
from kaoprof.costs.layers import per_axis
from kaoprof.networks.attention import choose_operator
from kaoprof.networks.closed_forms import Site, repeated
from kaoprof.specs import layers as spec
from kaoprof.specs.places import key_path
from kaoprof.workload.building import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from kaoprof.models.network import Chain


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a builder is given besides its layer: the layer's cost, its input's shape, its key path, its network."""

    cost: LayerCost
    shape: Shape
    path: str
    site: Site


def module_of(layer: spec.Layer, cost: LayerCost, shape: Shape, path: str, site: Site) -> "nn.Module":
    """The module of one layer of the spec, given one sample of `shape`."""
    from kaoprof.models.network import Chain

    copies = repeated(layer)
    if len(copies) == 1:
        return BUILDERS[type(layer)](layer, Given(cost=cost, shape=shape, path=path, site=site))
    built: list[nn.Module] = []
    for copy, inner in zip(copies, cost.children, strict=True):
        built.append(module_of(copy, inner, shape, path, site))
        shape = inner.output_shape
    return Chain(built)


def modules_of(
    layers: tuple[spec.Layer, ...], costs: tuple[LayerCost, ...], shape: Shape, path: str, site: Site
) -> "list[nn.Module]":
    """The modules of layers one after another."""
    built: list[nn.Module] = []
    for index, (layer, cost) in enumerate(zip(layers, costs, strict=True)):
        built.append(module_of(layer, cost, shape, f"{path}[{index}]", site))
        shape = cost.output_shape
    return built


def _conv(layer: spec.Conv | spec.Depthwise, at: Given) -> "nn.Module":
    from kaoprof.models.layers import ConvNorm

    channels = at.shape[0]
    out, groups = (layer.out, layer.groups) if isinstance(layer, spec.Conv) else (channels, channels)
    return ConvNorm(
        len(at.shape) - 1,
        channels,
        out,
        kernel=layer.kernel,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=groups,
        bias=layer.bias,
        norm=layer.norm,
        function=layer.activation,
    )


def _linear(layer: spec.Linear, at: Given) -> "nn.Module":
    from torch import nn

    return nn.Linear(at.shape[0], layer.out, bias=layer.bias)


def _batch_norm(_layer: spec.BatchNorm, at: Given) -> "nn.Module":
    from kaoprof.models.layers import NORMS

    return NORMS[len(at.shape) - 1](at.shape[0])


def _activation(layer: spec.Activation, _at: Given) -> "nn.Module":
    from kaoprof.models.layers import ACTIVATIONS

    return ACTIVATIONS[layer.function]()


def _pool(layer: spec.MaxPool | spec.AvgPool, at: Given) -> "nn.Module":
    from kaoprof.models.layers import POOLS

    axes = len(at.shape) - 1
    kernel = per_axis(layer.kernel, axes, "kernel")
    stride = kernel if layer.stride is None else per_axis(layer.stride, axes, "stride")
    padding = per_axis(layer.padding, axes, "padding")
    return POOLS[at.cost.type, axes](kernel, stride, padding, ceil_mode=layer.ceil)


def _global_avg_pool(layer: spec.GlobalAvgPool, _at: Given) -> "nn.Module":
    from kaoprof.models.layers import GlobalAvgPool

    return GlobalAvgPool(keep=layer.keep)


def _dropout(layer: spec.Dropout, _at: Given) -> "nn.Module":
    from torch import nn

    return nn.Dropout(layer.p)


def _flatten(_layer: spec.Flatten, _at: Given) -> "nn.Module":
    from torch import nn

    return nn.Flatten()


def _upsample(layer: spec.Upsample, _at: Given) -> "nn.Module":
    from kaoprof.models.network import Upsample

    return Upsample(scale=layer.scale, size=layer.size, like=layer.like, mode=layer.mode)


def _block(layer: spec.Block, at: Given) -> "nn.Module":
    from kaoprof.models.network import Chain

    inside = modules_of(layer.layers, at.cost.children, at.shape, key_path(at.path, "layers"), at.site)
    return Chain(inside, label=layer.name if layer.name in at.site.referenced else None)


def _residual(layer: spec.Residual, at: Given) -> "nn.Module":
    from kaoprof.models.network import Residual

    return Residual(modules_of(layer.layers, at.cost.children[:-1], at.shape, key_path(at.path, "layers"), at.site))


def _branches(
    layer: spec.Concat | spec.Add, costs: tuple[LayerCost, ...], shape: Shape, path: str, site: Site
) -> "list[Chain]":
    from kaoprof.models.network import Chain

    return [
        Chain(modules_of(branch, cost.children, shape, f"{path}.branches[{index}]", site))
        for index, (branch, cost) in enumerate(zip(layer.branches, costs, strict=True))
    ]


def _concat(layer: spec.Concat, at: Given) -> "nn.Module":
    from kaoprof.models.network import Concat

    return Concat(_branches(layer, at.cost.children, at.shape, at.path, at.site))


def _add(layer: spec.Add, at: Given) -> "nn.Module":
    from kaoprof.models.network import Add

    return Add(_branches(layer, at.cost.children[:-1], at.shape, at.path, at.site))


def _reuse(layer: spec.Reuse, _at: Given) -> "nn.Module":
    from kaoprof.models.network import Reuse

    return Reuse(layer.block)


def _attention(layer: spec.AttentionLayer, at: Given) -> "nn.Module":
    operator, options = choose_operator(layer, at.path, at.site.defaults, at.site.places)
    return resolve(operator.factory)(
        at.shape[0],
        heads=options.heads,
        projection=options.projection,
        scale=options.scale,
        implementation=options.implementation,
    )


def _base(layer: spec.Base | spec.BaseSkip, at: Given) -> "nn.Module":
    from kaoprof.models.modules import BaseModule, BaseSkipModule

    kind = BaseModule if isinstance(layer, spec.Base) else BaseSkipModule
    return kind(len(at.shape) - 1, at.shape[0], layer.out, expand=layer.expand, stride=layer.stride)


def _attn(layer: spec.Attn | spec.AttnSkip, at: Given) -> "nn.Module":
    from kaoprof.models.modules import AttnModule, AttnSkipModule

    kind = AttnSkipModule if isinstance(layer, spec.AttnSkip) else AttnModule
    attention = _attention(layer, at)
    return kind(
        len(at.shape) - 1, at.shape[0], layer.out, expand=layer.expand, stride=layer.stride, attention=attention
    )


BUILDERS: "dict[type, Callable[[Any, Given], nn.Module]]" = {
    spec.Conv: _conv,
    spec.Depthwise: _conv,
    spec.Linear: _linear,
    spec.BatchNorm: _batch_norm,
    spec.Activation: _activation,
    spec.MaxPool: _pool,
    spec.AvgPool: _pool,
    spec.GlobalAvgPool: _global_avg_pool,
    spec.Dropout: _dropout,
    spec.Flatten: _flatten,
    spec.Upsample: _upsample,
    spec.Block: _block,
    spec.Residual: _residual,
    spec.Concat: _concat,
    spec.Add: _add,
    spec.Reuse: _reuse,
    spec.Attention: _attention,
    spec.Base: _base,
    spec.BaseSkip: _base,
    spec.Attn: _attn,
    spec.AttnSkip: _attn,
}

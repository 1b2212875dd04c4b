"""The tree of a spec's closed forms -> the `nn.Module`s of its layers, under the same names. Opened late: needs torch.

What a layer was made from stands with its cost, so nothing of the spec is walked a second time.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from kaoprof.costs.layer_tree import LayerCost
from kaoprof.dims import per_axis
from kaoprof.models.layers import (
    ACTIVATIONS,
    AVG_POOLS,
    MAX_POOLS,
    NORMS,
    ClassToken,
    ConvNorm,
    FirstPosition,
    GlobalAvgPool,
    LayerNorm,
    PositionEmbedding,
    SpaceToDepth,
)
from kaoprof.models.modules import AttnModule, AttnSkipModule, BaseModule, BaseSkipModule
from kaoprof.models.network import Add, Chain, Concat, Residual, Reuse, Upsample
from kaoprof.networks.attention import choose_operator
from kaoprof.networks.closed_forms import Given, conv_keywords, keywords
from kaoprof.specs import layers as spec
from kaoprof.workload.building import resolve


def module_of(cost: LayerCost) -> nn.Module:
    """The module of a layer whose cost is known; of what only holds others, these one after another."""
    if cost.origin is None:
        return Chain(modules_of(cost.children))
    layer, at = cost.origin.layer, cost.origin.given
    return BUILDERS[type(layer)](layer, at, cost.children)


def modules_of(costs: Sequence[LayerCost]) -> list[nn.Module]:
    """The modules of several layers."""
    return [module_of(cost) for cost in costs]


Inside = Sequence[LayerCost]  # the costs of the layers inside


def _conv(layer: spec.Conv | spec.Depthwise, at: Given, _: Inside) -> nn.Module:
    return ConvNorm(at.axes, at.shape[0], **conv_keywords(layer, at.shape[0]))


def _linear(layer: spec.Linear, at: Given, _: Inside) -> nn.Module:
    return nn.Linear(at.shape[0], layer.out, bias=layer.bias)


def _pool(layer: spec.MaxPool | spec.AvgPool, at: Given, _: Inside) -> nn.Module:
    pools = MAX_POOLS if isinstance(layer, spec.MaxPool) else AVG_POOLS
    kernel = per_axis(layer.kernel, at.axes, "kernel")
    stride = kernel if layer.stride is None else per_axis(layer.stride, at.axes, "stride")
    padding = per_axis(layer.padding, at.axes, "padding")
    return pools[at.axes](kernel, stride, padding, ceil_mode=layer.ceil)


def _block(layer: spec.Block, at: Given, inside: Inside) -> nn.Module:
    return Chain(modules_of(inside), label=layer.name if layer.name in at.site.referenced else None)


def _attention(layer: spec.AttentionLayer, at: Given, _: Inside = ()) -> nn.Module:
    operator, options = choose_operator(layer, at.path, at.site)
    return resolve(operator.factory)(at.shape[0], **operator.arguments(at.shape[1:], options))


def _base(layer: spec.Base | spec.BaseSkip, at: Given, _: Inside) -> nn.Module:
    kind = BaseModule if isinstance(layer, spec.Base) else BaseSkipModule
    return kind(at.axes, at.shape[0], **keywords(layer))


def _attn(layer: spec.Attn | spec.AttnSkip, at: Given, _: Inside) -> nn.Module:
    kind = AttnSkipModule if isinstance(layer, spec.AttnSkip) else AttnModule
    attention = _attention(layer, at)
    return kind(at.axes, at.shape[0], layer.out, expand=layer.expand, stride=layer.stride, attention=attention)


BUILDERS: dict[type, Callable[[Any, Given, Inside], nn.Module]] = {
    spec.Conv: _conv,
    spec.Depthwise: _conv,
    spec.Linear: _linear,
    spec.BatchNorm: lambda _layer, at, _: NORMS[at.axes](at.shape[0]),
    spec.LayerNorm: lambda _layer, at, _: LayerNorm(at.shape[0]),
    spec.PositionEmbedding: lambda _layer, at, _: PositionEmbedding(at.shape),
    spec.ClassToken: lambda _layer, at, _: ClassToken(at.shape[0]),
    spec.FirstPosition: lambda _layer, _at, _: FirstPosition(),
    spec.SpaceToDepth: lambda layer, _at, _: SpaceToDepth(**keywords(layer)),
    spec.Activation: lambda layer, _at, _: ACTIVATIONS[layer.function](),
    spec.MaxPool: _pool,
    spec.AvgPool: _pool,
    spec.GlobalAvgPool: lambda layer, _at, _: GlobalAvgPool(**keywords(layer)),
    spec.Dropout: lambda layer, _at, _: nn.Dropout(**keywords(layer)),
    spec.Flatten: lambda _layer, _at, _: nn.Flatten(),
    spec.Upsample: lambda layer, _at, _: Upsample(**keywords(layer)),
    spec.Block: _block,
    spec.Residual: lambda _layer, _at, inside: Residual(modules_of(inside[:-1])),
    spec.Concat: lambda _layer, _at, inside: Concat(modules_of(inside)),
    spec.Add: lambda _layer, _at, inside: Add(modules_of(inside[:-1])),
    spec.Reuse: lambda layer, _at, _: Reuse(layer.block),
    spec.Attention: _attention,
    spec.Base: _base,
    spec.BaseSkip: _base,
    spec.Attn: _attn,
    spec.AttnSkip: _attn,
}

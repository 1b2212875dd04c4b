"""Closed forms of the paper's modules: BaseModule, BaseSkipModule, AttnModule, AttnSkipModule (arXiv:2007.08442).

All convolutions have no bias and are followed by batch norm, then ReLU6; the last 1x1 has batch norm only. Expansion r,
input channels c, output channels d, stride s.
"""

from collections.abc import Callable
from typing import TypeAlias

from kaoprof.costs import layers as forms
from kaoprof.costs.layer_tree import LayerCost, Shape, chain, group
from kaoprof.dims import PerAxis, Size, per_axis
from kaoprof.errors import UsageError

Operator: TypeAlias = Callable[[str, Shape], LayerCost]  # (name, shape) -> the cost of an attention operator
KERNEL = 3


def conv_norm(
    name: str,
    shape: Shape,
    *,
    out: Size,
    kernel: PerAxis,
    stride: PerAxis = 1,
    padding: PerAxis | None = None,
    dilation: PerAxis = 1,
    groups: Size = 1,
    bias: bool = False,
    norm: str = "batch_norm",
    activation: str = "relu6",
) -> LayerCost:
    """A convolution, its batch norm and its activation, where they are not `none`."""
    steps: list[Callable[[Shape], LayerCost]] = [
        lambda inner: forms.convolution(
            "conv",
            inner,
            out=out,
            kernel=kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
    ]
    if norm != "none":
        steps.append(lambda inner: forms.batch_norm("norm", inner))
    if activation != "none":
        steps.append(lambda inner: forms.activation("activation", inner, function=activation))
    return chain(name, "depthwise" if groups == shape[0] == out != 1 else "conv", shape, tuple(steps))


def base_module(name: str, shape: Shape, *, out: Size, expand: Size, stride: PerAxis, skip: bool = False) -> LayerCost:
    """1x1 conv c -> r c (none if r = 1); 3x3 depthwise, stride s; 1x1 conv r c -> d; residual if s = 1 and c = d.

    With `skip` (BaseSkipModule) the first convolution makes (r-1) c channels, which stand beside the input.
    """
    children: tuple[LayerCost, ...] = ()
    if expand != 1:
        children = (conv_norm("expand", shape, out=(expand - int(skip)) * shape[0], kernel=1),)
    depthwise = _depthwise((expand * shape[0], *shape[1:]), stride)
    kind = "base_skip" if skip else "base"
    residual = _keeps(shape, out, stride)
    return _finish(name, kind, shape, (*children, depthwise), depthwise.output_shape, out, residual=residual)


def attn_module(
    name: str, shape: Shape, *, out: Size, expand: Size, stride: PerAxis, attention: Operator, skip: bool
) -> LayerCost:
    """Path 1: 1x1 conv c -> (r-1) c, 3x3 depthwise, stride s. Path 2: attention c -> c, then s x s average pooling.

    Their outputs side by side, then a 1x1 conv r c -> d. With `skip` (AttnSkipModule) the residual if s = 1 and c = d.
    The pooling takes what is left at the edge as a smaller window, so that both paths end with ceil(size / s).

    Raises:
        UsageError: `expand` leaves no channels to path 1.
    """
    if expand < 2:  # noqa: PLR2004 - r - 1 must leave a channel
        raise UsageError(f"leaves path 1 no channels: {expand}", where="expand", hint="at least 2")
    expanded = conv_norm("expand", shape, out=(expand - 1) * shape[0], kernel=1)
    depthwise = _depthwise(expanded.output_shape, stride)
    attended = attention("attention", shape)
    children: tuple[LayerCost, ...] = (expanded, depthwise, attended)
    steps = per_axis(stride, len(shape) - 1, "stride")
    if any(step > 1 for step in steps):
        children = (*children, forms.pool("pool", shape, kind="avg_pool", kernel=steps, ceil=True))
    kind = "attn_skip" if skip else "attn"
    side_by_side = (expand * shape[0], *depthwise.output_shape[1:])
    return _finish(name, kind, shape, children, side_by_side, out, residual=skip and _keeps(shape, out, stride))


def _depthwise(shape: Shape, stride: PerAxis) -> LayerCost:
    return conv_norm("depthwise", shape, out=shape[0], kernel=KERNEL, stride=stride, groups=shape[0])


def _keeps(shape: Shape, out: Size, stride: PerAxis) -> bool:
    """Whether the output has the input's shape, so that there is a residual sum."""
    return bool(shape[0] == out) and all(step == 1 for step in per_axis(stride, len(shape) - 1, "stride"))


def _finish(
    name: str, kind: str, shape: Shape, children: tuple[LayerCost, ...], joined: Shape, out: Size, *, residual: bool
) -> LayerCost:
    """The last 1x1 conv, with batch norm only, on what the `children` leave together; and the residual sum."""
    forms.spatial_shape(shape)
    children = (*children, conv_norm("project", joined, out=out, kernel=1, activation="none"))
    if residual:
        children = (*children, forms.summed("residual", shape))
    return group(name, kind, children, children[-1].output_shape)

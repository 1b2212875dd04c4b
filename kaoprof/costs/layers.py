"""Closed forms of the layers of networks: shape in, shape out, and the cost of one sample. Torch-free.

A shape is that of one sample, `(c, *spatial)`; after flattening `(c,)`. Sizes may be ints or sympy expressions.
Convolutions and linear layers cost MACs; all else is elementwise FLOPs by the rules of `arithmetic`, in eval mode.
"""

import math

from msgspec.structs import asdict

from kaoprof.costs.arithmetic import (
    NORMALISE_FLOPS,
    interpolation_flops,
    layer_norm_flops,
    mean_flops,
    pool_flops,
)
from kaoprof.costs.cost import Cost
from kaoprof.costs.layer_tree import LayerCost, Shape
from kaoprof.dims import SPATIAL_AXES, PerAxis, Size, ceil_div, per_axis
from kaoprof.errors import UsageError


def same_padding(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """The padding with which an odd window of stride 1 keeps the size: dilation x (kernel - 1) // 2."""
    return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))


def convolution(
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
) -> LayerCost:
    """Each of the out x N' outputs takes c/groups x prod(kernel) MACs, padding included; a bias adds one FLOP to each.

    `(c, *s) -> (out, *s')` with `s' = (s + 2 padding - dilation (kernel - 1) - 1) // stride + 1`.

    Raises:
        UsageError: the groups do not divide the channels, or the window does not fit into the map.
    """
    channels, *spatial = spatial_shape(shape)
    divided(channels, groups, "input")
    divided(out, groups, "output")
    axes = len(spatial)
    windows, spaced = per_axis(kernel, axes, "kernel"), per_axis(dilation, axes, "dilation")
    pads = same_padding(windows, spaced) if padding is None else per_axis(padding, axes, "padding")
    steps = per_axis(stride, axes, "stride")
    sizes = tuple(
        (size + 2 * pad - gap * (window - 1) - 1) // step + 1
        for size, pad, gap, window, step in zip(spatial, pads, spaced, windows, steps, strict=True)
    )
    not_empty(sizes, spatial, "kernel")
    outputs = out * math.prod(sizes)
    inputs_each = channels // groups * math.prod(windows)
    return LayerCost(
        name=name,
        type="convolution",
        output_shape=(out, *sizes),
        macs=outputs * inputs_each,
        elementwise=outputs if bias else 0,
        params=out * inputs_each + (out if bias else 0),
    )


def divided(channels: Size, groups: Size, which: str) -> None:
    """Refuses groups that do not divide the input or output channels."""
    if channels % groups:
        raise UsageError(
            f"{groups} groups do not divide {channels} {which} channels",
            where="groups",
            hint=f"choose a divisor of {channels}",
        )


def spatial_shape(shape: Shape) -> Shape:
    """A shape that has spatial axes.

    Raises:
        UsageError: it has none any more.
    """
    if len(shape) == 1:
        raise UsageError(
            "the layer needs a map, but there are no spatial axes any more",
            hint="move it before flatten or global_avg_pool",
        )
    return shape


def not_empty(sizes: Shape, before: list[Size], key: str) -> None:
    """Refuses a map without positions."""
    if any(isinstance(size, int) and size < 1 for size in sizes):
        raise UsageError(
            f"nothing is left of a map of {' x '.join(map(str, before))}",
            where=key,
            hint="use a smaller kernel or stride, more padding, or a larger input",
        )


def linear(name: str, shape: Shape, *, out: Size, bias: bool = True) -> LayerCost:
    """`(c,) -> (out,)`: c MACs for each output; a bias adds one FLOP to each.

    Raises:
        UsageError: the input still has spatial axes.
    """
    if len(shape) != 1:
        raise UsageError(
            f"linear needs flat channels, not a map of {' x '.join(map(str, shape))}",
            hint="put flatten or global_avg_pool before it, or use conv with kernel: 1",
        )
    added = out if bias else 0
    return LayerCost(
        name=name,
        type="linear",
        output_shape=(out,),
        macs=shape[0] * out,
        elementwise=added,
        params=shape[0] * out + added,
    )


def batch_norm(name: str, shape: Shape) -> LayerCost:
    """In eval mode 4 FLOPs for each element: subtract, multiply, scale, shift. Two weights for each channel."""
    return LayerCost(
        name=name,
        type="batch_norm",
        output_shape=shape,
        elementwise=NORMALISE_FLOPS * math.prod(shape),
        params_norm=2 * shape[0],
    )


def layer_norm(name: str, shape: Shape) -> LayerCost:
    """Mean and variance over the channels, then as `batch_norm`: 8 FLOPs for each element. Two weights a channel."""
    return LayerCost(
        name=name,
        type="layer_norm",
        output_shape=shape,
        elementwise=layer_norm_flops(math.prod(shape)),
        params=2 * shape[0],
    )


def position_embedding(name: str, shape: Shape) -> LayerCost:
    """A weight for each element, which is added to it."""
    spatial_shape(shape)
    elements = math.prod(shape)
    return LayerCost(name=name, type="position_embedding", output_shape=shape, elementwise=elements, params=elements)


def class_token(name: str, shape: Shape) -> LayerCost:
    """A position more, whose channels are weights: `(c, *s) -> (c, N + 1)`."""
    channels, *spatial = spatial_shape(shape)
    return LayerCost(name=name, type="class_token", output_shape=(channels, math.prod(spatial) + 1), params=channels)


def first_position(name: str, shape: Shape) -> LayerCost:
    """Moves data alone: `(c, *s) -> (c,)`."""
    return LayerCost(name=name, type="first_position", output_shape=spatial_shape(shape)[:1])


def space_to_depth(name: str, shape: Shape, *, block: int) -> LayerCost:
    """Moves data alone: `(c, *s) -> (c block^d, *s / block)`.

    Raises:
        UsageError: the block does not divide an axis.
    """
    channels, *spatial = spatial_shape(shape)
    for size in spatial:
        if size % block:
            raise UsageError(f"{block} does not divide {size} positions", where="block", hint="choose a divisor")
    return LayerCost(
        name=name,
        type="space_to_depth",
        output_shape=(channels * block ** len(spatial), *(size // block for size in spatial)),
    )


def activation(name: str, shape: Shape, *, function: str) -> LayerCost:
    """Any function of one element is 1 FLOP."""
    return LayerCost(name=name, type=function, output_shape=shape, elementwise=math.prod(shape))


def pool(
    name: str,
    shape: Shape,
    *,
    kind: str,
    kernel: PerAxis,
    stride: PerAxis | None = None,
    padding: PerAxis = 0,
    ceil: bool = False,
) -> LayerCost:
    """Max or average pooling: one FLOP for each element of each window, also where it hangs over the edge.

    With `ceil` the last window may hang over the edge, but starts inside the map or its left padding.

    Raises:
        UsageError: the padding is more than half the window, or no window fits.
    """
    channels, *spatial = spatial_shape(shape)
    axes = len(spatial)
    windows, pads = per_axis(kernel, axes, "kernel"), per_axis(padding, axes, "padding")
    steps = windows if stride is None else per_axis(stride, axes, "stride")
    if any(2 * pad > window for pad, window in zip(pads, windows, strict=True)):
        raise UsageError("more padding than half the kernel", where="padding", hint="at most kernel // 2")
    sizes = tuple(
        _pooled(size + 2 * pad - window, step, size + pad, ceil=ceil)
        for size, pad, window, step in zip(spatial, pads, windows, steps, strict=True)
    )
    if kind == "avg_pool" and axes == len(SPATIAL_AXES):  # torch wants that of an average over three axes alone
        not_empty(tuple(size - window + 1 for size, window in zip(spatial, windows, strict=True)), spatial, "kernel")
    not_empty(sizes, spatial, "kernel")
    outputs = channels * math.prod(sizes)
    return LayerCost(
        name=name,
        type=kind,
        output_shape=(channels, *sizes),
        elementwise=pool_flops(outputs, math.prod(windows)),
    )


def _pooled(room: Size, step: int, edge: Size, *, ceil: bool) -> Size:
    """How many windows: `room` is what one window leaves over; with `ceil` none starts at or beyond `edge`."""
    if not ceil:
        return room // step + 1
    count = ceil_div(room, step) + 1
    return count - 1 if isinstance(count, int) and (count - 1) * step >= edge else count


def global_avg_pool(name: str, shape: Shape, *, keep: bool = False) -> LayerCost:
    """The mean over all positions reads each element once: `(c, *s) -> (c,)`, or `(c, 1, ...)` with `keep`."""
    channels, *spatial = spatial_shape(shape)
    return LayerCost(
        name=name,
        type="global_avg_pool",
        output_shape=(channels, *(1,) * len(spatial)) if keep else (channels,),
        elementwise=mean_flops(math.prod(shape)),
    )


def dropout(name: str, shape: Shape) -> LayerCost:
    """Nothing in eval mode."""
    return LayerCost(name=name, type="dropout", output_shape=shape)


def flatten(name: str, shape: Shape) -> LayerCost:
    """Moves no data: `(c, *s) -> (c N,)`."""
    return LayerCost(name=name, type="flatten", output_shape=(math.prod(shape),))


def upsample(name: str, shape: Shape, *, size: Shape, mode: str) -> LayerCost:
    """`(c, *s) -> (c, *size)`: nearest copies; linear is a weighted sum of 2^d neighbours for each output.

    Raises:
        UsageError: `size` has another number of axes.
    """
    channels, *spatial = spatial_shape(shape)
    if len(size) != len(spatial):
        raise UsageError(f"{len(size)} sizes for {len(spatial)} spatial axes", where="size", hint="one for each axis")
    output_shape = (channels, *size)
    linear_flops = interpolation_flops(math.prod(output_shape), len(size))
    return LayerCost(
        name=name,
        type="upsample",
        output_shape=output_shape,
        elementwise=linear_flops if mode == "linear" else 0,
    )


def summed(name: str, shape: Shape, *, terms: int = 2) -> LayerCost:
    """The sum of `terms` maps of one shape: one addition fewer than terms for each element."""
    return LayerCost(name=name, type="add", output_shape=shape, elementwise=(terms - 1) * math.prod(shape))


def operator(name: str, shape: Shape, cost: Cost, *, kind: str) -> LayerCost:
    """An attention operator, whose `cost` is its own closed form: shape in, the same shape out."""
    return LayerCost(
        name=name,
        type=kind,
        output_shape=shape,
        **asdict(cost),
    )

"""The plain layers that networks are made of: `(b, c, *spatial) -> (b, d, *spatial')`, for 1, 2 and 3 spatial axes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONVOLUTIONS: dict[int, type[nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS: dict[int, type[nn.Module]] = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOLS: dict[int, type[nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVG_POOLS: dict[int, type[nn.Module]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "hswish": nn.Hardswish,
    "hsigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "mish": nn.Mish,
}
IN_PLACE = ("relu", "relu6")  # their gradients follow from what they answer
LINEAR_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


class ConvNorm(nn.Module):
    """A convolution, then batch norm and an activation, where they are not `none`.

    The activation overwrites the tensor before it where its gradient allows that: nobody else sees that tensor.

    Args:
        axes: spatial axes, 1 to 3.
        channels: c of the input `(b, c, *spatial)`.
        out: channels of the output.
        kernel: window, one number for each axis; likewise `stride`, `padding`, `dilation`.
        groups: divide both channels; c for a depthwise convolution.
        bias: whether a bias is added.
        norm: `batch_norm` or `none`.
        activation: a key of `ACTIVATIONS`, or `none`.
    """

    def __init__(
        self,
        axes: int,
        channels: int,
        out: int,
        *,
        kernel: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | None = None,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = False,
        norm: str = "batch_norm",
        activation: str = "relu6",
    ) -> None:
        super().__init__()
        windows, gaps = for_each_axis(kernel, axes), for_each_axis(dilation, axes)
        same = tuple(gap * (window - 1) // 2 for window, gap in zip(windows, gaps, strict=True))
        self.conv = CONVOLUTIONS[axes](
            channels,
            out,
            windows,  # type: ignore[arg-type]  # torch types one tuple length for each number of axes
            stride=for_each_axis(stride, axes),  # type: ignore[arg-type]
            padding=same if padding is None else for_each_axis(padding, axes),  # type: ignore[arg-type]
            dilation=gaps,  # type: ignore[arg-type]
            groups=groups,
            bias=bias,
        )
        if norm != "none":
            self.norm = NORMS[axes](out)
        if activation != "none":
            self.activation = ACTIVATIONS[activation](**({"inplace": True} if activation in IN_PLACE else {}))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x


def for_each_axis(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    return (value,) * axes if isinstance(value, int) else tuple(value)


class GlobalAvgPool(nn.Module):
    """The mean over all positions: `(b c *spatial) -> (b c)`, or `(b c 1 ...)` with `keep`."""

    def __init__(self, *, keep: bool = False) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=tuple(range(2, x.ndim)), keepdim=self.keep)


class LayerNorm(nn.LayerNorm):
    """Normalises the channels of each position: `(b c *spatial) -> (b c *spatial)`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class PositionEmbedding(nn.Module):
    """Adds a weight to each element of `(b c *spatial)`.

    Args:
        shape: of a sample, `(c, *spatial)`.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.trunc_normal_(torch.empty(tuple(shape)), std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class ClassToken(nn.Module):
    """A position of weights before all others, which stand in one row: `(b c *spatial) -> (b c N+1)`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.trunc_normal_(torch.empty(channels, 1), std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.weight.expand(x.shape[0], -1, -1), x.flatten(2)), dim=2)


class FirstPosition(nn.Module):
    """The first position alone: `(b c *spatial) -> (b c)`."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2)[:, :, 0]


class SpaceToDepth(nn.Module):
    """The positions of each block side by side as channels: `(b c *spatial) -> (b c block^d *spatial/block)`.

    Args:
        block: its length along each axis.
    """

    def __init__(self, *, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        for axis in range(2, x.ndim):
            x = x.unflatten(axis, (-1, self.block)).movedim(axis + 1, 1).flatten(1, 2)
        return x


class Sum(nn.Module):
    """The sum of maps of one shape: a residual, or joined branches."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = first + other
        return first


def resize(x: Tensor, size: Sequence[int], mode: str) -> Tensor:
    """`(b c *spatial) -> (b c *size)`; `mode` is `nearest` or `linear`."""
    if mode == "nearest":
        return F.interpolate(x, size=list(size), mode="nearest")
    return F.interpolate(x, size=list(size), mode=LINEAR_MODES[x.ndim - 2], align_corners=False)


def side_by_side(*maps: Tensor) -> Tensor:
    """`[(b c_i *spatial)] -> (b sum(c_i) *spatial)`."""
    return torch.cat(maps, dim=1)

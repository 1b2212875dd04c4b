"""The paper's modules: BaseModule, BaseSkipModule, AttnModule, AttnSkipModule.

Source: arXiv:2007.08442. All convolutions have no bias and are followed by batch norm, then ReLU6; the last 1x1 has
batch norm only. Expansion r, input channels c, output channels d, stride s.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from kaoprof.models.layers import AVG_POOLS, ConvNorm, Sum, for_each_axis, side_by_side


class BaseModule(nn.Module):
    """MobileNetV2's inverted residual: 1x1 conv c -> r c (none if r = 1); 3x3 depthwise; 1x1 conv r c -> d.

    Residual sum with the input if s = 1 and c = d.

    Args:
        axes: spatial axes, 1 to 3.
        channels: c of the input `(b, c, *spatial)`.
        out: d.
        expand: r.
        stride: s, of the depthwise convolution.
    """

    kept = 0  # times c: the input's channels, where they stand beside those that the first convolution makes

    def __init__(self, axes: int, channels: int, out: int, *, expand: int, stride: int | Sequence[int] = 1) -> None:
        super().__init__()
        wide = expand * channels
        if expand != 1:
            self.expand = ConvNorm(axes, channels, wide - self.kept * channels, kernel=1)
        self.depthwise = ConvNorm(axes, wide, wide, kernel=3, stride=stride, groups=wide)
        self.project = ConvNorm(axes, wide, out, kernel=1, activation="none")
        if keeps_shape(channels, out, stride):
            self.residual = Sum()

    def forward(self, x: Tensor) -> Tensor:
        return _joined(self, x, self.project(self.depthwise(self.widened(x))))

    def widened(self, x: Tensor) -> Tensor:
        return self.expand(x) if "expand" in self._modules else x


class BaseSkipModule(BaseModule):
    """1x1 conv c -> (r-1) c beside the input (none if r = 1); 3x3 depthwise on r c; 1x1 conv r c -> d.

    Residual sum with the input if s = 1 and c = d. Arguments as for `BaseModule`.
    """

    kept = 1

    def widened(self, x: Tensor) -> Tensor:
        return side_by_side(x, self.expand(x)) if "expand" in self._modules else x


class AttnModule(nn.Module):
    """Two parallel paths side by side, then a 1x1 conv r c -> d.

    Path 1: 1x1 conv c -> (r-1) c, then 3x3 depthwise, stride s. Path 2: an attention operator c -> c, followed by s x s
    average pooling if s > 1; at the edge it averages what is left, so that both paths end with ceil(size / s).

    Args:
        axes: spatial axes, 1 to 3.
        channels: c of the input `(b, c, *spatial)`.
        out: d.
        expand: r, at least 2.
        stride: s.
        attention: the operator, `(b, c, *spatial) -> (b, c, *spatial)`.
    """

    may_add_input = False

    def __init__(
        self,
        axes: int,
        channels: int,
        out: int,
        *,
        expand: int,
        attention: nn.Module,
        stride: int | Sequence[int] = 1,
    ) -> None:
        super().__init__()
        beside = (expand - 1) * channels
        steps = for_each_axis(stride, axes)
        self.expand = ConvNorm(axes, channels, beside, kernel=1)
        self.depthwise = ConvNorm(axes, beside, beside, kernel=3, stride=steps, groups=beside)
        self.attention = attention
        if any(step > 1 for step in steps):
            self.pool = AVG_POOLS[axes](steps, ceil_mode=True)
        self.project = ConvNorm(axes, expand * channels, out, kernel=1, activation="none")
        if self.may_add_input and keeps_shape(channels, out, stride):
            self.residual = Sum()

    def forward(self, x: Tensor) -> Tensor:
        convolved = self.depthwise(self.expand(x))
        attended = self.attention(x)
        if "pool" in self._modules:
            attended = self.pool(attended)
        return _joined(self, x, self.project(side_by_side(convolved, attended)))


class AttnSkipModule(AttnModule):
    """AttnModule with the residual sum if s = 1 and c = d. Arguments as for `AttnModule`."""

    may_add_input = True


def keeps_shape(channels: int, out: int, stride: int | Sequence[int]) -> bool:
    """Whether a module's output has its input's shape."""
    return channels == out and all(step == 1 for step in for_each_axis(stride, 1))


def _joined(module: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The residual sum, where the module has one."""
    residual = dict(module.named_children()).get("residual")
    return y if residual is None else residual(x, y)

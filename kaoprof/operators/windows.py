"""Attention within windows, shifted or not, and within grids of tokens that lie apart."""

import itertools
import math
from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from kaoprof.dims import PUBLISHED, AttentionKeywords, AttentionOptions, ceil_div
from kaoprof.errors import UsageError
from kaoprof.operators.dot_product import PROJECTED, FusedLines, MatmulAttention


class RelativeBias(nn.Module):
    """A number for each head and each relative position of two tokens of a window, as `(heads n n)`."""

    index: Tensor

    def __init__(self, heads: int, window: int, axes: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros((2 * window - 1) ** axes, heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        places = torch.cartesian_prod(*[torch.arange(window)] * axes).view(-1, axes)  # (n d)
        index = torch.zeros(len(places), len(places), dtype=torch.long)
        for axis in range(axes):
            apart = places[:, None, axis] - places[None, :, axis] + window - 1
            index = index * (2 * window - 1) + apart
        self.register_buffer("index", index, persistent=False)

    def forward(self) -> Tensor:
        tokens = self.index.shape[0]
        chosen = self.table.index_select(0, self.index.flatten())
        return chosen.view(tokens, tokens, -1).permute(2, 0, 1).contiguous()  # (heads n n): fused kernels copy it else


class _GroupAttention(nn.Module):
    """Attention within groups of `window` tokens along each axis; what a group is, its children say."""

    apart: Tensor  # of shifted windows, see `wrapped_apart`

    def __init__(self, channels: int, axes: int, window: int, options: AttentionOptions) -> None:
        super().__init__()
        self.axes, self.window, self.shift = axes, window, 0
        chosen = options.as_in("qkvo", "sqrt")
        self.fused = chosen.implementation == "sdpa"
        published = options.projection == PUBLISHED
        biased = PROJECTED["qkvo"] if published else ()
        self.attention = (FusedLines if self.fused else MatmulAttention)(channels, chosen, biased=biased)
        if published:
            self.bias = RelativeBias(chosen.heads, window, axes)

    def split(self, sizes: Sequence[int]) -> list[int]:
        """The axes of a map, each split in two: `[s_1, ..., s_d] -> [a_1, b_1, ..., a_d, b_d]`."""
        raise NotImplementedError

    def tokens_of(self) -> list[int]:
        """Which of the split axes, counted from 0, are those of a group's tokens."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        sizes = x.shape[2:]
        padded = [ceil_div(size, self.window) * self.window for size in sizes]
        whole = self._filled(x, padded)
        if self.shift:
            whole = whole.roll((-self.shift,) * self.axes, self._spatial)
        split = whole.view(*whole.shape[:2], *self.split(padded))  # (b c a_1 b_1 ... a_d b_d)
        order = self._order(channels_last=self.fused)
        groups = split.permute(order)  # (b groups c tokens), or channels last
        attended = self._attended(groups, self._masks(padded)).view(groups.shape)
        whole = attended.permute([order.index(axis) for axis in range(len(order))]).reshape(whole.shape)
        if self.shift:
            whole = whole.roll((self.shift,) * self.axes, self._spatial)
        return begun(whole, sizes).contiguous()

    @property
    def _spatial(self) -> tuple[int, ...]:
        return tuple(range(2, 2 + self.axes))

    def _filled(self, x: Tensor, padded: Sequence[int]) -> Tensor:
        """The map with zeros after its ends, where it is no multiple of the window. A symbolic size is not asked."""
        sizes = x.shape[2:]
        if all(isinstance(size, int) and size == full for size, full in zip(sizes, padded, strict=True)):
            return x.contiguous()
        whole = x.new_zeros(*x.shape[:2], *padded)  # not `F.pad`, which takes no symbolic sizes
        begun(whole, sizes).copy_(x)
        return whole

    def _order(self, *, channels_last: bool) -> list[int]:
        tokens = [2 + axis for axis in self.tokens_of()]
        groups = [axis for axis in range(2, 2 + 2 * self.axes) if axis not in tokens]
        return [0, *groups, *tokens, 1] if channels_last else [0, *groups, 1, *tokens]

    def _attended(self, groups: Tensor, masks: Sequence[Tensor]) -> Tensor:
        tokens = self.window**self.axes
        if self.fused:
            lines = groups.reshape(-1, tokens, 1, groups.shape[-1])  # (b*groups n 1 c)
        else:
            lines = groups.reshape(-1, groups.shape[1 + self.axes], tokens)  # (b*groups c n)
        attended: Tensor = self.attention(lines, lines, masks)
        return attended

    def _masks(self, padded: Sequence[int]) -> list[Tensor]:
        """What is added to the similarities, each `(1 or groups of a sample, 1 or heads, n, n)`."""
        bias = [self.bias().unsqueeze(0)] if "bias" in self._modules else []
        if not self.shift:
            return bias
        windows = [size // self.window for size in padded]
        kinds = torch.zeros(windows, dtype=torch.long, device=self.apart.device)
        for kind, last in enumerate(itertools.product((False, True), repeat=self.axes)):
            region = kinds  # windows that are last along more axes come later
            for axis in itertools.compress(range(self.axes), last):
                region = region.narrow(axis, windows[axis] - 1, 1)
            region.fill_(kind)
        return [*bias, self.apart.index_select(0, kinds.flatten()).unsqueeze(1)]


def begun(whole: Tensor, sizes: Sequence[int]) -> Tensor:
    """The beginning of each spatial axis."""
    for axis, size in enumerate(sizes, start=2):
        whole = whole.narrow(axis, 0, size)
    return whole


def wrapped_apart(window: int, shift: int, axes: int) -> Tensor:
    """-inf between tokens that only wrapping around brought into one window: `(2^d n n)`.

    Of a window for each set of axes along which it is the last: there the last `shift` positions come from the start.
    """
    places = torch.cartesian_prod(*[torch.arange(window)] * axes).view(-1, axes)  # (n d)
    wraps = places >= window - shift
    different = wraps[:, None] != wraps[None, :]  # (n n d)
    last = torch.tensor(list(itertools.product((False, True), repeat=axes)))  # (2^d d)
    apart = (different & last[:, None, None]).any(-1)
    return torch.zeros(apart.shape).masked_fill_(apart, -math.inf)


class WindowAttention(_GroupAttention):
    """Every position attends to the positions of its window, M along each axis.

    Sizes that are no multiple of M are padded with zeros, which take part, as in Swin. Shifted windows wrap around the
    edges, and a mask keeps apart what does not lie together.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        axes: spatial axes.
        window: M.
        shift: positions by which windows are shifted, below M; Swin's every other block has M // 2.
        options: heads, projection, scale, implementation. As published: all four, with biases, and a bias for each
            head and relative position.

    Source: Liu et al., Swin Transformer, arXiv:2103.14030.

    Raises:
        UsageError: the heads do not divide the channels, or the shift is not below the window.
    """

    def __init__(
        self, channels: int, *, axes: int = 2, window: int = 7, shift: int = 0, **options: Unpack[AttentionKeywords]
    ) -> None:
        super().__init__(channels, axes, window, AttentionOptions(**options))
        if shift >= window:
            raise UsageError(f"must be below the window of {window}, not {shift}", where="shift")
        self.shift = shift
        if shift:
            self.register_buffer("apart", wrapped_apart(window, shift, axes), persistent=False)

    def split(self, sizes: Sequence[int]) -> list[int]:
        return [part for size in sizes for part in (size // self.window, self.window)]

    def tokens_of(self) -> list[int]:
        return [2 * axis + 1 for axis in range(self.axes)]


class GridAttention(_GroupAttention):
    """Every position attends to positions at equal distances all over the map, M along each axis.

    Sizes that are no multiple of M are padded with zeros, which take part.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        axes: spatial axes.
        window: M.
        options: heads, projection, scale, implementation; as published those of `WindowAttention`.

    Source: Tu et al., MaxViT, arXiv:2204.01697.

    Raises:
        UsageError: the heads do not divide the channels.
    """

    def __init__(self, channels: int, *, axes: int = 2, window: int = 7, **options: Unpack[AttentionKeywords]) -> None:
        super().__init__(channels, axes, window, AttentionOptions(**options))

    def split(self, sizes: Sequence[int]) -> list[int]:
        return [part for size in sizes for part in (self.window, size // self.window)]

    def tokens_of(self) -> list[int]:
        return [2 * axis for axis in range(self.axes)]

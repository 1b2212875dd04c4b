"""Attention within windows, shifted or not, and within grids of tokens that lie apart."""

import itertools
import math
from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from kaoprof.dims import PUBLISHED, AttentionKeywords, AttentionOptions, PerAxis, ceil_div, per_axis, shifts_of
from kaoprof.operators.dot_product import PROJECTED, FusedLines, MatmulAttention


class RelativeBias(nn.Module):
    """A number for each head and each relative position of two tokens of a window, as `(heads n n)`."""

    index: Tensor

    def __init__(self, heads: int, windows: Sequence[int]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(math.prod(2 * length - 1 for length in windows), heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        places = places_in(windows)  # (n d)
        index = torch.zeros(len(places), len(places), dtype=torch.long)
        for axis, length in enumerate(windows):
            apart = places[:, None, axis] - places[None, :, axis] + length - 1
            index = index * (2 * length - 1) + apart
        self.register_buffer("index", index, persistent=False)

    def forward(self) -> Tensor:
        tokens = self.index.shape[0]
        chosen = self.table.index_select(0, self.index.flatten())
        return chosen.view(tokens, tokens, -1).permute(2, 0, 1).contiguous()  # (heads n n): fused kernels copy it else


class _GroupAttention(nn.Module):
    """Attention within groups of as many tokens along each axis as `windows` says; what a group is, children say."""

    apart: Tensor  # of shifted windows, see `wrapped_apart`

    def __init__(self, channels: int, axes: int, window: PerAxis, options: AttentionOptions) -> None:
        super().__init__()
        self.axes, self.windows, self.shifts = axes, per_axis(window, axes, "window"), (0,) * axes
        chosen = options.as_in("qkvo", "sqrt")
        self.fused = chosen.implementation == "sdpa"
        published = options.projection == PUBLISHED
        biased = PROJECTED["qkvo"] if published else ()
        self.attention = (FusedLines if self.fused else MatmulAttention)(channels, chosen, biased=biased)
        if published:
            self.bias = RelativeBias(chosen.heads, self.windows)

    def split(self, sizes: Sequence[int]) -> list[int]:
        """The axes of a map, each split in two: `[s_1, ..., s_d] -> [a_1, b_1, ..., a_d, b_d]`."""
        raise NotImplementedError

    def tokens_of(self) -> list[int]:
        """Which of the split axes, counted from 0, are those of a group's tokens."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        sizes = x.shape[2:]
        padded = [ceil_div(size, length) * length for size, length in zip(sizes, self.windows, strict=True)]
        whole = self._filled(x, padded)
        if any(self.shifts):
            whole = whole.roll([-shift for shift in self.shifts], self._spatial)
        split = whole.view(*whole.shape[:2], *self.split(padded))  # (b c a_1 b_1 ... a_d b_d)
        order = self._order(channels_last=self.fused)
        groups = split.permute(order)  # (b groups c tokens), or channels last
        attended = self._attended(groups, self._masks(padded)).view(groups.shape)
        whole = attended.permute([order.index(axis) for axis in range(len(order))]).reshape(whole.shape)
        if any(self.shifts):
            whole = whole.roll(self.shifts, self._spatial)
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
        tokens = math.prod(self.windows)
        if self.fused:
            lines = groups.reshape(-1, tokens, 1, groups.shape[-1])  # (b*groups n 1 c)
        else:
            lines = groups.reshape(-1, groups.shape[1 + self.axes], tokens)  # (b*groups c n)
        attended: Tensor = self.attention(lines, lines, masks)
        return attended

    def _masks(self, padded: Sequence[int]) -> list[Tensor]:
        """What is added to the similarities, each `(1 or groups of a sample, 1 or heads, n, n)`."""
        bias = [self.bias().unsqueeze(0)] if "bias" in self._modules else []
        if not any(self.shifts):
            return bias
        counts = [size // length for size, length in zip(padded, self.windows, strict=True)]  # of windows
        kinds = torch.zeros(counts, dtype=torch.long, device=self.apart.device)
        for kind, last in enumerate(itertools.product((False, True), repeat=self.axes)):
            region = kinds  # windows that are last along more axes come later
            for axis in itertools.compress(range(self.axes), last):
                region = region.narrow(axis, counts[axis] - 1, 1)
            region.fill_(kind)
        return [*bias, self.apart.index_select(0, kinds.flatten()).unsqueeze(1)]


def begun(whole: Tensor, sizes: Sequence[int]) -> Tensor:
    """The beginning of each spatial axis."""
    for axis, size in enumerate(sizes, start=2):
        whole = whole.narrow(axis, 0, size)
    return whole


def places_in(windows: Sequence[int]) -> Tensor:
    """Where each token of a window lies in it: `(n d)`."""
    return torch.cartesian_prod(*map(torch.arange, windows)).view(-1, len(windows))


def wrapped_apart(windows: Sequence[int], shifts: Sequence[int]) -> Tensor:
    """-inf between tokens that only wrapping around brought into one window: `(2^d n n)`.

    Of a window for each set of axes along which it is the last: there the last `shift` positions come from the start.
    """
    axes = len(windows)
    wraps = places_in(windows) >= torch.tensor(windows) - torch.tensor(shifts)  # (n d)
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
        window: M, for each axis or one for all.
        shift: positions by which windows are shifted, below M, likewise; Swin's every other block has M // 2.
        options: heads, projection, scale, implementation. As published: all four, with biases, and a bias for each
            head and relative position.

    Source: Liu et al., Swin Transformer, arXiv:2103.14030.

    Raises:
        UsageError: the heads do not divide the channels, the shift is not below the window, or there are not as many
            numbers as axes.
    """

    def __init__(
        self,
        channels: int,
        *,
        axes: int = 2,
        window: PerAxis = 7,
        shift: PerAxis = 0,
        **options: Unpack[AttentionKeywords],
    ) -> None:
        super().__init__(channels, axes, window, AttentionOptions(**options))
        self.shifts = shifts_of(window, shift, axes)
        if any(self.shifts):
            self.register_buffer("apart", wrapped_apart(self.windows, self.shifts), persistent=False)

    def split(self, sizes: Sequence[int]) -> list[int]:
        return [part for size, length in zip(sizes, self.windows, strict=True) for part in (size // length, length)]

    def tokens_of(self) -> list[int]:
        return [2 * axis + 1 for axis in range(self.axes)]


class GridAttention(_GroupAttention):
    """Every position attends to positions at equal distances all over the map, M along each axis.

    Sizes that are no multiple of M are padded with zeros, which take part.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        axes: spatial axes.
        window: M, for each axis or one for all.
        options: heads, projection, scale, implementation; as published those of `WindowAttention`.

    Source: Tu et al., MaxViT, arXiv:2204.01697.

    Raises:
        UsageError: the heads do not divide the channels.
    """

    def __init__(
        self, channels: int, *, axes: int = 2, window: PerAxis = 7, **options: Unpack[AttentionKeywords]
    ) -> None:
        super().__init__(channels, axes, window, AttentionOptions(**options))

    def split(self, sizes: Sequence[int]) -> list[int]:
        return [part for size, length in zip(sizes, self.windows, strict=True) for part in (length, size // length)]

    def tokens_of(self) -> list[int]:
        return [2 * axis for axis in range(self.axes)]

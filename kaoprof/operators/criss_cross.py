"""Criss-cross attention: every position attends to its row and its column, with one softmax over both."""

import math
from typing import Unpack

import torch
from torch import Tensor, nn

from kaoprof.dims import PUBLISHED, AttentionKeywords, AttentionOptions
from kaoprof.operators.dot_product import MatmulAttention, added, transformed

KEY_SHARE = 8  # as published, queries and keys have c / 8 channels


class CrissCrossAttention(nn.Module):
    """Every position attends to the positions of its lines along all axes, itself once; applied R times.

    Args:
        channels: c of the input `(b, c, h, w)` or `(b, c, t, h, w)`; the output has the same shape.
        loops: R; all share their weights. Twice is RCCA, by which every position reaches every other one.
        options: heads, projection, scale. As published: one head, queries and keys of c / 8 channels, values of c, all
            with biases, no scale, and a residual sum in which what was attended has one weight, at first 0.

    Source: Huang et al., CCNet, arXiv:1811.11721.

    Raises:
        UsageError: the heads do not divide the channels.
    """

    def __init__(self, channels: int, *, loops: int = 1, **options: Unpack[AttentionKeywords]) -> None:
        super().__init__()
        chosen = AttentionOptions(**options)
        self.loops = loops
        self.published = chosen.projection == PUBLISHED
        self.attention = _Lines(channels, chosen)
        if self.published:
            self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.loops):
            attended = self.attention(x)
            x = x + self.gamma * attended if self.published else attended
        return x


class _Lines(MatmulAttention):
    """One loop. It is written out; fused kernels take a softmax over one line, not over several."""

    def __init__(self, channels: int, options: AttentionOptions) -> None:
        published = options.projection == PUBLISHED
        if published:
            options = AttentionOptions(projection="none", scale="none")
        super().__init__(channels, options)
        if published:
            keys = channels // KEY_SHARE
            self.query, self.key = nn.Linear(channels, keys), nn.Linear(channels, keys)
            self.value = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # of a map: queries, keys and values in one
        spatial = x.shape[2:]
        tokens = x.flatten(2)  # (b c n)
        q, k, v = (self.project(name, tokens) for name in ("query", "key", "value"))
        if self.scales:
            k = k * self.scale
        coefficients = self._coefficients(*(self._map(part, spatial) for part in (q, k)))
        attended = self._weighted(coefficients, self._map(v, spatial))
        return self.project("output", attended.flatten(2)).view(x.shape)

    def _map(self, tokens: Tensor, spatial: torch.Size) -> Tensor:
        """`(b c n) -> (b*heads d s_1 ... s_d)`."""
        return self.split_heads(tokens).view(tokens.shape[0] * self.heads, -1, *spatial)

    def _coefficients(self, q: Tensor, k: Tensor) -> list[Tensor]:
        """Softmax over all lines of a position; of each axis `(b*heads s_1 ... s_d s_k)`."""
        axes = range(2, q.ndim)
        similarities = [_similarities(q, k, axis, itself=axis == q.ndim - 1) for axis in axes]
        sizes = [part.shape[-1] for part in similarities]
        joined = torch.cat(similarities, dim=-1)  # (b*heads s_1 ... s_d s)
        del similarities
        if transformed(joined):
            return list(joined.softmax(dim=-1).split(sizes, dim=-1))
        return list(torch.softmax(joined, dim=-1, out=joined).split(sizes, dim=-1))

    def _weighted(self, coefficients: list[Tensor], v: Tensor) -> Tensor:
        """The values of all lines: `(b c s_1 ... s_d)`."""
        sums = []
        for axis, part in enumerate(coefficients, start=2):
            lines = v.movedim((1, axis), (-2, -1))  # (b*heads others d s_k)
            of_lines = part.movedim(axis - 1, -2).reshape(-1, lines.shape[-1], lines.shape[-1])  # (lines s_k s_k)
            attended = torch.bmm(lines.reshape(-1, *lines.shape[-2:]), of_lines.mT)  # (lines d s_k)
            sums.append(attended.view(lines.shape).movedim((-2, -1), (1, axis)))
        first, *others = sums
        total = added(first, others)
        return total.reshape(total.shape[0] // self.heads, -1, *total.shape[2:])


def _similarities(q: Tensor, k: Tensor, axis: int, *, itself: bool) -> Tensor:
    """Of every position with those of its line along one axis, `(b s_1 ... s_d s_k)`; with itself in one axis only."""
    queries, keys = (part.movedim((1, axis), (-2, -1)) for part in (q, k))  # (b others d s_k)
    *others, _, size = queries.shape
    similarities = torch.bmm(
        queries.reshape(-1, *queries.shape[-2:]).mT, keys.reshape(-1, *keys.shape[-2:])
    )  # (lines s_k s_k)
    if not itself:
        similarities.diagonal(dim1=-2, dim2=-1).fill_(-math.inf)
    return similarities.view(*others, size, size).movedim(-2, axis - 1)

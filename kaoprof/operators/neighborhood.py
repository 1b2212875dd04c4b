"""Neighbourhood attention: every position attends to the positions around it. Gathered, in torch's own operations."""

import math
from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor

from kaoprof.dims import PUBLISHED, AttentionKeywords, AttentionOptions, PerAxis, kernels_of
from kaoprof.operators.dot_product import PROJECTED, FusedAttention, transformed


class NeighborhoodAttention(FusedAttention):
    """Every position attends to k positions along each axis; at an edge its neighbourhood is moved inwards.

    Keys and values of all neighbourhoods are gathered first, k^d times the input each, which NATTEN's own kernels never
    hold. Along an axis that is shorter than k the neighbourhood is the whole axis.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        axes: spatial axes.
        kernel: k, an odd number, for each axis or one for all.
        options: heads, projection, scale. As published: all four, with biases.

    Source: Hassani et al., arXiv:2204.07143, and its library NATTEN.

    Raises:
        UsageError: the kernel is even, the heads do not divide the channels, or there are not as many numbers as axes.
    """

    def __init__(
        self, channels: int, *, axes: int = 2, kernel: PerAxis = 7, **options: Unpack[AttentionKeywords]
    ) -> None:
        kernels = kernels_of(kernel, axes)
        chosen = AttentionOptions(**options)
        biased = PROJECTED["qkvo"] if chosen.projection == PUBLISHED else ()
        super().__init__(channels, chosen.as_in("qkvo", "sqrt"), biased=biased)
        self.kernels = kernels

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # of a map: queries, keys and values in one
        tokens = x.flatten(2).mT.contiguous()  # (b c *spatial) -> (b n c)
        q, k, v = (self._of_heads(self.project(name, tokens)) for name in ("query", "key", "value"))
        if self.scales:
            q = q * self.scale
        around = neighbors(x.shape[2:], self.kernels, x.device)  # (n k)
        attended = self._attended(q, *(gathered(part, around) for part in (k, v)))
        merged = attended.view(x.shape[0], self.heads, -1, x.shape[1] // self.heads).transpose(1, 2).flatten(2)
        return self.project("output", merged).mT.reshape(x.shape)

    def _of_heads(self, tokens: Tensor) -> Tensor:
        """`(b n c) -> (b*heads n d)`."""
        return self.split_heads(tokens).flatten(0, 1)

    def _attended(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """`(b*heads n d) , (b*heads*n k d) , (b*heads*n k d) -> (b*heads*n 1 d)`."""
        similarities = torch.bmm(q.reshape(-1, 1, q.shape[-1]), keys.mT)  # (b*heads*n 1 k)
        if transformed(similarities):
            return torch.bmm(similarities.softmax(dim=-1), values)
        return torch.bmm(torch.softmax(similarities, dim=-1, out=similarities), values)


def gathered(tokens: Tensor, around: Tensor) -> Tensor:
    """The tokens around each: `(b n d) , (n k) -> (b*n k d)`."""
    return tokens.index_select(1, around.flatten()).view(-1, around.shape[1], tokens.shape[-1])


def neighbors(sizes: Sequence[int], kernels: Sequence[int], device: torch.device) -> Tensor:
    """The numbers of the positions around each position: `(n k)`, k along all axes together. Moves numbers, no more."""
    numbers = torch.arange(math.prod(sizes), device=device).view(*sizes)
    for axis, (size, kernel) in enumerate(zip(sizes, kernels, strict=True)):
        length = min(kernel, size)
        windows = numbers.unfold(axis, length, 1)  # of each position that has all its neighbours: they begin there
        before, after = windows.narrow(axis, 0, 1), windows.narrow(axis, size - length, 1)
        numbers = torch.cat([before] * (length // 2) + [windows] + [after] * ((length - 1) - length // 2), dim=axis)
    return numbers.flatten(0, len(sizes) - 1).flatten(1)

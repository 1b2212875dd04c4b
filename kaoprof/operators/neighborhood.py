"""Neighbourhood attention: every position attends to the positions around it. Gathered, in torch's own operations."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Unpack, cast

import torch
from torch import Tensor

from kaoprof.dims import FLEXIBLE, PUBLISHED, AttentionKeywords, AttentionOptions, PerAxis, kernels_of
from kaoprof.errors import UsageError
from kaoprof.operators.dot_product import PROJECTED, FusedAttention, transformed


class NeighborhoodAttention(FusedAttention):
    """Every position attends to k positions along each axis; at an edge its neighbourhood is moved inwards.

    Keys and values of all neighbourhoods are gathered first, k^d times the input each, which NATTEN's own kernels never
    hold. Along an axis that is shorter than k the neighbourhood is the whole axis. Through FlexAttention
    nothing is gathered; on a CPU that has no backward pass.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        axes: spatial axes.
        kernel: k, an odd number, for each axis or one for all.
        spatial: sizes of the input, which the mask of FlexAttention has.
        options: heads, projection, scale; `flex` as implementation. As published: all four, with biases.

    Source: Hassani et al., arXiv:2204.07143, and its library NATTEN.

    Raises:
        UsageError: the kernel is even, the heads do not divide the channels, or there are not as many numbers as axes.
    """

    mask: Any = None  # of FlexAttention

    def __init__(
        self,
        channels: int,
        *,
        axes: int = 2,
        kernel: PerAxis = 7,
        spatial: Sequence[int] | None = None,
        **options: Unpack[AttentionKeywords],
    ) -> None:
        kernels = kernels_of(kernel, axes)
        chosen = AttentionOptions(**options)
        biased = PROJECTED["qkvo"] if chosen.projection == PUBLISHED else ()
        super().__init__(channels, chosen.as_in("qkvo", "sqrt"), biased=biased)
        self.kernels = kernels
        if chosen.implementation == FLEXIBLE:
            if spatial is None:
                raise UsageError("the mask of FlexAttention has the size of the input", where="spatial", hint="give it")
            self.mask = block_mask(tuple(spatial), kernels)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # of a map: queries, keys and values in one
        tokens = x.flatten(2).mT.contiguous()  # (b c *spatial) -> (b n c)
        if self.mask is not None:
            q, k, v = (self.split_heads(self.project(name, tokens)) for name in ("query", "key", "value"))
            attended = flexible(q, k, v, self.mask.to(x.device), self.scale)  # (b heads n d)
            return self.project("output", attended.transpose(1, 2).flatten(2)).mT.reshape(x.shape)
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


def block_mask(spatial: tuple[int, ...], kernels: Sequence[int]) -> Any:
    """Which blocks of queries and keys FlexAttention has to look at, and which pairs in them."""
    from torch.nn.attention.flex_attention import create_block_mask

    positions = math.prod(spatial)

    def near(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        inside, step = query >= 0, 1
        for size, kernel in zip(reversed(spatial), reversed(tuple(kernels)), strict=True):
            length = min(size, kernel)
            start = (query // step % size - length // 2).clamp(0, size - length)
            place = key // step % size
            inside = inside & (place >= start) & (place < start + length)
            step *= size
        return inside

    return create_block_mask(near, None, None, positions, positions, device="cpu")


def flexible(q: Tensor, k: Tensor, v: Tensor, mask: Any, scale: float) -> Tensor:
    """FlexAttention of `(b heads n d)`: compiled, or recorded as the one operation that it is."""
    from torch.nn.attention.flex_attention import flex_attention

    if type(q) is Tensor and not q.is_meta and not torch.compiler.is_compiling():
        attended = compiled_attention()(q, k, v, block_mask=mask, scale=scale)
    else:
        attended = flex_attention(q, k, v, block_mask=mask, scale=scale)
    return cast("Tensor", attended)


@cache
def compiled_attention() -> Callable[..., Any]:
    """torch's `flex_attention`, which is compiled at its first call with tensors of each shape."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)


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

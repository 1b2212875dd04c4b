"""Spatial-reduction attention: every position asks, fewer answer."""

from typing import Unpack

from torch import Tensor, nn
from torch.nn import functional as F

from kaoprof.dims import PUBLISHED, AttentionKeywords, AttentionOptions
from kaoprof.models.layers import AVG_POOLS, CONVOLUTIONS
from kaoprof.operators.dot_product import IMPLEMENTATIONS, PROJECTED

ADAPTIVE_POOLS: dict[int, type[nn.Module]] = {
    1: nn.AdaptiveAvgPool1d,
    2: nn.AdaptiveAvgPool2d,
    3: nn.AdaptiveAvgPool3d,
}


class SpatialReductionAttention(nn.Module):
    """Positions attend to what the input is reduced to.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        axes: how many spatial axes there are.
        reduction: positions for each key, along each axis; what is left over at the end is left out.
        pooled: if not 0, so many keys along each axis instead, whatever the size.
        biases: as published, 1 where queries, keys and values have a bias, too, as in PVT's networks.
        options: heads, projection, scale, implementation. Keys and values are projected on what is left.

    Source: Wang et al., PVT, arXiv:2102.12122, section 3.3; `pooled`: PVT v2, arXiv:2106.13797, section 3.1.
    """

    def __init__(
        self,
        channels: int,
        *,
        axes: int = 2,
        reduction: int = 8,
        pooled: int = 0,
        biases: int = 0,
        **options: Unpack[AttentionKeywords],
    ) -> None:
        super().__init__()
        given = AttentionOptions(**options)
        published = given.projection == PUBLISHED
        chosen = given.as_in("qkvo", "sqrt")
        reduce = PublishedReduction if published else Reduction
        self.reduce = reduce(channels, axes, reduction, pooled) if pooled or reduction > 1 else None
        self.attention = IMPLEMENTATIONS[chosen.implementation](
            channels, chosen, biased=(PROJECTED["qkvo"] if biases else ("output",)) if published else ()
        )

    def forward(self, x: Tensor) -> Tensor:
        positions = x.flatten(2)  # (b c *spatial) -> (b c n)
        reduced = positions if self.reduce is None else self.reduce(x)  # (b c m)
        attended: Tensor = self.attention(positions, reduced)  # (b c n)
        return attended.reshape(x.shape)


class Reduction(nn.Module):
    """Averages of the positions, `(b c *spatial) -> (b c m)`."""

    def __init__(self, channels: int, axes: int, reduction: int, pooled: int) -> None:
        del channels
        super().__init__()
        self.pool = ADAPTIVE_POOLS[axes](pooled) if pooled else AVG_POOLS[axes](reduction)

    def forward(self, x: Tensor) -> Tensor:
        averages: Tensor = self.pool(x)
        return averages.flatten(2)


class PublishedReduction(nn.Module):
    """The same by a convolution and a layer norm; or averages, transformed, normalised and activated."""

    def __init__(self, channels: int, axes: int, reduction: int, pooled: int) -> None:
        super().__init__()
        patch = 1 if pooled else reduction
        self.pool = ADAPTIVE_POOLS[axes](pooled) if pooled else None
        self.convolution = CONVOLUTIONS[axes](channels, channels, patch, stride=patch)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.convolution(x if self.pool is None else self.pool(x))  # (b c *smaller)
        normalised = self.norm(reduced.flatten(2).mT)  # (b m c)
        return (normalised if self.pool is None else F.gelu(normalised)).mT  # (b c m)

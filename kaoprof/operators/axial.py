"""Axial attention: along each axis for itself, and the sum of the axes."""

import math
from typing import Unpack

from torch import Tensor, nn

from kaoprof.dims import PUBLISHED, AttentionKeywords, AttentionOptions
from kaoprof.operators.dot_product import FusedLines, MatmulAttention, added


class AxialAttention(nn.Module):
    """Every position attends to the positions of its line along each axis; the results of the axes are added.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        axes: spatial axes, each of which has transformations of its own.
        options: heads, projection, scale, implementation. As published: all four, the output's with a bias.

    Source: Ho et al., arXiv:1912.12180, as a sum of the axes. With one spatial axis it is regular attention.

    Raises:
        UsageError: the heads do not divide the channels.
    """

    def __init__(self, channels: int, *, axes: int = 2, **options: Unpack[AttentionKeywords]) -> None:
        super().__init__()
        chosen = AttentionOptions(**options)
        biased = ("output",) if chosen.projection == PUBLISHED else ()
        chosen = chosen.as_in("qkvo", "sqrt")
        self.fused = chosen.implementation == "sdpa"
        kind = FusedLines if self.fused else MatmulAttention
        self.along = nn.ModuleList(kind(channels, chosen, biased=biased) for _ in range(axes))

    def forward(self, x: Tensor) -> Tensor:
        if not self.fused:
            first, *others = (self._moved(x, axis) for axis in range(len(self.along)))
            return added(first, others).contiguous()
        last = x.movedim(1, -1).contiguous()  # (b c s_1 ... s_d) -> (b s_1 ... s_d c)
        first, *others = (self._where_it_lies(last, axis) for axis in range(len(self.along)))
        return added(first, others).movedim(-1, 1).contiguous()

    def _moved(self, x: Tensor, axis: int) -> Tensor:
        """Attention along one axis of `(b c s_1 ... s_d)`, which is moved to the end for it."""
        lines = x.movedim((1, axis + 2), (-2, -1))  # (b others c s_k)
        together = lines.flatten(0, -3)  # (b*others c s_k)
        attended: Tensor = self.along[axis](together, together)
        return attended.view(lines.shape).movedim((-2, -1), (1, axis + 2))

    def _where_it_lies(self, x: Tensor, axis: int) -> Tensor:
        """Attention along one axis of `(b s_1 ... s_d c)`."""
        batch, *spatial, channels = x.shape
        lines = x.view(batch * math.prod(spatial[:axis]), spatial[axis], math.prod(spatial[axis + 1 :]), channels)
        attended: Tensor = self.along[axis](lines, lines)
        return attended.view(x.shape)

"""Coordinate attention: gates for each axis, made of the averages over all the others."""

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kaoprof.dims import AttentionKeywords
from kaoprof.operators.dot_product import transformed
from kaoprof.operators.kronecker import joined_averages
from kaoprof.operators.pointwise import Pointwise

LEAST_CHANNELS = 8  # that the averages go through


class CoordinateAttention(nn.Module):
    """Every position is multiplied by a gate for its place along each axis.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        axes: how many spatial axes there are, 2 or more.
        ratio: the averages go through c / ratio channels, and at least 8.
        options: are for other operators: it has no queries, keys or values.

    Source: Hou et al., Coordinate Attention, arXiv:2103.02907, section 3.2; with three axes a gate more.
    """

    def __init__(self, channels: int, *, axes: int = 2, ratio: int = 32, **options: Unpack[AttentionKeywords]) -> None:
        del options
        super().__init__()
        narrow = torch.sym_max(LEAST_CHANNELS, channels // ratio)
        self.narrow = Pointwise(channels, narrow)
        self.norm = nn.BatchNorm1d(narrow)
        self.gates = nn.ModuleList(Pointwise(narrow, channels) for _ in range(axes))

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.hardswish(self.norm(self.narrow(joined_averages(x))))  # (b c *spatial) -> (b c s) -> (b m s)
        gated = x
        for axis, (gate, part) in enumerate(zip(self.gates, hidden.split(x.shape[2:], dim=2), strict=True)):
            opened = gate(part).sigmoid()  # (b m s_k) -> (b c s_k)
            along = opened.view(*opened.shape, *(1,) * (x.ndim - 3 - axis))
            for _ in range(axis):
                along = along.unsqueeze(2)
            gated = gated * along if gated is x or transformed(gated) else gated.mul_(along)
        return gated

"""The global context block: one weighted mean of all positions, added to each of them."""

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kaoprof.dims import AttentionKeywords
from kaoprof.operators.pointwise import Pointwise


class GlobalContext(nn.Module):
    """Positions are averaged with weights that a softmax makes; the mean is transformed and added to all of them.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        ratio: the transformation goes through c / ratio channels, and at least one.
        options: are for other operators: it has no queries, keys or values, and one map for all channels.

    Source: Cao et al., GCNet, arXiv:1904.11492, figure 4d.
    """

    def __init__(self, channels: int, *, ratio: int = 16, **options: Unpack[AttentionKeywords]) -> None:
        del options
        super().__init__()
        narrow = torch.sym_max(1, channels // ratio)
        self.weight = Pointwise(channels, 1)
        self.narrow = nn.Linear(channels, narrow)
        self.norm = nn.LayerNorm(narrow)
        self.widen = nn.Linear(narrow, channels)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2)  # (b c *spatial) -> (b c n)
        weights = self.weight(tokens).softmax(dim=2)  # (b 1 n)
        context = torch.bmm(weights, tokens.mT).squeeze(1)  # (b c)
        added: Tensor = self.widen(F.relu(self.norm(self.narrow(context))))  # (b c)
        return (tokens + added.unsqueeze(2)).reshape(x.shape)

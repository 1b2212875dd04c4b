"""Expectation-maximization attention: a few bases found by iteration, and the positions rebuilt of them."""

import math
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kaoprof.dims import PUBLISHED, AttentionKeywords, AttentionOptions
from kaoprof.operators.dot_product import transformed
from kaoprof.operators.pointwise import Pointwise

NOT_ZERO = 1e-6  # is added to what divides


class ExpectationMaximization(nn.Module):
    """The positions are rebuilt of `bases` that are found anew for each sample, and added to the input.

    The iterations take no gradients, and neither does what is rebuilt of their results. How the first bases move from
    step to step while a network is trained is not part of the published module, nor of this one.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        bases: how many there are (K).
        iterations: how often positions are assigned to bases, and these averaged anew (T).
        options: as published a transformation stands before, another with batch norm behind; else none. It has no
            queries, keys or values, and one map for all channels.

    Source: Li et al., EMANet, arXiv:1907.13426, section 3.
    """

    def __init__(
        self, channels: int, *, bases: int = 64, iterations: int = 3, **options: Unpack[AttentionKeywords]
    ) -> None:
        super().__init__()
        self.iterations = iterations
        self.published = AttentionOptions(**options).projection == PUBLISHED
        self.bases: Tensor
        self.register_buffer("bases", unit_length(torch.randn(1, channels, bases) * math.sqrt(2 / bases)))
        if self.published:
            self.before = Pointwise(channels, channels)
            self.after = Pointwise(channels, channels, bias=False)
            self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2)  # (b c *spatial) -> (b c n)
        features = self.before(tokens) if self.published else tokens
        with torch.no_grad():
            rebuilt = self.rebuilt(features)  # (b c n)
        del features
        if not self.published:
            return (tokens + rebuilt).reshape(x.shape)
        normalised = self.norm(self.after(rebuilt.relu_()))  # (b c n)
        return F.relu(normalised.add_(tokens), inplace=True).reshape(x.shape)

    def rebuilt(self, tokens: Tensor) -> Tensor:
        """`(b c n)` of the bases, after the iterations."""
        bases = self.bases.expand(tokens.shape[0], -1, -1)  # (b c k)
        for _ in range(self.iterations):
            assigned = softmax_over_bases(torch.bmm(bases.mT, tokens))  # (b k n)
            means = torch.bmm(tokens, assigned.mT)  # (b c k)
            bases = unit_length(means.div_(assigned.sum(dim=2).add_(NOT_ZERO).unsqueeze(1)))
        return torch.bmm(bases, assigned)


def softmax_over_bases(similarities: Tensor) -> Tensor:
    """`(b k n)`, shares of 1 for each position, written over the similarities where nobody else looks at them."""
    if transformed(similarities):
        return similarities.softmax(dim=1)
    return torch.softmax(similarities, dim=1, out=similarities)


def unit_length(bases: Tensor) -> Tensor:
    """`(b c k)`: each base of length 1."""
    lengths: Tensor = torch.linalg.vector_norm(bases, dim=1, keepdim=True)
    return bases / lengths.add_(NOT_ZERO)

"""Attention without a map of positions by positions: values are summed by their keys before they are asked for."""

from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kaoprof.dims import PUBLISHED, AttentionKeywords, AttentionOptions, head_size
from kaoprof.operators.dot_product import PROJECTED, transformed
from kaoprof.operators.pointwise import Pointwise

LEAST_WEIGHT = 1e-6  # so that no position divides by nothing


class _Transformed(nn.Module):
    """Tokens `(b c n)` that attend to each other, and their linear transformations by name."""

    def __init__(self, channels: int, heads: int, transformations: dict[str, Pointwise]) -> None:
        super().__init__()
        head_size(channels, heads)
        self.heads = heads
        for name, transformation in transformations.items():
            self.add_module(name, transformation)

    def project(self, name: str, tokens: Tensor) -> Tensor:
        """The tokens, transformed by what has this name; else as they are."""
        transformation = self._modules.get(name)
        return tokens if transformation is None else transformation(tokens)

    def split_heads(self, tokens: Tensor) -> Tensor:
        """`(b c n) -> (b*heads d n)`."""
        return tokens if self.heads == 1 else tokens.reshape(tokens.shape[0] * self.heads, -1, tokens.shape[2])

    def merge_heads(self, tokens: Tensor) -> Tensor:
        """`(b*heads d n) -> (b c n)`."""
        return tokens if self.heads == 1 else tokens.view(tokens.shape[0] // self.heads, -1, tokens.shape[2])

    def extra_repr(self) -> str:
        return f"heads={self.heads}"


def plain(channels: int, projection: str) -> dict[str, Pointwise]:
    """The transformations (c x c, no bias) that a projection stands for."""
    return {name: Pointwise(channels, channels, bias=False) for name in PROJECTED[projection]}


class LinearAttention(_Transformed):
    """Positions are weighted by products of features, `elu(x) + 1`, instead of a softmax.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        options: heads and projection; as published it has no transformations of its own.

    Source: Katharopoulos et al., Transformers are RNNs, arXiv:2006.16236, equations 4 to 7.
    """

    def __init__(self, channels: int, **options: Unpack[AttentionKeywords]) -> None:
        chosen = AttentionOptions(**options).as_in("none", "none")
        super().__init__(channels, chosen.heads, plain(channels, chosen.projection))
        self.shares = chosen.projection in ("none", "value")  # what keys and queries are made of

    def features(self, name: str, tokens: Tensor) -> Tensor:
        """`(b c n) -> (b*heads d n)`, all of them positive."""
        return F.elu(self.split_heads(self.project(name, tokens))).add_(1)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2)  # (b c *spatial) -> (b c n)
        keys = self.features("key", tokens)  # (b*heads d n)
        context = torch.bmm(self.split_heads(self.project("value", tokens)), keys.mT)  # (b*heads d d)
        weights = keys.sum(dim=2).unsqueeze(1)  # (b*heads 1 d)
        queries = keys if self.shares else self.features("query", tokens)  # (b*heads d n)
        attended = torch.bmm(context, queries)  # (b*heads d n)
        divisors = torch.bmm(weights, queries).add_(LEAST_WEIGHT)  # (b*heads 1 n)
        averaged = attended / divisors if transformed(attended) else attended.div_(divisors)
        return self.project("output", self.merge_heads(averaged)).reshape(x.shape)


class EfficientAttention(_Transformed):
    """Keys are a softmax over the positions, queries one over the channels of a head.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        key_channels: those of queries and keys as published; all if it is 0, and without the published projections.
        value_channels: those of the values, likewise.
        options: heads and projection; as published all four transformations have biases, and the input is added.

    Source: Shen et al., Efficient Attention, arXiv:1812.01243, equation 4.
    """

    def __init__(
        self, channels: int, *, key_channels: int = 0, value_channels: int = 0, **options: Unpack[AttentionKeywords]
    ) -> None:
        chosen = AttentionOptions(**options)
        published = chosen.projection == PUBLISHED
        keys, values = (key_channels or channels, value_channels or channels) if published else (channels, channels)
        transformations = {
            "query": Pointwise(channels, keys), "key": Pointwise(channels, keys),
            "value": Pointwise(channels, values), "output": Pointwise(values, channels),
        } if published else plain(channels, chosen.projection)  # fmt: skip
        super().__init__(channels, chosen.heads, transformations)
        head_size(keys, chosen.heads)
        head_size(values, chosen.heads)
        self.adds_input = published

    def shares(self, name: str, tokens: Tensor, dim: int) -> Tensor:
        """`(b c n) -> (b*heads d n)`, shares of 1 along `dim`: written over what was made for them alone."""
        made = self.split_heads(self.project(name, tokens))
        if name not in self._modules or transformed(made):
            return made.softmax(dim)
        return torch.softmax(made, dim, out=made)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2)  # (b c *spatial) -> (b c n)
        values = self.split_heads(self.project("value", tokens))  # (b*heads dv n)
        context = torch.bmm(values, self.shares("key", tokens, 2).mT)  # (b*heads dv dk)
        attended = self.merge_heads(torch.bmm(context, self.shares("query", tokens, 1)))  # (b dv n)
        output = self.project("output", attended)  # (b c n)
        return (output.add_(tokens) if self.adds_input else output).reshape(x.shape)

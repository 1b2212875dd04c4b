"""Kronecker attention: attend through the averages along each axis instead of through the positions."""

from functools import reduce
from typing import Unpack

import torch
from torch import Tensor, nn

from kaoprof.dims import AttentionKeywords, AttentionOptions
from kaoprof.operators.dot_product import dot_product_attention

ONE_AXIS = 3  # dimensions of `(b c n)`: there is nothing to average over


class KroneckerAttentionKV(nn.Module):
    """KAO_KV: every position attends to the averages along each axis.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        options: heads, projection, scale, implementation. Keys and values are projected on the averages.

    Source: arXiv:2007.08442, section 3.3. With one spatial axis it is regular attention.
    """

    def __init__(self, channels: int, **options: Unpack[AttentionKeywords]) -> None:
        super().__init__()
        self.attention = dot_product_attention(channels, AttentionOptions(**options))

    def forward(self, x: Tensor) -> Tensor:
        positions = x.flatten(2)  # (b c *spatial) -> (b c n)
        averages = positions if x.ndim == ONE_AXIS else torch.cat(axis_averages(x), dim=2)  # (b c s)
        attended: Tensor = self.attention(positions, averages)  # (b c n)
        return attended.reshape(x.shape)


class KroneckerAttentionQKV(nn.Module):
    """KAO_QKV: the averages attend to each other; an outer sum brings the result back to every position.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        options: heads, projection, scale, implementation. All projections act on the averages: the output's too, since
            the outer sum is linear.

    Source: arXiv:2007.08442, section 3.3. With one spatial axis it is regular attention.
    """

    def __init__(self, channels: int, **options: Unpack[AttentionKeywords]) -> None:
        super().__init__()
        self.attention = dot_product_attention(channels, AttentionOptions(**options))

    def forward(self, x: Tensor) -> Tensor:
        averages = x if x.ndim == ONE_AXIS else torch.cat(axis_averages(x), dim=2)  # (b c s)
        attended: Tensor = self.attention(averages, averages)  # (b c s)
        return outer_sum(attended.split(x.shape[2:], dim=2))


def axis_averages(x: Tensor) -> list[Tensor]:
    """For each spatial axis k the mean over all the others: `(b c s_1 ... s_d) -> [(b c s_k) for each k]`."""
    axes = range(2, x.ndim)
    return [x.mean(dim=[other for other in axes if other != axis]) for axis in axes]


def outer_sum(parts: tuple[Tensor, ...]) -> Tensor:
    """`Y[..., i_1, ..., i_d] = sum_k parts[k][..., i_k]`: `[(b c s_k)] -> (b c s_1 ... s_d)`."""
    return reduce(lambda built, part: built.unsqueeze(-1) + _lined_up(part, built.ndim - 2), parts)


def _lined_up(part: Tensor, axes_before: int) -> Tensor:
    return part.reshape(*part.shape[:2], *(1,) * axes_before, part.shape[2])  # (b c s) -> (b c 1 ... 1 s)

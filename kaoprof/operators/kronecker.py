"""Kronecker attention: attend through the averages along each axis instead of through the positions."""

import math
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
        averages = positions if x.ndim == ONE_AXIS else juxtaposed(axis_averages(x))  # (b c s)
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
        averages = x if x.ndim == ONE_AXIS else juxtaposed(axis_averages(x))  # (b c s)
        attended: Tensor = self.attention(averages, averages)  # (b c s)
        return outer_sum(attended.split(x.shape[2:], dim=2))


def axis_averages(x: Tensor) -> list[Tensor]:
    """For each spatial axis k the mean over all the others: `(b c s_1 ... s_d) -> [(b c s_k) for each k]`.

    However many axes there are, `x` is read twice: once for its first axis, once to average that axis away; the others
    have their averages from what is left.
    """
    averages = []
    for _ in range(ONE_AXIS, x.ndim):
        averages.append(_mean(x, list(range(ONE_AXIS, x.ndim))))  # (b c s_1 ... s_d) -> (b c s_1)
        x = _mean(x, [2])  # (b c s_1 ... s_d) -> (b c s_2 ... s_d)
    return [*averages, x]


def juxtaposed(averages: list[Tensor]) -> Tensor:
    """`C = [A_1, ..., A_d]`: `[(b c s_k)] -> (b c s)`.

    The two views change nothing here. On the way back they lay the gradient out as C lies: in the layout in which
    attention leaves it, the large gradient that is spread out from it would have to be copied whole.
    """
    joined = torch.cat(averages, dim=2)
    return joined.flatten().view_as(joined) if joined.requires_grad else joined


def _mean(x: Tensor, axes: list[int]) -> Tensor:
    """The mean over `axes`, spelt out where `Tensor.mean` costs more.

    Its gradient is written out at the size of `x`, once for each mean; that of a sum is a view of the small gradient,
    and two of them meet in one write. In bfloat16 on a CPU it copies `x` to single precision. Float16 needs that,
    since a sum may be larger than it can hold.
    """
    if not x.requires_grad and (x.is_cuda or x.dtype in (torch.float32, torch.float64)):
        return x.mean(axes)  # one launch instead of two
    n_averaged = math.prod([x.shape[axis] for axis in axes])  # a list: a generator breaks the graph of torch.compile
    if x.dtype == torch.float16:
        return x.sum(axes, dtype=torch.float32).div_(n_averaged).to(torch.float16)
    return x.sum(axes).div_(n_averaged)


def outer_sum(parts: tuple[Tensor, ...]) -> Tensor:
    """`Y[..., i_1, ..., i_d] = sum_k parts[k][..., i_k]`: `[(b c s_k)] -> (b c s_1 ... s_d)`."""
    return reduce(lambda built, part: built.unsqueeze(-1) + _lined_up(part, built.ndim - 2), parts)


def _lined_up(part: Tensor, axes_before: int) -> Tensor:
    return part.view(*part.shape[:2], *(1,) * axes_before, part.shape[2])  # (b c s) -> (b c 1 ... 1 s)

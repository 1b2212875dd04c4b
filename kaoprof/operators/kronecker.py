"""Kronecker attention: attend through the averages along each axis instead of through the positions."""

import math

import torch
from torch import Tensor

from kaoprof.operators.dot_product import AttentionOperator, transformed

ONE_AXIS = 3  # dimensions of `(b c n)`: there is nothing to average over
WIDE = frozenset((torch.float32, torch.float64))  # dtypes that sums are kept in
SUMMED = WIDE | {torch.bfloat16}  # dtypes that are summed as they are
PART_BYTES = 2 * 2**20  # of input that a thread reads twice: so much is still in its share of the caches
LEAST_PARTS = 4  # what is smaller is in the caches as a whole
LARGE_PLANE_BYTES = 16 * 2**10  # of a channel of a sample: in smaller ones the averages are no longer few


class KroneckerAttentionKV(AttentionOperator):
    """KAO_KV: every position attends to the averages along each axis.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        options: heads, projection, scale, implementation. Keys and values are projected on the averages.

    Source: arXiv:2007.08442, section 3.3. With one spatial axis it is regular attention.
    """

    def forward(self, x: Tensor) -> Tensor:
        positions = x.flatten(2)  # (b c *spatial) -> (b c n)
        averages = positions if x.ndim == ONE_AXIS else joined_averages(x)  # (b c s)
        attended: Tensor = self.attention(positions, averages)  # (b c n)
        return attended.reshape(x.shape)


class KroneckerAttentionQKV(AttentionOperator):
    """KAO_QKV: the averages attend to each other; an outer sum brings the result back to every position.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        options: heads, projection, scale, implementation. All projections act on the averages: the output's too, since
            the outer sum is linear.

    Source: arXiv:2007.08442, section 3.3. With one spatial axis it is regular attention.
    """

    def forward(self, x: Tensor) -> Tensor:
        averages = x if x.ndim == ONE_AXIS else joined_averages(x)  # (b c s)
        attended: Tensor = self.attention(averages, averages)  # (b c s)
        return outer_sum(attended.split(x.shape[2:], dim=2))


def joined_averages(x: Tensor) -> Tensor:
    """`C = [A_1, ..., A_d]`: `(b c s_1 ... s_d) -> (b c s)`.

    Large inputs are averaged part by part on a CPU, so that the second reading of each part finds it in the cache.
    """
    parts = _parts_of(x)
    if parts == 1:
        return juxtaposed(axis_averages(x))
    planes = x.view(1, -1, *x.shape[2:])  # (1 b*c s_1 ... s_d)
    joined = x.new_empty(1, planes.shape[1], sum(x.shape[2:]))  # (1 b*c s)
    for some, averages in zip(planes.chunk(parts, dim=1), joined.chunk(parts, dim=1), strict=True):
        torch.cat(axis_averages(some), dim=2, out=averages)
    return joined.view(*x.shape[:2], -1)


def _parts_of(x: Tensor) -> int:
    """How many parts `x` is averaged in: one, unless it is more than a CPU's caches hold, and made of large planes.

    Symbolic tensors, and those in a compiler's hands, are not asked for their size: it would become a condition. Those
    in float16 are summed in a copy, whose size should depend on nothing else.
    """
    if type(x) is not Tensor or torch.compiler.is_compiling() or x.dtype not in SUMMED or x.layout is not torch.strided:
        return 1
    if x.nbytes < LEAST_PARTS * PART_BYTES or not x.is_cpu or transformed(x) or not x.is_contiguous():
        return 1
    part_bytes = PART_BYTES * torch.get_num_threads()
    few_averages = x.nbytes >= LARGE_PLANE_BYTES * x.shape[0] * x.shape[1]
    return -(-x.nbytes // part_bytes) if few_averages and x.nbytes >= LEAST_PARTS * part_bytes else 1


def axis_averages(x: Tensor) -> list[Tensor]:
    """For each spatial axis k the mean over all the others: `(b c s_1 ... s_d) -> [(b c s_k) for each k]`.

    However many axes there are, `x` is read twice: once for its first axis, once to average that axis away; the others
    have their averages from what is left.
    """
    mean = torch.mean if not x.requires_grad and (x.is_cuda or x.dtype in WIDE) else mean_spelt_out
    averages = []
    for _ in range(ONE_AXIS, x.ndim):
        averages.append(mean(x, list(range(ONE_AXIS, x.ndim))))  # (b c s_1 ... s_d) -> (b c s_1)
        x = mean(x, [2])  # (b c s_1 ... s_d) -> (b c s_2 ... s_d)
    averages.append(x)
    return averages


def juxtaposed(averages: list[Tensor]) -> Tensor:
    """`C = [A_1, ..., A_d]`: `[(b c s_k)] -> (b c s)`.

    The two views change nothing here. On the way back they lay the gradient out as C lies: in the layout in which
    attention leaves it, the large gradient that is spread out from it would have to be copied whole.
    """
    joined = torch.cat(averages, dim=2)
    return joined.flatten().view_as(joined) if joined.requires_grad else joined


def mean_spelt_out(x: Tensor, axes: list[int]) -> Tensor:
    """The mean over `axes`, for where `torch.mean`, which is one launch instead of two, costs more.

    Its gradient is written out at the size of `x`, once for each mean; that of a sum is a view of the small gradient,
    and two of them meet in one write. In bfloat16 on a CPU it copies `x` to single precision. Float16 needs that,
    since a sum may be larger than it can hold.
    """
    n_averaged = math.prod([x.shape[axis] for axis in axes])  # a list: a generator breaks the graph of torch.compile
    if x.dtype == torch.float16:
        return x.sum(axes, dtype=torch.float32).div_(n_averaged).to(torch.float16)
    return x.sum(axes).div_(n_averaged)


def outer_sum(parts: tuple[Tensor, ...]) -> Tensor:
    """`Y[..., i_1, ..., i_d] = sum_k parts[k][..., i_k]`: `[(b c s_k)] -> (b c s_1 ... s_d)`."""
    built, *others = parts
    for part in others:
        built = built.unsqueeze(-1) + _lined_up(part, built.ndim - 2)
    return built


def _lined_up(part: Tensor, axes_before: int) -> Tensor:
    """`(b c s) -> (b c 1 ... 1 s)`."""
    for _ in range(axes_before):
        part = part.unsqueeze(2)
    return part

"""Agent attention: a few tokens attend to all positions, and all positions attend to these few."""

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from kaoprof.dims import PUBLISHED, AttentionKeywords, AttentionOptions
from kaoprof.errors import UsageError
from kaoprof.models.layers import CONVOLUTIONS, resize
from kaoprof.operators.dot_product import PROJECTED, FusedLines, MatmulAttention, added
from kaoprof.operators.kronecker import outer_sum
from kaoprof.operators.spatial_reduction import ADAPTIVE_POOLS, PublishedReduction, Reduction

COARSE = 7  # entries along each axis of the map from which position biases are enlarged


class PositionBias(nn.Module):
    """A number for each head, agent and position: a coarse map, enlarged, and a line for each axis.

    `(1 heads A n)`, or `(1 heads n A)` where positions ask.
    """

    def __init__(self, heads: int, agents: int, spatial: Sequence[int], *, positions_ask: bool) -> None:
        super().__init__()
        self.spatial, self.positions_ask = tuple(spatial), positions_ask
        self.coarse = _drawn(heads, agents, *[COARSE] * len(spatial))
        for axis, size in enumerate(spatial):
            self.register_parameter(f"line_{axis}", _drawn(heads, agents, size))

    def forward(self) -> Tensor:
        lines = tuple(getattr(self, f"line_{axis}") for axis in range(len(self.spatial)))
        enlarged = resize(self.coarse, self.spatial, "linear").flatten(2)  # (heads A 7 ... 7) -> (heads A n)
        if not self.positions_ask:
            return added(enlarged, [outer_sum(lines).flatten(2)]).unsqueeze(0)
        # The lines are summed as (heads n A), so that their gradients are sums of what lies in order.
        of_lines = _outer_sum_before([line.mT.clone(memory_format=torch.contiguous_format) for line in lines])
        return added(of_lines, [enlarged.mT]).unsqueeze(0)


def _outer_sum_before(lines: Sequence[Tensor]) -> Tensor:
    """All sums of an entry of each line, before an axis that they share: `(heads s_k A) ... -> (heads n A)`."""
    total, *others = lines
    for line in others:
        total = (total.unsqueeze(2) + line.unsqueeze(1)).flatten(1, 2)
    return total


def _drawn(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))


class AgentAttention(nn.Module):
    """Averages of the queries, the agents, attend to all positions; then all positions attend to the agents.

    Args:
        channels: c of the input `(b, c, *spatial)`; the output has the same shape.
        axes: spatial axes.
        agents: A; along each of d axes there are A^(1/d), rounded.
        reduction: positions for each key, along each axis.
        spatial: sizes of the input, which as published the position biases have.
        options: heads, projection, scale, implementation. As published: all four, with biases; a depthwise convolution
            of the values, which is added; and position biases of keys and queries.

    Source: Han et al., arXiv:2312.08874.

    Raises:
        UsageError: the heads do not divide the channels; or, as published, no sizes are given.
    """

    def __init__(
        self,
        channels: int,
        *,
        axes: int = 2,
        agents: int = 49,
        reduction: int = 1,
        spatial: Sequence[int] | None = None,
        **options: Unpack[AttentionKeywords],
    ) -> None:
        super().__init__()
        given = AttentionOptions(**options)
        published, chosen = given.projection == PUBLISHED, given.as_in("qkvo", "sqrt")
        self.fused = chosen.implementation == "sdpa"
        biased = PROJECTED["qkvo"] if published else ()
        self.attention = (FusedLines if self.fused else MatmulAttention)(channels, chosen, biased=biased)
        along = round(agents ** (1 / axes))
        self.pool = ADAPTIVE_POOLS[axes](along)
        reduce = PublishedReduction if published else Reduction
        self.reduce = reduce(channels, axes, reduction, 0) if reduction > 1 else None
        self.reduction = reduction
        self.beside = CONVOLUTIONS[axes](channels, channels, 3, padding=1, groups=channels) if published else None
        if published:
            if spatial is None:
                raise UsageError("its position biases have the sizes of the input", where="spatial", hint="give them")
            self.bias_of_keys = PositionBias(
                chosen.heads, along**axes, [size // reduction for size in spatial], positions_ask=False
            )
            self.bias_of_queries = PositionBias(chosen.heads, along**axes, spatial, positions_ask=True)

    def forward(self, x: Tensor) -> Tensor:
        positions = self._laid_out(x.flatten(2))
        source = positions if self.reduce is None else self._laid_out(self.reduce(x))
        q, k, v = (
            self.attention.project(name, tokens)
            for name, tokens in (("query", positions), ("key", source), ("value", source))
        )
        agents = self._laid_out(self.pool(self._map(q, x.shape[2:])).flatten(2))
        for_agents, for_all = self._biases()
        attended = self.attention.attend(q, agents, self.attention.attend(agents, k, v, for_agents), for_all)
        if self.beside is not None:
            attended = added(attended, [self._laid_out(self._convolved(v, x.shape[2:]).flatten(2))])
        return self._channels_first(self.attention.project("output", attended)).reshape(x.shape)

    def _biases(self) -> tuple[list[Tensor], list[Tensor]]:
        """What is added to similarities, where agents ask and where all positions ask: `(1 heads n_q n_kv)` each."""
        if self.beside is None:
            return [], []
        return [self.bias_of_keys()], [self.bias_of_queries()]

    def _laid_out(self, tokens: Tensor) -> Tensor:
        """`(b c n)` as attention takes it, fused as `(b n 1 c)`."""
        return tokens.mT.contiguous().unsqueeze(2) if self.fused else tokens

    def _channels_first(self, tokens: Tensor) -> Tensor:
        return tokens.squeeze(2).mT if self.fused else tokens

    def _map(self, tokens: Tensor, spatial: Sequence[int]) -> Tensor:
        """The tokens as a map, `(b c *spatial)`."""
        channels_first = self._channels_first(tokens)
        return channels_first.reshape(*channels_first.shape[:2], *spatial)

    def _convolved(self, values: Tensor, spatial: Sequence[int]) -> Tensor:
        """The depthwise convolution of the values, which are enlarged to the whole map if they were reduced."""
        if self.beside is None:
            return values
        whole = self._map(values, [size // self.reduction for size in spatial])
        whole = whole.contiguous()  # fused, channels lie innermost, of which this convolution makes another copy
        convolved: Tensor = self.beside(whole if self.reduce is None else resize(whole, spatial, "linear"))
        return convolved

"""Dot-product attention over positions, `(b c n) , (b c m) -> (b c n)`: written out, and through torch's fused kernel.

Both hold the same weights under the same names, so a state dict of one loads into the other.
"""

from collections.abc import Collection, Sequence
from typing import Unpack, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kaoprof.dims import AttentionKeywords, AttentionOptions, head_size
from kaoprof.torch_internals import is_transformed

PROJECTED = {
    "none": (),
    "value": ("value",),
    "qkv": ("query", "key", "value"),
    "qkvo": ("query", "key", "value", "output"),
}


class _Projected(nn.Module):
    """The linear transformations (c x c) that an attention has, by name; the others are the identity.

    None has a bias but those that are named by `biased`.
    """

    def __init__(self, channels: int, options: AttentionOptions, *, biased: Collection[str] = ()) -> None:
        super().__init__()
        self.heads = options.heads
        self.scales = options.scale == "sqrt"  # also by 1, with one channel for each head: the work depends on no value
        self.scale = head_size(channels, options.heads) ** -0.5 if self.scales else 1.0
        for name in PROJECTED[options.projection]:
            self.add_module(name, nn.Linear(channels, channels, bias=name in biased))

    def extra_repr(self) -> str:
        return f"heads={self.heads}, scale={self.scale:.4g}"


class MatmulAttention(_Projected):
    """Attention that writes its coefficients out. Takes its input in the layout that it has: channels first."""

    def project(self, name: str, tokens: Tensor) -> Tensor:
        projection = self._modules.get(name)
        if projection is None:
            return tokens
        weight, bias = projection.weight, projection.bias
        batch, _, positions = tokens.shape
        weights = cast("Tensor", weight).expand(batch, -1, -1)
        if bias is None:
            return torch.bmm(weights, tokens)  # (c c) , (b c n) -> (b c n)
        everywhere = cast("Tensor", bias).unsqueeze(1).expand(batch, -1, positions)  # (c) -> (b c n)
        return torch.baddbmm(everywhere, weights, tokens)

    def split_heads(self, tokens: Tensor) -> Tensor:
        if self.heads == 1:
            return tokens
        return tokens.reshape(tokens.shape[0] * self.heads, -1, tokens.shape[2])  # (b c n) -> (b*heads d n)

    def merge_heads(self, attended: Tensor) -> Tensor:
        if self.heads == 1:
            return attended
        return attended.view(attended.shape[0] // self.heads, -1, attended.shape[2])  # (b*heads d n) -> (b c n)

    def forward(self, queries: Tensor, keys_values: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """`masks` are added to the similarities, each `(1 or g, 1 or heads, n, m)`, for g samples again and again."""
        key, value = (self.project(name, keys_values) for name in ("key", "value"))
        return self.project("output", self.attend(self.project("query", queries), key, value, masks))

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """The values weighted by how similar keys and queries are: `(b c n) , (b c m) , (b c m) -> (b c n)`."""
        q = self.split_heads(queries)  # (b*heads d n)
        k = self.split_heads(keys)  # (b*heads d m)
        v = self.split_heads(values)  # (b*heads d m)
        if self.scales:
            k = k * self.scale
        similarities = torch.bmm(q.mT, k)  # (b*heads n m)
        for mask in masks:
            grouped = similarities.view(-1, mask.shape[0], self.heads, *similarities.shape[1:])  # (b/g g heads n m)
            looked_at = transformed(grouped) or transformed(mask)
            similarities = (grouped + mask if looked_at else grouped.add_(mask)).view(similarities.shape)
        if transformed(similarities):
            attended = attended_with_gradients(similarities, v)  # (b*heads d n)
        else:
            attended = attended_in_place(similarities, v)  # (b*heads d n)
        return self.merge_heads(attended)


def transformed(tensor: Tensor) -> bool:
    """Whether anything but this forward pass looks at `tensor`: gradients, a compiler, a trace, a transform."""
    return tensor.requires_grad or torch.compiler.is_compiling() or is_transformed(tensor)


def added(first: Tensor, others: Sequence[Tensor]) -> Tensor:
    """The sum, in the first one's memory if nothing else looks at it."""
    for other in others:
        first = first + other if transformed(first) else first.add_(other)
    return first


def attended_with_gradients(similarities: Tensor, v: Tensor) -> Tensor:
    """The values weighted by softmax: `(b n m) , (b d m) -> (b d n)`.

    The coefficients stand first in the product, so that their gradient has their own layout: else the backward pass
    of softmax copies it whole.
    """
    return torch.bmm(similarities.softmax(dim=-1), v.mT).mT.contiguous()


def attended_in_place(similarities: Tensor, v: Tensor) -> Tensor:
    """The same values, the coefficients written over the similarities: half the memory, and half of its page faults."""
    coefficients = torch.softmax(similarities, dim=-1, out=similarities)
    return torch.bmm(v, coefficients.mT)


class FusedAttention(_Projected):
    """Attention through `scaled_dot_product_attention`, which never holds all coefficients at once.

    The fused kernels want the head's channels innermost: `(b heads n d)` with unit stride over d. On anything else
    torch silently computes the plain form, several times slower; so the tokens are laid out once, as `(b n c)`.
    """

    def project(self, name: str, tokens: Tensor) -> Tensor:
        projection = self._modules.get(name)
        return tokens if projection is None else projection(tokens)  # (b n c)

    def split_heads(self, tokens: Tensor) -> Tensor:
        if self.heads == 1:
            return tokens.unsqueeze(1)  # (b 1 n c)
        return tokens.view(*tokens.shape[:2], self.heads, -1).transpose(1, 2)  # (b n c) -> (b heads n d)

    def forward(self, queries: Tensor, keys_values: Tensor) -> Tensor:
        tokens = queries.mT.contiguous()  # (b n c)
        source = tokens if keys_values is queries else keys_values.mT.contiguous()  # (b m c)
        attended = F.scaled_dot_product_attention(
            self.split_heads(self.project("query", tokens)),
            self.split_heads(self.project("key", source)),
            self.split_heads(self.project("value", source)),
            scale=self.scale,
        )  # (b heads n d)
        merged = attended.transpose(1, 2).flatten(2)  # (b n c)
        return self.project("output", merged).mT.contiguous()  # (b c n)


class FusedLines(FusedAttention):
    """Fused attention within lines of tokens that lie channels-last, `(b n g c) -> (b n g c)`: n in each, g beside.

    Whatever the axis along which the lines go, nothing is moved: g is taken for further heads.
    """

    def forward(self, queries: Tensor, keys_values: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """`masks` are added to the similarities, each `(1 or l, 1 or heads, n, m)`, for l lines again and again."""
        key, value = (self.project(name, keys_values) for name in ("key", "value"))
        return self.project("output", self.attend(self.project("query", queries), key, value, masks))

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, masks: Sequence[Tensor] = ()) -> Tensor:
        """The values weighted by how similar keys and queries are: `(b n g c) , (b m g c) , (b m g c) -> (b n g c)`."""
        q, k, v = (self.split_heads(tokens) for tokens in (queries, keys, values))
        mask = sum_of(masks, queries.shape[0])
        if mask is not None and mask.requires_grad and not mask.is_cuda:
            attended = attended_with_bias(q * self.scale, k, v, mask)  # (b g*heads n d)
        else:
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=self.scale)  # (b g*heads n d)
        return attended.transpose(1, 2).reshape(queries.shape)

    def split_heads(self, tokens: Tensor) -> Tensor:
        lines, positions, beside, channels = tokens.shape
        heads = beside * self.heads
        return tokens.view(lines, positions, heads, channels // self.heads).transpose(
            1, 2
        )  # (b n g c) -> (b g*heads n d)


def attended_with_bias(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """What fused attention gives, written out: `(b heads n d) , (b heads m d) , (b heads m d) -> (b heads n d)`.

    For a bias that needs a gradient: no fused kernel of a CPU gives one, and torch's own way around it copies queries
    and keys, and asks of each coefficient whether its row is masked as a whole: 1.2 to 1.6 times as long.
    """
    return (q @ k.mT).add_(bias).softmax(dim=-1) @ v


def sum_of(masks: Sequence[Tensor], lines: int) -> Tensor | None:
    """The masks in one, for all lines if any of them differs between lines."""
    total: Tensor | None = None
    for mask in masks:
        each = mask if mask.shape[0] == 1 else mask.repeat(lines // mask.shape[0], 1, 1, 1)
        total = each if total is None else total + each
    return total


IMPLEMENTATIONS: dict[str, type[MatmulAttention | FusedAttention]] = {"matmul": MatmulAttention, "sdpa": FusedAttention}


class AttentionOperator(nn.Module):
    """An operator around an `attention`, which is the one that its options ask for.

    Raises:
        UsageError: the heads do not divide the channels.
    """

    def __init__(self, channels: int, **options: Unpack[AttentionKeywords]) -> None:
        super().__init__()
        chosen = AttentionOptions(**options).as_in()
        self.attention = IMPLEMENTATIONS[chosen.implementation](channels, chosen)

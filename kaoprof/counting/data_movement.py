"""Which of torch's operations only move, make or look at data, and so cost no arithmetic."""

from typing import Any

import torch

aten = torch.ops.aten
VIEW_TAGS = frozenset({torch.Tag.inplace_view, torch.Tag.view_copy})  # views that `is_view` does not know

MOVES_DATA: frozenset[Any] = frozenset(
    {
        aten.cat, aten.stack, aten.clone, aten.copy_, aten._to_copy, aten.contiguous,  # noqa: SLF001 - the real names
        aten.empty, aten.empty_like, aten.empty_strided, aten.empty_permuted, aten.new_empty, aten.new_empty_strided,
        aten.zeros, aten.zeros_like, aten.new_zeros, aten.ones, aten.ones_like, aten.new_ones, aten.eye,
        aten.full, aten.full_like, aten.new_full, aten.fill, aten.fill_, aten.zero_, aten.scalar_tensor,
        aten.arange, aten.linspace, aten.lift_fresh, aten.constant_pad_nd, aten.index, aten.index_select, aten.gather,
        aten.index_put, aten.index_put_, aten.embedding, aten.roll, aten.flip, aten.repeat, aten.select_backward,
        aten.slice_backward, aten._unsafe_view, aten._reshape_copy, aten.native_dropout,  # noqa: SLF001
        aten.upsample_nearest1d, aten.upsample_nearest2d, aten.upsample_nearest3d,
        aten.split_with_sizes_copy, aten.unsafe_split, aten.resize_, aten.set_, aten.is_same_size,
        aten._unsafe_index, aten.complex, aten._conj_physical,  # noqa: SLF001
        aten.scatter, aten.scatter_, aten.index_copy, aten.masked_scatter, aten.select_scatter, aten.diagonal_scatter,
        aten.index_fill, aten.index_fill_, aten.take, aten.tril, aten.triu, aten.rot90,
        aten.pixel_shuffle, aten.pixel_unshuffle, aten.channel_shuffle, aten.im2col,
        aten.reflection_pad1d, aten.reflection_pad2d, aten.reflection_pad3d,
        aten.replication_pad1d, aten.replication_pad2d, aten.replication_pad3d,
    }
)  # fmt: skip


def only_looks(operation: torch._ops.OpOverload) -> bool:
    """Whether the operation is a view, in place and copied views included, or asks a tensor for its traits."""
    return operation.is_view or operation.namespace == "prim" or not VIEW_TAGS.isdisjoint(operation.tags)

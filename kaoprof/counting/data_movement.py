"""Which of torch's operations only move, make or look at data, and so cost no arithmetic."""

import torch

from kaoprof.torch_internals import OpOverload

VIEW_TAGS = frozenset({torch.Tag.inplace_view, torch.Tag.view_copy})  # views that `is_view` does not know

MOVES_DATA: frozenset[str] = frozenset(
    {
        "cat", "stack", "clone", "copy_", "_to_copy", "contiguous",
        "empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided",
        "zeros", "zeros_like", "new_zeros", "ones", "ones_like", "new_ones", "eye",
        "size", "full", "full_like", "new_full", "fill", "fill_", "zero_", "scalar_tensor",
        "arange", "linspace", "lift_fresh", "constant_pad_nd", "index", "index_select", "gather",
        "index_put", "index_put_", "embedding", "roll", "flip", "repeat", "select_backward",
        "slice_backward", "_unsafe_view", "_reshape_copy", "native_dropout",
        "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
        "split_with_sizes_copy", "unsafe_split", "resize_", "set_", "is_same_size",
        "_unsafe_index", "complex", "_conj_physical",
        "scatter", "scatter_", "index_copy", "masked_scatter", "select_scatter", "diagonal_scatter",
        "index_fill", "index_fill_", "take", "tril", "triu", "rot90",
        "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col",
        "reflection_pad1d", "reflection_pad2d", "reflection_pad3d",
        "replication_pad1d", "replication_pad2d", "replication_pad3d",
    }
)  # fmt: skip


def only_looks(operation: OpOverload) -> bool:
    """Whether the operation is a view, in place and copied views included, or asks a tensor for its traits."""
    return operation.is_view or operation.namespace == "prim" or not VIEW_TAGS.isdisjoint(operation.tags)

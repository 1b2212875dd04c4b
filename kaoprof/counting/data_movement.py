"""Which operations only move, make, mark or look at data, and so cost no arithmetic."""

import torch

from kaoprof.torch_internals import OpOverload

VIEW_TAGS = frozenset({torch.Tag.inplace_view, torch.Tag.view_copy})  # views that `is_view` does not know
NAMES = (
    "cat", "stack", "clone", "copy", "copy_", "_to_copy", "contiguous", "empty", "empty_like", "empty_strided",
    "empty_permuted", "new_empty", "new_empty_strided", "zeros", "zeros_like", "new_zeros", "ones", "ones_like",
    "new_ones", "eye", "full", "full_like", "new_full", "fill", "fill_", "zero_", "scalar_tensor", "arange",
    "linspace", "logspace", "randperm", "lift", "lift_fresh", "tril_indices", "triu_indices", "tril", "triu",
    "tril_", "triu_", "diag_embed", "diag", "diagonal_copy", "block_diag", "constant_pad_nd",
    "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d",
    "replication_pad3d", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col", "roll", "flip",
    "rot90", "repeat", "repeat_interleave", "index", "index_select", "index_copy", "index_copy_", "index_fill",
    "index_fill_", "_unsafe_index", "gather", "take", "scatter", "scatter_", "masked_scatter",
    "masked_scatter_", "masked_select", "select_scatter", "slice_scatter", "diagonal_scatter",
    "as_strided_scatter", "put", "put_", "select_backward", "slice_backward", "diagonal_backward",
    "as_strided_", "embedding", "embedding_renorm_", "one_hot", "_unsafe_view", "_reshape_copy",
    "_reshape_alias", "split_with_sizes_copy", "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk",
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d",
    "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "resize_", "set_", "is_same_size", "equal",
    "complex", "_conj_physical", "view_as_complex_copy", "_local_scalar_dense", "is_nonzero", "item", "nonzero",
    "nonzero_static", "_assert_async", "_assert_scalar", "_assert_tensor_metadata", "size", "stride",
    "sym_size", "sym_stride",
    "sym_numel", "sym_storage_offset", "sym_constrain_range", "sym_constrain_range_for_size",
    "_pack_padded_sequence", "_pad_packed_sequence", "_pack_padded_sequence_backward", "_pin_memory",
    "pin_memory", "is_pinned", "_values", "_indices", "values", "indices", "coalesce", "_coalesce",
    "crow_indices", "col_indices", "to_dense", "_to_dense", "_to_sparse", "sparse_coo_tensor",
    "_sparse_coo_tensor_with_dims_and_tensors", "_sparse_coo_tensor_unsafe", "embedding_sparse_backward",
    "_nested_view_from_jagged", "_nested_get_values", "_nested_tensor_from_mask",
    "_has_compatible_shallow_copy_type", "retain_grad", "alias", "detach", "detach_", "view_as",
)  # fmt: skip
MARKS = (
    "profiler._record_function_enter", "profiler._record_function_enter_new", "profiler._record_function_exit",
)  # fmt: skip
MOVES_DATA = frozenset([*NAMES, *MARKS])


def only_looks(operation: OpOverload) -> bool:
    """Whether the operation is a view, in place and copied views included, or asks a tensor for its traits."""
    return operation.is_view or operation.namespace == "prim" or not VIEW_TAGS.isdisjoint(operation.tags)

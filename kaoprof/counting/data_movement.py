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
    "_nested_compute_contiguous_strides_offsets", "_nested_from_padded", "_nested_from_padded_tensor",
    "_nested_get_jagged_dummy", "_nested_get_lengths", "_nested_get_max_seqlen", "_nested_get_min_seqlen",
    "_nested_get_offsets", "_nested_get_ragged_idx", "_nested_select_backward", "_nested_tensor_size",
    "_nested_tensor_from_tensor_list", "_nested_tensor_storage_offsets", "_nested_tensor_strides",
    "_nested_tensor_from_mask_left_aligned", "_nested_from_padded_and_nested_example", "to_padded_tensor",
    "_padded_dense_to_jagged_forward", "_jagged_to_padded_dense_forward", "is_coalesced", "_coalesced",
    "sparse_dim", "dense_dim", "_dimI", "_dimV", "_nnz", "sparse_mask", "_sparse_mask_projection", "_spdiags",
    "sparse_resize", "sparse_resize_and_clear", "copy_sparse_to_sparse", "resize_as_sparse",
    "sparse_compressed_tensor", "_sparse_compressed_tensor_with_dims", "_sparse_coo_tensor_with_dims",
    "_validate_compressed_sparse_indices", "_convert_indices_from_coo_to_csr",
    "_convert_indices_from_csr_to_coo", "_to_sparse_csr", "_to_sparse_csc", "_to_sparse_bsr", "_to_sparse_bsc",
    "_to_sparse_semi_structured", "to_mkldnn", "_mkldnn_reshape", "_mkldnn_transpose",
    "mkldnn_reorder_conv2d_weight", "mkldnn_reorder_conv3d_weight", "_efficientzerotensor",
    "_has_same_storage_numel", "_new_zeros_with_same_feature_meta", "_linalg_check_errors", "lu_unpack",
    "_histogramdd_bin_edges", "max_unpool2d", "max_unpool3d", "int_repr", "q_scale", "q_zero_point",
    "q_per_channel_scales", "q_per_channel_zero_points", "q_per_channel_axis", "qscheme",
    "_empty_affine_quantized", "_empty_per_channel_affine_quantized", "empty_quantized",
    "_make_per_tensor_quantized_tensor", "_make_per_channel_quantized_tensor", "quantized.cat",
    "quantized.cat_relu", "quantized.linear_prepack", "quantized.linear_unpack", "quantized.conv1d_prepack",
    "quantized.conv2d_prepack", "quantized.conv3d_prepack", "range", "resize", "resize_as", "set", "zero",
    "record_stream", "is_set_to", "from_file", "_chunk_cat", "_stack", "_copy_from", "_lazy_clone",
    "_resize_output", "_unsafe_index_put", "_unsafe_masked_index", "_functional_assert_async",
    "_functional_assert_scalar", "_functional_sym_constrain_range", "_print", "_fused_sdp_choice",
    "_functional_sym_constrain_range_for_size", "_use_cudnn_ctc_loss", "_cudnn_init_dropout_state",
    "prims.rev", "prims.iota", "prims.device_put", "prims.copy_to", "prims.copy_strided", "prims.reshape",
    "prims.collapse", "prims.convert_element_type", "_has_compatible_shallow_copy_type",
    "retain_grad", "alias", "detach", "detach_", "view_as",
)  # fmt: skip
MARKS = (
    "profiler._record_function_enter", "profiler._record_function_enter_new", "profiler._record_function_exit",
)  # fmt: skip
MOVES_DATA = frozenset([*NAMES, *MARKS])


def only_looks(operation: OpOverload) -> bool:
    """Whether the operation is a view, in place and copied views included, or asks a tensor for its traits."""
    return operation.is_view or operation.namespace == "prim" or not VIEW_TAGS.isdisjoint(operation.tags)

"""What kernels hold on a GPU, without one: figures that torch's host code asked of the allocator for an H100."""

import pytest
import torch

from kaoprof.memory.kernels.table import scratch_bytes, scratch_gap

aten = torch.ops.aten
X = torch.empty(2, 8, 26, 30, device="meta")  # 49,920 bytes
LAST = X.mT.contiguous().mT
CUT = torch.empty(2, 8, 26, 60, device="meta")[..., :30]
WEIGHT = torch.empty(8, device="meta")
STATISTICS = torch.empty(2, 2, device="meta")


def held(operation, *args, **kwargs):
    assert scratch_gap(operation, args, device="cuda") is None
    return scratch_bytes(operation, args, kwargs, device="cuda", threads=4)


@pytest.mark.parametrize(("shape", "axes", "dtype", "expected"), [
    ((5000, 2000), [0], torch.float32, 80_896_064), ((5000, 2000), [0], torch.bfloat16, 80_896_064),
    ((5000, 2000), [1], torch.float32, 0), ((5000, 2000), [0, 1], torch.float32, 2116),
    ((70000, 16), [0], torch.float32, 140_292), ((64, 5000), [0], torch.float32, 0),
    ((64, 5000), None, torch.float32, 164),
])  # fmt: skip
def test_sums_of_few_outputs_are_shared_among_blocks(shape, axes, dtype, expected):
    x = torch.empty(shape, dtype=dtype, device="meta")
    assert held(aten.sum.dim_IntList, x, axes) == expected


@pytest.mark.parametrize(("operation", "args", "expected"), [
    (aten._softmax.default, (LAST, -1, False), 49_920),
    (aten._softmax_backward_data.default, (X, X, -1, X.dtype), 49_920),
    (aten._softmax_backward_data.default, (LAST, LAST, -1, X.dtype), 149_760),
    (aten._softmax_backward_data.default, (CUT, CUT, -1, X.dtype), 99_840),
    (aten._log_softmax_backward_data.default, (LAST, LAST, -1, X.dtype), 99_840),
    (aten._safe_softmax.default, (X, -1), 12_900),
    (aten.native_layer_norm.default, (LAST, [30], None, None, 1e-5), 49_920),
    (aten.native_group_norm_backward.default, (X, X, STATISTICS, STATISTICS, WEIGHT, 2, 8, 780, 2, [True] * 3), 224),
    (aten.native_group_norm_backward.default, (X, X, STATISTICS, STATISTICS, None, 2, 8, 780, 2, [True] * 3), 160),
    (aten.native_batch_norm_backward.default,
     (LAST, LAST, WEIGHT, None, None, WEIGHT, WEIGHT, True, 1e-5, [True] * 3), 99_840),
    (aten.bmm.default, (X[0].permute(1, 2, 0), X[0].permute(1, 2, 0).mT), 0),
    (aten.bmm.default, (CUT[0, ..., ::2], X[0, :, :15]), 12_480),
    (aten.cumsum.default, (LAST, 1), 49_920), (aten.cumsum.default, (X > 0, 1), 99_840),
    (aten.sort.default, (X, 1), 64), (aten.roll.default, (LAST, [3], [1]), 49_920),
    (aten.mse_loss.default, (X, X), 49_920), (aten.logsumexp.default, (X, [1]), 56_160),
    (aten.relu.default, (LAST,), 0), (aten.view.default, (X, [-1]), 0),
    (aten.native_dropout.default, (X, 0.5, True), 0),
])  # fmt: skip
def test_copies_of_what_lies_in_no_order(operation, args, expected):
    assert held(operation, *args) == expected


@pytest.mark.parametrize(("operation", "args", "named"), [
    (aten._euclidean_dist.default, (X[0, 0], X[0, 0]), "_euclidean_dist"),
    (aten.convolution.default, (X, X, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1), "convolution by cuDNN"),
    (aten.native_batch_norm.default, (X, WEIGHT, WEIGHT, WEIGHT, WEIGHT, True, 0.1, 1e-5), "batch norm by cuDNN"),
    (aten.sort.default, (torch.empty(3, 5000, device="meta"),), "sort"),
    (aten.topk.default, (torch.empty(3, 5000, device="meta"), 2), "topk"),
    (aten.index_put.default, (X, [None, WEIGHT.long()], X, True), "index_put"),
    (aten.index_put.default, (X, [None, WEIGHT.long()], X, False), None),
    (aten.embedding_dense_backward.default, (CUT, torch.empty(4000, device="meta"), 9, -1, False),
     "embedding_dense_backward"),
    (aten.amax.default, (X,), None),
])  # fmt: skip
def test_what_is_not_known_is_named(operation, args, named):
    assert scratch_gap(operation, args, device="cuda") == named

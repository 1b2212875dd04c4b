"""What products of matrices hold for themselves: copies, against the allocator's events, or a gap that is named."""

import pytest
import torch

from kaoprof.bench.meters import CpuMeters
from kaoprof.memory.kernels import onednn
from kaoprof.memory.kernels.products import product_scratch
from kaoprof.memory.kernels.table import scratch_bytes, scratch_gap

aten = torch.ops.aten


def assert_predicted(operation, *args):
    result = operation(*args)
    measured = CpuMeters().peak(lambda: operation(*args))["allocated"]
    assert result.nbytes + scratch_bytes(operation, args, {}, device="cpu", threads=2) == measured
    assert scratch_gap(operation, args, device="cpu") is None


def test_matrices_of_no_order_are_copied():
    left, right = torch.randn(57, 66)[:, ::2], torch.randn(33, 41)
    assert product_scratch(left, right) == 4 * 57 * 33
    assert_predicted(aten.mm.default, left, right)
    assert_predicted(aten.mm.default, right.mT, torch.randn(33, 5))
    assert_predicted(aten.addmm.default, torch.randn(41), torch.randn(1, 33).expand(50, 33), right)
    assert_predicted(aten.bmm.default, torch.randn(3, 8, 9), torch.randn(1, 9, 10).expand(3, 9, 10))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_a_gap_exactly_where_torch_hands_it_to_onednn(monkeypatch, dtype):
    x = torch.ones(2, 40, 40, dtype=dtype)
    convolved = x[None], torch.ones(2, 2, 3, 3, dtype=dtype), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1
    operations = {
        aten.mm.default: (x[0], x[0]), aten.bmm.default: (x, x), aten.addmm.default: (x[0], x[0], x[0]),
        aten.convolution.default: convolved,
    }  # fmt: skip
    for supported in (True, False):
        question = "_is_mkldnn_bf16_supported" if dtype == torch.bfloat16 else "_is_mkldnn_fp16_supported"
        monkeypatch.setattr(torch.ops.mkldnn, question, lambda supported=supported: supported)
        assert onednn.takes_reduced(dtype) == supported
        gaps = [scratch_gap(operation, args, device="cpu") for operation, args in operations.items()]
        name = str(dtype).removeprefix("torch.")
        product = f"product in {name} by oneDNN" if supported else None
        by_onednn = supported or dtype == torch.bfloat16  # whose native kernels nobody looked at
        assert gaps == [product] * 3 + [f"convolution in {name}" if by_onednn else None]
    assert scratch_gap(aten.mm.default, (x[0].float(), x[0].float()), device="cpu") is None

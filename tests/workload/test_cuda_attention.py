"""The peak of fused attention on a GPU that is not here: figures worked out by hand, and where the plain form runs."""

import itertools
import random

import pytest
import torch
from representatives import mostly_slow
from torch import nn
from torch.nn import functional as F

from kaoprof.catalog import operator_workload
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.explaining.expressions import value_at
from kaoprof.explaining.peak_formula import derive_peak
from kaoprof.explaining.target import operator_target
from kaoprof.memory.kernels.cuda_attention import efficient_gradient, splits
from kaoprof.memory.kernels.table import scratch_bytes
from kaoprof.memory.live_bytes import LiveBytesMode, dry_run, predict_peak_bytes
from kaoprof.networks import network_workload
from kaoprof.specs import load_spec
from kaoprof.workload.attention_backend import UnservedError
from kaoprof.workload.cuda_attention import CudaAttention
from kaoprof.workload.gpu import Gpu
from kaoprof.workload.workload import TensorSpec, Workload

aten = torch.ops.aten
B, C, H, W = 2, 24, 30, 40
X = B * C * H * W  # elements of the input
QUERIES = B * H * W
MAP = B * (H * W) ** 2  # elements of the coefficients
SEEDS = 2 * 8  # of the random numbers that no dropout draws; on a GPU some lie elsewhere


def predicted(dtype, mode, *, device="cuda", sdpa="auto", channels=C):
    options = AttentionOptions(projection="none", implementation="sdpa")
    dims = Dims(b=B, c=channels, spatial=(H, W))
    work = operator_workload("nonlocal", dims, options, dtype=dtype, mode=mode, seed=0)
    return predict_peak_bytes(work, device=device, threads=1, sdpa=sdpa)


@pytest.mark.parametrize(("dtype", "width"), [("fp32", 4), ("bf16", 2), ("fp16", 2)])
def test_forward_holds_tokens_attended_and_output(dtype, width):
    assert predicted(dtype, "forward") == 3 * X * width


def test_backward_holds_what_the_kernel_sums_up_in_single_precision():
    output_gradient, tokens, attended, three_gradients = X, X, X, 3 * X
    output = X
    held = output_gradient + tokens + attended + three_gradients + output
    rows = 32 * -(-H * W // 32)  # the kernel's own rounding of the logarithms of row sums
    copied = X  # the gradient, which lies channels first
    blocks = B * -(-H * W // 64) * (64 * 64 + 4)  # of 64 queries x 64 channels, though there are 24
    assert predicted("fp32", "train") == 4 * (held + copied + B * rows + QUERIES + blocks) + SEEDS
    rows = B * 128 * -(-H * W // 128)  # blocks of 128 queries, of 32 channels though there are 24
    assert predicted("bf16", "train") == 2 * (held + copied) + 4 * (QUERIES + rows * (1 + 32)) + SEEDS


@pytest.mark.parametrize(
    ("head", "rows", "columns"), [(32, 64, 1), (64, 64, 1), (96, 128, 2), (128, 128, 2), (160, 128, 3)]
)
def test_the_efficient_kernel_sums_up_in_whole_blocks(head, rows, columns):
    query = torch.empty(2, 3, 500, head, device="meta")
    gradient = torch.empty(2, 500, 3, head, device="meta").transpose(1, 2)  # as the kernel wants it
    blocks = 2 * 3 * -(-500 // rows) * columns * (rows * 64 + 4)
    assert efficient_gradient(gradient, query) == 4 * (2 * 3 * 500 + blocks)
    assert efficient_gradient(gradient.contiguous(), query) == 4 * (2 * 3 * 500 + blocks + gradient.numel())


def test_the_gradient_of_softmax_holds_a_product_and_that_of_its_logarithm_does_not():
    x = torch.empty(2, 30, 40, device="meta")
    for operation, hidden in ((aten._softmax_backward_data, x.nbytes), (aten._log_softmax_backward_data, 0)):
        assert scratch_bytes(operation.default, (x, x, -1, x.dtype), {}, device="cuda", threads=1) == hidden


@pytest.mark.parametrize(("dtype", "named"), [("fp32", ()), ("bf16", ("attention by cuDNN",))])
def test_what_depends_on_the_gpu_or_a_library_decides_is_named(dtype, named):
    options = AttentionOptions(implementation="sdpa")
    work = operator_workload("nonlocal", Dims(b=B, c=C, spatial=(H, W)), options, dtype=dtype, mode="forward", seed=0)
    assert dry_run(work, LiveBytesMode, device="cuda", threads=1).unmodelled == named


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_where_no_fused_kernel_serves_the_plain_form_writes_the_coefficients_out(mode):
    assert predicted("fp64", mode) > 8 * MAP
    assert predicted("fp32", mode, channels=C + 1) > 4 * MAP  # heads of 25 channels are not aligned
    assert predicted("fp32", mode, sdpa="math") > 4 * MAP
    assert predicted("bf16", mode, channels=C + 1) < 2 * MAP  # here they are padded


def test_heads_that_are_padded_cost_their_padding():
    aligned, padded = (predicted("bf16", "forward", channels=channels) for channels in (C + 8, C + 1))
    assert padded > aligned > predicted("bf16", "forward")


@pytest.mark.parametrize(("sdpa", "dtype"), [("flash", "fp32"), ("cudnn", "fp32"), ("efficient", "fp64")])
def test_a_backend_that_cannot_serve_on_a_gpu_says_so(sdpa, dtype):
    with pytest.raises(UnservedError, match=f"'{sdpa}' cannot serve this on cuda"):
        predicted(dtype, "forward", sdpa=sdpa)


@pytest.mark.parametrize("sdpa", ["efficient", "cudnn"])
def test_a_fused_backend_leaves_the_coefficients_unwritten(sdpa):
    assert predicted("bf16", "forward", sdpa=sdpa) == pytest.approx(2 * 3 * X, rel=0.01)


def test_flash_splits_keys_where_queries_are_few():
    parts = 5 * 4 * QUERIES * (1 + 32)  # of each block of 256 keys, in single precision, 32 channels for 24
    tokens, attended, row_sums = 2 * X, 2 * X, 4 * QUERIES
    assert predicted("bf16", "forward", sdpa="flash") == tokens + attended + row_sums + parts + 3 * 8  # random numbers
    h100 = Gpu()
    assert splits(2 * 13, 64, 784, h100) == 4  # as torch asks of the allocator, with 2 x 784 queries of 64 channels
    assert splits(8 * 2 * 13, 64, 784, h100) == 1  # 208 blocks keep 132 multiprocessors busy
    assert splits(2 * 13, 64, 784, Gpu(multiprocessors=10)) == 1


def test_cudnn_serves_no_head_that_it_would_have_to_pad():
    with pytest.raises(UnservedError):
        predicted("bf16", "forward", sdpa="cudnn", channels=C + 1)
    predicted("bf16", "forward", sdpa="flash", channels=C + 1)
    predicted("bf16", "forward", sdpa="cudnn", channels=136)  # only newer versions: the device itself will say


def test_a_cpus_prediction_is_not_touched():
    assert predicted("fp32", "forward", device="cpu") > predicted("fp32", "forward")  # its kernel's blocks, per thread


@pytest.mark.parametrize(
    ("name", "dtype", "mode"),
    mostly_slow(list(itertools.product(["nonlocal", "kao_kv"], ["fp32", "bf16"], ["forward", "train"]))),
)
def test_the_formula_on_a_gpu_is_the_predicted_peak(name, dtype, mode):
    options = AttentionOptions(heads=2, projection="qkvo", implementation="sdpa")
    target = operator_target(name, options, mode=mode, dtype=dtype, sizes={"c": 16})
    peak = derive_peak(target, device="cuda", threads=1)
    draw = random.Random(f"{name} {dtype} {mode}")  # noqa: S311 - sizes to test at
    for _ in range(5):
        sizes = {axis: draw.randint(3, 40) for axis in target.sizes}
        sizes |= {"b": draw.randint(2, 5), "c": 16 * draw.randint(2, 5)}
        assert sizes in peak.domain
        assert value_at(peak.peak_bytes, sizes) == predict_peak_bytes(target.at(sizes), device="cuda", threads=1)


class Counting(nn.Module):
    """Holds what `torch.tensor` made: a parameter, and counters as batch norms have one."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("calls", torch.tensor([0] * 2**17))

    def forward(self, x):
        self.calls.add_(1)
        return (x * x) * self.factor


@pytest.mark.parametrize(("mode", "tensors"), [("forward", 2), ("train", 5)])
def test_numbers_that_a_module_begins_with_are_resident_on_a_gpu_too(mode, tensors):
    image = TensorSpec(shape=(2, 3, 50, 70), dtype="fp32")
    work = Workload(factory=f"{__name__}:Counting", inputs=(image,), mode=mode)
    peaks = [predict_peak_bytes(work, device=device, threads=1) for device in ("cuda", "cpu")]
    assert peaks[0] == peaks[1]
    assert peaks[0] // (4 * 2 * 3 * 50 * 70) == tensors


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kanet-qkv", "kanet-video", "mobilenetv2"])
def test_shipped_models_are_predicted_for_a_gpu(name):
    workload = network_workload(load_spec(name), dtype="fp32", mode="forward", seed=0)
    on_gpu, on_cpu = (predict_peak_bytes(workload, device=device, threads=1) for device in ("cuda", "cpu"))
    assert 0.5 < on_gpu / on_cpu <= 1  # a CPU's kernels hold more for themselves


def test_attention_with_a_mask_and_in_torchs_own_layers_is_fused_too():
    query = torch.empty(2, 3, 50, 16, device="meta")
    with CudaAttention():
        masked = F.scaled_dot_product_attention(
            query, query, query, torch.ones(50, 50, dtype=torch.bool, device="meta")
        )
        grouped = F.scaled_dot_product_attention(query, query[:, :1], query[:, :1], enable_gqa=True)
    assert masked.shape == grouped.shape == query.shape
    n, heads = 1000, 2
    layer = Workload(
        factory="torch.nn:TransformerEncoderLayer", args=(32, heads), kwargs={"dim_feedforward": 64},
        inputs=(TensorSpec(shape=(n, 1, 32), dtype="fp32"),),
    )  # fmt: skip
    assert predict_peak_bytes(layer, device="cuda", threads=1) < 4 * heads * n**2  # the coefficients

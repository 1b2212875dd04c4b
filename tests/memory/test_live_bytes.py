"""The predicted peak against the allocator's own events, to the byte where the kernels allow it."""

import itertools

import pytest
import torch
from msgspec.structs import replace
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from kaoprof.catalog import group, operator_workload
from kaoprof.dims import DTYPE_BYTES, IMPLEMENTATIONS, MODES, AttentionOptions, Dims
from kaoprof.memory.live_bytes import LiveBytesMode, dry_run, predict_peak_bytes
from kaoprof.networks import network_workload
from kaoprof.operators import kronecker
from kaoprof.specs import load_spec
from kaoprof.workload.workload import FLOAT_DTYPES, TensorSpec, Workload


def operator(name, dims, *, mode="forward", dtype="fp32", **options):
    return operator_workload(name, dims, AttentionOptions(**options), dtype=dtype, mode=mode, seed=0)


SUMS = {  # gradients that meet at `h`
    "residual": lambda h: h + F.gelu(h),
    "three": lambda h: h + F.gelu(h) + F.relu(h),
    "a view first": lambda h: h.view(-1) + h.reshape(-1).relu(),
    "transposed": lambda h: h.transpose(1, 2).reshape(h.shape) + F.gelu(h),
    "averages": lambda h: h.mean(1, keepdim=True) + h + h.sum(-1, keepdim=True),
    "chunks": lambda h: (h.chunk(2, -1)[0] * h.chunk(2, -1)[1]).sum(-1, keepdim=True) + h,
    "twice": lambda h: h + h + h * h,
    "joined": lambda h: torch.cat([h, 2 * h, F.relu(h)], -1),
}


class Sums(nn.Module):
    def __init__(self, form, channels):
        super().__init__()
        self.form = SUMS[form]
        self.linear = nn.Linear(channels, channels)

    def forward(self, x):
        return self.form(self.linear(x))


class Tokens(nn.Module):
    """Tokens that are convolved as an image, as in SegFormer: what lies in memory is `(b h w c)`."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.last = nn.Conv2d(channels, 2 * channels, 1)

    def forward(self, x):
        b, n, c = x.shape
        image = x.transpose(1, 2).view(b, c, int(n**0.5), -1)
        return self.last(F.interpolate(self.conv(image), scale_factor=2, mode="bilinear"))


class GroupsOfThree(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(12, 8, 3, groups=4)
        self.wide = nn.Linear(12, channels)

    def forward(self, x):
        y = self.conv(x)
        return y, self.wide(x.permute(0, 2, 3, 1))


EVERY_OPERATOR = pytest.mark.parametrize(
    ("name", "implementation"), list(itertools.product(group("paper"), IMPLEMENTATIONS))
)


def slow(*values):
    """Parameters of the exhaustive part."""
    return [pytest.param(*value, marks=pytest.mark.slow) for value in values]


@EVERY_OPERATOR
@pytest.mark.parametrize(("b", "c", "spatial"), [(8, 8, (28, 28)), *slow((2, 64, (56, 56)), (1, 16, (8, 24, 24)))])
def test_the_prediction_is_within_one_percent_of_the_allocator(name, implementation, b, c, spatial, check_peak):
    check_peak(operator(name, Dims(b=b, c=c, spatial=spatial), implementation=implementation), rel=0.01)


AWKWARD = [(heads, spatial, projection) for projection in ("none", "qkvo")
           for heads, spatial in ((1, (5,)), (2, (9, 13)), (4, (200,)), (2, (30, 27)), (1, (2, 3, 4)))]  # fmt: skip


@EVERY_OPERATOR
@pytest.mark.parametrize(("heads", "spatial", "projection"), [(2, (9, 13), "qkvo"), *slow(*AWKWARD)])
def test_the_prediction_holds_at_awkward_sizes(name, implementation, heads, spatial, projection, check_peak):
    options = {"heads": heads, "projection": projection, "implementation": implementation}
    check_peak(operator(name, Dims(b=2, c=20, spatial=spatial), **options))


@EVERY_OPERATOR
@pytest.mark.parametrize("dtype", ["fp32", *slow(["fp16"], ["bf16"])])
@pytest.mark.parametrize(("c", "spatial"), [(16, (14, 14)), *slow((8, (30, 7)), (16, (4, 9, 10)), (8, (300,)))])
def test_training_is_predicted_with_its_kernels_buffers_and_gradients_added_in_place(
    name, implementation, c, spatial, dtype, check_peak
):
    dims = Dims(b=2, c=c, spatial=spatial)
    check_peak(operator(name, dims, mode="train", dtype=dtype, implementation=implementation), rel=0.01)


def test_averages_in_float16_take_a_copy_in_single_precision(check_peak):
    work = operator("kao_qkv", Dims(b=2, c=32, spatial=(28, 20)), dtype="fp16")
    assert check_peak(work, rel=0.01) > 4 * 2 * 32 * 28 * 20


def test_averages_in_bfloat16_take_none(check_peak):
    work = operator("kao_qkv", Dims(b=2, c=32, spatial=(64, 64)), dtype="bf16", projection="none")
    assert check_peak(work, rel=0.01) < 4 * 2 * 32 * 64 * 64


def test_the_prediction_leaves_no_mode_behind_and_repeats_itself():
    dims = Dims(b=2, c=8, spatial=(6, 6))
    work = operator("kao_kv", dims)
    first = predict_peak_bytes(work, device="cpu", threads=2)
    assert predict_peak_bytes(work, device="cpu", threads=2) == first
    assert _get_current_dispatch_mode_stack() == []


def work_of(cls, *args, shape, dtype="fp32", mode="forward"):
    factory, inputs = f"{__name__}:{cls.__name__}", (TensorSpec(shape=shape, dtype=dtype),)
    return Workload(factory=factory, args=args, inputs=inputs, mode=mode)


@pytest.mark.parametrize("name", ["kao_kv", "kao_qkv"])
@pytest.mark.parametrize(
    ("implementation", "dtype"), [("matmul", "fp32"), *slow(*itertools.product(IMPLEMENTATIONS, DTYPE_BYTES))]
)
def test_what_is_averaged_part_by_part_is_predicted(monkeypatch, name, implementation, dtype, check_peak):
    if dtype not in FLOAT_DTYPES:
        pytest.skip("no attention of whole numbers")
    monkeypatch.setattr(kronecker, "PART_BYTES", 2**14)
    work = operator(name, Dims(b=2, c=16, spatial=(96, 96)), dtype=dtype, implementation=implementation)
    check_peak(work, rel=0.002)


@pytest.mark.parametrize("form", SUMS)
@pytest.mark.parametrize("dtype", ["fp32", *slow(["fp16"])])
def test_gradients_are_summed_where_the_engine_sums_them(form, dtype, check_peak):
    check_peak(work_of(Sums, form, 64, shape=(4, 64, 64), dtype=dtype, mode="train"))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_a_batch_of_one_is_not_taken_for_channels_last(batch, mode, check_peak):
    # torch looks at the stride of the batch: of one sample that is another than of the first of two.
    check_peak(work_of(Tokens, 32, shape=(batch, 28**2, 32), mode=mode), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["kanet-qkv", "attnnet", "kanet-audio"])
@pytest.mark.parametrize("mode", MODES)
def test_shipped_models_are_predicted(model, mode, check_peak):  # all of them: tests/benchmarks/bench_prediction.py
    check_peak(network_workload(load_spec(model), mode=mode), rel=0.002)


@pytest.mark.parametrize(("kind", "dtype", "mode"), [
    ("RNN", "fp32", "train"), *slow(*itertools.product(["GRU", "RNN"], ["fp32", "bf16"], MODES)),
])  # fmt: skip
def test_recurrent_layers_of_torchs_own_operations_are_predicted(kind, dtype, mode, check_peak):
    check_peak(recurrent(kind, dtype=dtype, mode=mode), rel=0.002)


def recurrent(kind, **options):
    work = work_of(Sums, 128, 256, shape=(20, 4, 128), **options)
    return replace(work, factory=f"torch.nn:{kind}", kwargs={"num_layers": 2, "bidirectional": True})


@pytest.mark.parametrize(("kind", "device", "named"), [
    ("LSTM", "cpu", ("LSTM by oneDNN",)),
    ("LSTM", "cuda", ("recurrent layers by cuDNN",)),
    ("GRU", "cpu", ()),
    *slow(("GRU", "cuda", ("recurrent layers by cuDNN",))),
])  # fmt: skip
def test_recurrent_layers_of_libraries_are_named(kind, device, named):
    assert dry_run(recurrent(kind), LiveBytesMode, device=device, threads=1).unmodelled == named


def test_what_is_not_modelled_is_named_where_most_of_it_is_output():
    work = work_of(Sums, 8, 8, 3, shape=(2, 8, 8, 16, 16))
    work = replace(work, factory="torch.nn:ConvTranspose3d", kwargs={"stride": 2, "groups": 2})
    assert dry_run(work, LiveBytesMode, device="cpu", threads=2).unmodelled == ("transposed convolution",)


def test_what_is_not_modelled_is_named_only_where_it_could_be_the_peak():
    small, large = (
        dry_run(work_of(GroupsOfThree, channels, shape=(1, 12, 8, 8)), LiveBytesMode, device="cpu", threads=1)
        for channels in (8, 4096)
    )
    assert small.unmodelled == ("convolution of small groups",)
    assert large.unmodelled == ()
